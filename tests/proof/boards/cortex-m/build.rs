//! Which board the target stands for, and where its memory is, for the linker.
#![allow(missing_docs)]

fn main() {
    let target = std::env::var("TARGET").unwrap();
    let board = match &*target {
        "thumbv6m-none-eabi" => "microbit",
        "thumbv7m-none-eabi" => "mps2_an385",
        "thumbv8m.main-none-eabi" => "mps2_an521",
        other => panic!("no board for {other}"),
    };
    println!("cargo:rustc-check-cfg=cfg(board, values(\"microbit\", \"mps2_an385\", \"mps2_an521\"))");
    println!("cargo:rustc-cfg=board=\"{board}\"");
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    println!("cargo:rustc-link-search={here}/memory/{board}");
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    println!("cargo:rerun-if-changed=memory");
    println!("cargo:rerun-if-changed=build.rs");
}
