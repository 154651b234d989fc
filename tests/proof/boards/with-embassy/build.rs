//! Where memory is, for the linker.
#![allow(missing_docs)]

fn main() {
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    println!("cargo:rustc-link-search={here}/../cortex-m/memory/mps2_an385");
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rerun-if-changed=../cortex-m/memory/mps2_an385/memory.x");
    println!("cargo:rerun-if-changed=build.rs");
}
