//! Where memory is, for the linker.
#![allow(missing_docs)]

fn main() {
    println!(
        "cargo:rustc-link-search={}/../cortex-m/memory/mps2_an385",
        std::env::var("CARGO_MANIFEST_DIR").unwrap()
    );
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    println!("cargo:rerun-if-changed=../cortex-m/memory/mps2_an385/memory.x");
    println!("cargo:rerun-if-changed=build.rs");
}
