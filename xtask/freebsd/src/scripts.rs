//! Shell scripts that stand for the linker and the C compiler, because cargo and the cc crate take one
//! word for a program.
//!
//! Cargo sees that a linker is another one only by its path, and builds everything anew then, the
//! standard library included. So the path of a script tells what it links against, and not where that
//! is: a base that has moved, or been unpacked once more, finds what was built with it.

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use toolchain::command::Command;

/// Libraries that the `libc` crate asks the linker for and that nothing here calls. Zig does not
/// have them.
const UNUSED_LIBRARIES: &[&str] = &["kvm", "memstat", "procstat", "devstat"];

/// A script to be.
#[derive(Clone)]
pub(crate) struct Script {
    command: String,
    /// The command by what it does, wherever what it uses lies.
    meaning: String,
}

impl Script {
    /// A script that runs `command` with its own arguments.
    pub(crate) fn of(command: &Command) -> Script {
        let command = command.to_string();
        Script { meaning: command.clone(), command }
    }

    /// The same, whose command uses what lies at `place`, which this fingerprint tells from others.
    pub(crate) fn with(self, place: &Path, fingerprint: String) -> Script {
        let place = place.canonicalize().unwrap_or_else(|_| place.to_owned());
        let meaning = self.meaning.replace(&*place.to_string_lossy(), &fingerprint);
        Script { meaning, ..self }
    }

    /// Writes it, unless it is there. Its name ends with a digest of what it does.
    pub(crate) fn write(&self, dir: &Path, name: &str) -> Result<PathBuf> {
        let path = dir.join(format!("{name}-{}", &hex(&Sha256::digest(text(&self.meaning)))[..8]));
        let text = text(&self.command);
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(path);
        }
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        // Another cargo may be running it: it finds the old one or the new one, and nothing between.
        let new = path.with_extension(format!("new-{}", std::process::id()));
        std::fs::write(&new, text).with_context(|| new.display().to_string())?;
        std::fs::set_permissions(&new, PermissionsExt::from_mode(0o755))?;
        std::fs::rename(&new, &path).with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

/// The text of a script that runs `command` with its own arguments, less the libraries that nothing
/// needs and the cc crate's name for the target, which zig does not know and `command` has in its own
/// way.
fn text(command: &str) -> String {
    let unused: Vec<String> = UNUSED_LIBRARIES.iter().map(|library| format!("-l{library}")).collect();
    format!(
        "#!/bin/sh\n\
         n=$#\n\
         while [ $n -gt 0 ]; do\n    \
             case $1 in\n        \
                 {}|--target=*) ;;\n        \
                 *) set -- \"$@\" \"$1\" ;;\n    \
             esac\n    \
             shift; n=$((n - 1))\n\
         done\n\
         exec {command} \"$@\"\n",
        unused.join("|")
    )
}

/// Where a base has what is linked.
const LIBRARIES: [&str; 2] = ["lib", "usr/lib"];
/// What is linked into every program, or tells the release exactly.
const ALWAYS: [&str; 5] = [
    "usr/lib/Scrt1.o",
    "lib/libc.so.7",
    "lib/libthr.so.3",
    "usr/lib/libc_nonshared.a",
    "usr/include/sys/param.h",
];

/// What tells a base from another one to link against: the names and sizes of its libraries, and the
/// contents of those that every program gets.
pub(crate) fn fingerprint(base: &Path) -> Result<String> {
    let mut libraries = Vec::new();
    for dir in LIBRARIES {
        for entry in base.join(dir).read_dir().into_iter().flatten() {
            let entry = entry.with_context(|| dir.to_owned())?;
            let size = if entry.file_type()?.is_dir() { 0 } else { entry.metadata()?.len() };
            libraries.push(format!("{dir}/{} {size}\n", entry.file_name().to_string_lossy()));
        }
    }
    libraries.sort();
    let mut digest = Sha256::new();
    for library in libraries {
        digest.update(library);
    }
    for file in ALWAYS {
        digest.update(std::fs::read(base.join(file)).unwrap_or_default());
        digest.update(file);
    }
    Ok(hex(&digest.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linkers_script_drops_the_unused_libraries_and_keeps_every_other_word() {
        let dir = tempfile::tempdir().unwrap();
        let write =
            |format| Script::of(&Command::new("printf").arg(format)).write(dir.path(), "echo").unwrap();
        let script = write("%s\\n");
        assert_eq!(script, write("%s\\n"));
        assert_ne!(script, write("%s\\r"), "another command");
        let words =
            ["-lc", "--target=t", "-lkvm", "a b", "-ldevstat", "", "-lprocstat", "-lmemstat", "-lkvmx", "$x"];
        let said = Command::new(&script).args(words).read().unwrap();
        assert_eq!(said, "-lc\na b\n\n-lkvmx\n$x\n");
    }

    fn base(at: &Path, libc: &str) {
        for (file, contents) in [(ALWAYS[0], "start"), (ALWAYS[1], libc), ("usr/lib/libm.so", "m")] {
            std::fs::create_dir_all(at.join(file).parent().unwrap()).unwrap();
            std::fs::write(at.join(file), contents).unwrap();
        }
    }

    fn linker(base: &Path, scripts: &Path) -> PathBuf {
        let clang =
            Command::new("clang").arg(format!("--sysroot={}", base.canonicalize().unwrap().display()));
        Script::of(&clang).with(base, fingerprint(base).unwrap()).write(scripts, "base-ld").unwrap()
    }

    #[test]
    fn a_base_that_has_moved_has_the_same_linker_by_path_and_another_base_has_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        base(&at("here"), "libc of 13.2");
        base(&at("there"), "libc of 13.2");
        base(&at("newer"), "libc of 15.1");
        let here = linker(&at("here"), dir.path());
        assert!(std::fs::read_to_string(&here).unwrap().contains("/here"));
        assert_eq!(linker(&at("there"), dir.path()), here);
        assert!(std::fs::read_to_string(&here).unwrap().contains("/there"), "the script has the old place");
        assert_ne!(linker(&at("newer"), dir.path()), here, "programs for another base were taken for good");
        std::fs::write(at("here/usr/lib/libmore.a"), "").unwrap();
        assert_ne!(linker(&at("here"), dir.path()), here, "a library was added");
    }

    #[test]
    fn a_script_that_is_there_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        base(dir.path(), "libc");
        let script = linker(dir.path(), dir.path());
        let written = std::fs::metadata(&script).unwrap().modified().unwrap();
        assert_eq!(linker(dir.path(), dir.path()), script);
        assert_eq!(std::fs::metadata(&script).unwrap().modified().unwrap(), written);
    }

    /// Cargo, with a linker whose script changes and whose path does not: nothing is built.
    #[test]
    fn cargo_builds_nothing_where_only_the_contents_of_the_script_have_changed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("src")).unwrap();
        std::fs::write(dir.path().join("src/main.rs"), "fn main() {}\n").unwrap();
        let manifest = "[package]\nname = \"p\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n";
        std::fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
        let version = Command::new("rustc").arg("-vV").read().unwrap();
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let linker = format!("CARGO_TARGET_{}_LINKER", host.replace('-', "_").to_uppercase());
        let build = |script: &Path| {
            let cargo = Command::new("cargo").args(["build", "--offline", "--message-format", "json"]);
            let cargo = cargo.dir(dir.path()).env("CARGO_TARGET_DIR", dir.path().join("target"));
            cargo.env(&linker, script).read().unwrap().contains("\"fresh\":true")
        };
        let script = |place: &str, fingerprint: &str| {
            let command = Command::new("env").arg(format!("PLACE={place}")).arg("cc");
            Script::of(&command).with(Path::new(place), fingerprint.into()).write(dir.path(), "ld").unwrap()
        };
        assert!(!build(&script("/nowhere/1", "same")));
        assert!(build(&script("/nowhere/2", "same")), "built again for another place");
        assert!(!build(&script("/nowhere/2", "other")), "not built again for another base");
    }
}
