//! Compiles the OpenMP side if the C compiler has OpenMP. Without it the program builds all the
//! same and says what is missing.

fn main() {
    println!("cargo::rerun-if-changed=src/regions.c");
    println!("cargo::rustc-check-cfg=cfg(openmp)");
    let mut build = cc::Build::new();
    let compiled = build
        .file("src/regions.c")
        .flag("-fopenmp")
        .warnings(true)
        .extra_warnings(true)
        .try_compile("regions");
    match compiled {
        Ok(()) => {
            // The linker's driver knows which library its OpenMP is in.
            println!("cargo::rustc-link-arg=-fopenmp");
            println!("cargo::rustc-cfg=openmp");
        }
        Err(_) => println!("cargo::warning=the C compiler has no OpenMP (Debian: gcc has it)"),
    }
}
