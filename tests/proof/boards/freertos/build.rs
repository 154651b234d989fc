//! Compiles the kernel, the port's C and this board's by clang, which has every processor, and says where
//! memory is.
#![allow(missing_docs)]

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());
    let kernel =
        env::var("FREERTOS_KERNEL").expect("FREERTOS_KERNEL names the kernel's sources: `cargo xtask test`");
    let kernel = Path::new(&kernel);
    let port = here.join("../../../../ports/freertos/c");
    let arm = env::var("CARGO_CFG_TARGET_ARCH").unwrap() == "arm";

    let mut build = cc::Build::new();
    build.compiler("clang").no_default_flags(true).warnings(false).extra_warnings(false);
    build
        .flag("-ffreestanding")
        .flag("-O2")
        .flag("-g")
        .flag("-ffunction-sections")
        .flag("-Wall")
        .flag("-Werror");
    build.archiver("llvm-ar");
    if env::var_os("CARGO_FEATURE_BROKEN").is_some() {
        build.define("BOARD_BROKEN", None);
    }
    let machine = if arm {
        build.flag("--target=thumbv7m-none-eabi").flag("-mcpu=cortex-m3");
        println!("cargo:rustc-link-search={}/../cortex-m/memory/mps2_an385", here.display());
        println!("cargo:rustc-link-arg-bins=-Tlink.x");
        kernel.join("portable/GCC/ARM_CM3")
    } else {
        // LLD before version 15 does not relax, and refuses the assembler's `.align` when it might have to.
        build
            .flag("--target=riscv32-none-elf")
            .flag("-mabi=ilp32")
            .flag("-mcmodel=medany")
            .flag("-mno-relax");
        // Newer ones want to be told of the instructions for status registers, older ones do not know the name.
        let named = build.is_flag_supported("-march=rv32imac_zicsr_zifencei").unwrap_or(false);
        build.flag(if named { "-march=rv32imac_zicsr_zifencei" } else { "-march=rv32imac" });
        println!("cargo:rustc-link-search={}/../riscv-virt", here.display());
        println!("cargo:rustc-link-arg-bins=-Triscv.x");
        println!("cargo:rustc-link-arg-bins=--defsym=START_OF_PROGRAM=0x80000000");
        let port = kernel.join("portable/GCC/RISC-V");
        build.file(port.join("portASM.S"));
        build.include(port.join("chip_specific_extensions/RISCV_MTIME_CLINT_no_extensions"));
        port
    };
    build.include(here.join("c")).include(here.join("c/include")).include(&port);
    build.include(kernel.join("include")).include(&machine);
    for file in ["tasks.c", "list.c", "queue.c", "portable/MemMang/heap_4.c"] {
        build.file(kernel.join(file));
    }
    build.file(machine.join("port.c")).file(port.join("extram_freertos.c")).file(here.join("c/board.c"));
    build.compile("kernel");

    println!("cargo:rerun-if-env-changed=FREERTOS_KERNEL");
    println!("cargo:rerun-if-changed={}", port.display());
    for file in ["build.rs", "c", "../riscv-virt/riscv.x", "../cortex-m/memory/mps2_an385/memory.x"] {
        println!("cargo:rerun-if-changed={file}");
    }
}
