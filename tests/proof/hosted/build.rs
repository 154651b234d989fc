//! Compiles the C side: the threads, signals and stacks that no Rust code made.

fn main() {
    println!("cargo::rerun-if-changed=c");
    println!("cargo::rustc-check-cfg=cfg(openmp)");
    let linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    let build = || {
        let mut build = cc::Build::new();
        build.flag("-pthread").std("c11").warnings_into_errors(true).extra_warnings(true);
        if linux {
            build.define("_GNU_SOURCE", None);
        }
        build
    };
    let files =
        ["crew", "destructors", "exits", "job_queue", "other_stack", "preserved", "storm", "system_calls"];
    build().files(files.map(|file| format!("c/{file}.c"))).compile("extram_hosted_c");
    println!("cargo::rustc-link-lib=pthread");
    // libgomp comes with gcc; elsewhere the scenario's other threads have to do. Clang calls another
    // library, whose header may not be there.
    let gnu = linux && build().try_get_compiler().is_ok_and(|compiler| compiler.is_like_gnu());
    if gnu && build().is_flag_supported("-fopenmp").unwrap_or(false) {
        build().file("c/openmp.c").flag("-fopenmp").compile("extram_hosted_openmp");
        println!("cargo::rustc-link-lib=gomp");
        println!("cargo::rustc-cfg=openmp");
    }
}
