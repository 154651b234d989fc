//! Tells Cortex-M from other 32-bit ARM: the compiler has one name for both.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(cortex_m)");
    let target = std::env::var("TARGET").unwrap_or_default();
    if ["thumbv6m-", "thumbv7m-", "thumbv7em-", "thumbv8m."].iter().any(|name| target.starts_with(name)) {
        println!("cargo::rustc-cfg=cortex_m");
    }
}
