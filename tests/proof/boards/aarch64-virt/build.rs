//! Where memory is, for the linker.
#![allow(missing_docs)]

fn main() {
    println!("cargo:rustc-link-search={}", std::env::var("CARGO_MANIFEST_DIR").unwrap());
    println!("cargo:rustc-link-arg-bins=-Taarch64.x");
    println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    println!("cargo:rerun-if-changed=aarch64.x");
    println!("cargo:rerun-if-changed=build.rs");
}
