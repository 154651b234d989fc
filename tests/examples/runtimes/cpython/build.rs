//! Links with the first CPython 3.12 or later that has a shared library: the one that EXTRAM_PYTHON names, one in
//! the path, or one of pyenv's. Where there is none, the example builds all the same and says so.

use std::path::PathBuf;
use std::process::Command;

/// Prints where the library is, and its name; nothing if this Python does not do.
const ASK: &str = "
import sys, sysconfig
c = sysconfig.get_config_var
if sys.version_info >= (3, 12) and c('Py_ENABLE_SHARED') and not c('Py_GIL_DISABLED'):
    print(c('LIBDIR'), 'python' + c('LDVERSION'), sep='\\n')
";

fn main() {
    println!("cargo::rerun-if-env-changed=EXTRAM_PYTHON");
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(python)");
    let Some((folder, name)) = candidates().into_iter().find_map(ask) else {
        println!("cargo::warning=no CPython 3.12 or later with a shared library (EXTRAM_PYTHON names one)");
        // Looked for again the next time: there is no such file.
        println!("cargo::rerun-if-changed=no-python");
        return;
    };
    println!("cargo::rustc-link-search=native={folder}");
    println!("cargo::rustc-link-lib=dylib={name}");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    println!("cargo::rustc-cfg=python");
}

fn candidates() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os("EXTRAM_PYTHON") {
        return vec![named.into()];
    }
    let mut found: Vec<PathBuf> =
        ["python3.14", "python3.13", "python3.12", "python3"].map(PathBuf::from).into();
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv"));
    if let Some(root) = std::env::var_os("PYENV_ROOT").map(PathBuf::from).or(home) {
        let versions = std::fs::read_dir(root.join("versions")).into_iter().flatten().flatten();
        let mut versions: Vec<_> = versions.map(|version| version.path().join("bin/python3")).collect();
        versions.sort();
        found.extend(versions.into_iter().rev());
    }
    found
}

fn ask(python: PathBuf) -> Option<(String, String)> {
    let output = Command::new(python).args(["-c", ASK]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (folder, name) = text.trim().split_once('\n')?;
    Some((folder.to_owned(), name.to_owned()))
}
