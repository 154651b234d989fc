//! Compiles the C side of the live peers: the threads, which call into whatever is measured.

fn main() {
    println!("cargo::rerun-if-changed=peers/peer.c");
    println!("cargo::rerun-if-changed=peers/peer.h");
    println!("cargo::rustc-check-cfg=cfg(peers)");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cfg=peers");
        cc::Build::new().file("peers/peer.c").warnings(true).extra_warnings(true).compile("peer");
    }
}
