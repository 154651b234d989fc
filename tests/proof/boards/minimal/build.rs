//! Where everything goes, for the linker.
#![allow(missing_docs)]

fn main() {
    println!("cargo:rustc-link-search={}", std::env::var("CARGO_MANIFEST_DIR").unwrap());
    println!("cargo:rustc-link-arg-bins=-Tminimal.x");
    println!("cargo:rerun-if-changed=minimal.x");
    println!("cargo:rerun-if-changed=build.rs");
}
