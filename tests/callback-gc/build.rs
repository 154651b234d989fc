//! Compiles the C half: the threads that the runtime did not create.

fn main() {
    println!("cargo::rerun-if-changed=src/c_thread.c");
    cc::Build::new()
        .file("src/c_thread.c")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .compile("callback_gc_c_thread");
}
