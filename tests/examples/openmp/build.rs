//! Compiles the OpenMP side if the C compiler has OpenMP. Without it the program builds all the
//! same and says what is missing.

use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=src/regions.c");
    println!("cargo::rustc-check-cfg=cfg(openmp)");
    // Tried with a file of its own: a mistake in `regions.c` is no lack of OpenMP.
    let probe = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("probe.c");
    let text = "#include <omp.h>\nint probe(void) { return omp_get_num_threads(); }\n";
    std::fs::write(&probe, text).expect("cargo's own folder can be written to");
    if openmp().file(&probe).cargo_metadata(false).try_compile("probe").is_err() {
        println!("cargo::warning=the C compiler has no OpenMP (Debian: gcc has it)");
        return;
    }
    openmp().file("src/regions.c").warnings(true).extra_warnings(true).compile("regions");
    // The linker's driver knows which library its OpenMP is in.
    println!("cargo::rustc-link-arg=-fopenmp");
    println!("cargo::rustc-cfg=openmp");
}

fn openmp() -> cc::Build {
    let mut build = cc::Build::new();
    build.flag("-fopenmp");
    build
}
