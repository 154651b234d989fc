//! Compiles the C side: the threads that the runtime did not create.

fn main() {
    println!("cargo::rerun-if-changed=src/foreign.c");
    cc::Build::new().file("src/foreign.c").warnings(true).extra_warnings(true).compile("foreign");
}
