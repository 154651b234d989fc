//! Compiles Lua with arm-none-eabi-gcc and picolibc, and says where memory is.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter, and what of its libraries needs no files.
const LUA: &[&str] = &[
    "lapi", "lauxlib", "lcode", "lctype", "ldebug", "ldo", "ldump", "lfunc", "lgc", "llex", "lmem",
    "lobject", "lopcodes", "lparser", "lstate", "lstring", "lstrlib", "ltable", "ltablib", "ltm", "lundump",
    "lvm", "lzio",
];

const GCC: &str = "arm-none-eabi-gcc";

fn main() {
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    println!("cargo::rerun-if-changed=src/guest.c");
    println!("cargo::rustc-link-search={here}/../../../proof/boards/cortex-m/memory/mps2_an385");
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    let lua = lua_src().join("lua-5.4.8");
    cc::Build::new()
        .compiler(GCC)
        .flag("-specs=picolibc.specs")
        // The same seed in every run; the default asks the clock and the loader.
        .define("luai_makeseed(L)", "0")
        // For less stack in the parser's and the interpreter's recursion.
        .define("LUAI_MAXCCALLS", "40")
        .include(&lua)
        .files(LUA.iter().map(|name| lua.join(name).with_extension("c")))
        .file("src/guest.c")
        .warnings(false)
        .compile("lua");
    // Where picolibc's linker script has it: the thread's block is behind two words.
    println!("cargo::rustc-link-arg-bins=--defsym=__arm32_tls_tcb_offset=8");
    // The C library's functions, after what calls them.
    println!("cargo::rustc-link-arg-bins={}", c_library().display());
}

fn lua_src() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap();
    let metadata = read(Command::new(cargo).args(["metadata", "--format-version", "1", "--offline"]));
    let key = "\"manifest_path\":\"";
    let manifests = metadata.match_indices(key).map(|(at, _)| &metadata[at + key.len()..]);
    let mut manifests = manifests.filter_map(|rest| rest.split('"').next().map(Path::new));
    let manifest = manifests.find(|path| {
        path.parent()
            .and_then(Path::file_name)
            .is_some_and(|name| name.to_string_lossy().starts_with("lua-src-"))
    });
    manifest.expect("lua-src is a dependency").parent().unwrap().to_owned()
}

fn c_library() -> PathBuf {
    let options = ["-specs=picolibc.specs", "-mcpu=cortex-m3", "-mthumb", "-print-file-name=libc.a"];
    let path = PathBuf::from(read(Command::new(GCC).args(options)).trim());
    if path.is_absolute() {
        return path;
    }
    // picolibc is beside the compiler's own folders.
    let folder = read(Command::new(GCC).args(["-mcpu=cortex-m3", "-mthumb", "-print-multi-directory"]));
    Path::new("/usr/lib/picolibc/arm-none-eabi/lib").join(folder.trim()).join("libc.a")
}

fn read(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
