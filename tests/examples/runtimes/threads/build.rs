//! Compiles the side that makes the threads.

fn main() {
    println!("cargo::rerun-if-changed=src/threads.c");
    cc::Build::new()
        .file("src/threads.c")
        .flag("-pthread")
        .warnings(true)
        .extra_warnings(true)
        .compile("threads");
}
