//! Where memory is, for the linker.
#![allow(missing_docs)]

fn main() {
    println!("cargo:rustc-link-search={}", std::env::var("CARGO_MANIFEST_DIR").unwrap());
    println!("cargo:rustc-link-arg-bins=-Triscv.x");
    println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    let rv64 = std::env::var("TARGET").unwrap().starts_with("riscv64");
    let start = if rv64 { "0x80200000" } else { "0x80000000" };
    println!("cargo:rustc-link-arg-bins=--defsym=START_OF_PROGRAM={start}");
    println!("cargo:rerun-if-changed=riscv.x");
    println!("cargo:rerun-if-changed=build.rs");
}
