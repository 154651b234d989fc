//! The options of `install` and `uninstall`. Read by hand: a vendored copy has this program in it, and
//! would have a parser's twenty crates in it, too.

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// What `install --help` prints.
pub const INSTALL_HELP: &str = "\
Install extram.h, libextram.a, libextram.so, and the files for pkg-config, CMake and man. uninstall removes
exactly those.

Usage: cargo xtask install [OPTIONS]

      --prefix DIR      Where it will be used from [default: /usr/local]
      --libdir DIR      Where the libraries go [default: PREFIX/lib]
      --includedir DIR  Where the headers go [default: PREFIX/include]
      --destdir DIR     A folder to put in front of every path, for packagers [default: $DESTDIR]
      --target TRIPLE   Build for this target instead of this machine
      --single-core     For a processor without compare-exchange (thumbv6m, riscv32imc): it has one core, and the
                        program runs where it may mask interrupts, by which exchanges are made then
      --debug-info      With the types, by which gdb shows pools (PREFIX/share/extram/extram-gdb.py)
      --probes          With USDT probes, for bpftrace, perf and SystemTap; a call takes longer, as each is told
  -h, --help            Print this help

Environment variables: CC, a compiler that links for the target; LDFLAGS for the shared library; OBJCOPY; AR.";

/// What `uninstall --help` prints.
pub const UNINSTALL_HELP: &str = "\
Remove what install put there: the files that PREFIX/share/extram/installed.txt lists, and no others.

Usage: cargo xtask uninstall [OPTIONS]

      --prefix DIR   The prefix it was installed with [default: /usr/local]
      --destdir DIR  The folder that was put in front of every path [default: $DESTDIR]
  -h, --help         Print this help";

/// Where to, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub(crate) prefix: PathBuf,
    pub(crate) libdir: Option<PathBuf>,
    pub(crate) includedir: Option<PathBuf>,
    pub(crate) destdir: Option<PathBuf>,
    pub(crate) target: Option<String>,
    pub(crate) single_core: bool,
    pub(crate) debug_info: bool,
    pub(crate) probes: bool,
}

impl Options {
    /// This machine's, with everything below one folder.
    pub fn below(prefix: &Path) -> Self {
        Options {
            prefix: prefix.to_owned(),
            libdir: None,
            includedir: None,
            destdir: None,
            target: None,
            single_core: false,
            debug_info: false,
            probes: false,
        }
    }

    /// For that target.
    pub fn target(self, target: &str) -> Self {
        Options { target: Some(target.to_owned()), ..self }
    }

    /// Where exchanges may be made by masking interrupts.
    pub fn single_core(self, single_core: bool) -> Self {
        Options { single_core, ..self }
    }

    /// With the types, for gdb.
    pub fn debug_info(self, debug_info: bool) -> Self {
        Options { debug_info, ..self }
    }

    /// With USDT probes.
    pub fn probes(self, probes: bool) -> Self {
        Options { probes, ..self }
    }

    /// With that folder in front of every path.
    pub fn destdir(self, destdir: &Path) -> Self {
        Options { destdir: Some(destdir.to_owned()), ..self }
    }

    /// From the words of a command line; `None` if they ask for help.
    pub fn parse(words: Vec<String>) -> Result<Option<Self>> {
        let mut options = Options::below(Path::new("/usr/local"));
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            if !name.starts_with('-') {
                bail!("{name} is not an option; did you mean --prefix {name}?");
            }
            if ["-h", "--help"].contains(&&*name) {
                return Ok(None);
            }
            let set = match &*name {
                "--single-core" => Some(&mut options.single_core),
                "--debug-info" => Some(&mut options.debug_info),
                "--probes" => Some(&mut options.probes),
                _ => None,
            };
            if let Some(set) = set {
                if value.is_some() {
                    bail!("{name} takes no value");
                }
                *set = true;
                continue;
            }
            if !["--prefix", "--libdir", "--includedir", "--destdir", "--target"].contains(&&*name) {
                bail!("there is no option {name}");
            }
            let Some(value) = value.or_else(|| words.next()).filter(|value| !value.is_empty()) else {
                bail!("{name} needs a value");
            };
            match &*name {
                "--prefix" => options.prefix = value.into(),
                "--libdir" => options.libdir = Some(value.into()),
                "--includedir" => options.includedir = Some(value.into()),
                "--destdir" => options.destdir = Some(value.into()),
                _ => options.target = Some(value),
            }
        }
        Ok(Some(options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Options {
        Options::parse(words.iter().map(|word| (*word).to_owned()).collect()).unwrap().unwrap()
    }

    #[test]
    fn a_value_follows_its_option_or_an_equals_sign() {
        let wanted = Options {
            libdir: Some("/usr/lib64".into()),
            ..Options::below(Path::new("/usr")).destdir(Path::new("/tmp/stage")).target("x")
        };
        let words = ["--prefix", "/usr", "--libdir=/usr/lib64", "--destdir", "/tmp/stage", "--target=x"];
        assert_eq!(parse(&words), wanted);
        assert_eq!(parse(&[]).prefix, Path::new("/usr/local"));
        assert!(parse(&["--single-core", "--prefix", "/usr"]).single_core && !parse(&[]).single_core);
        assert!(parse(&["--debug-info"]).debug_info && !parse(&[]).debug_info);
        assert!(parse(&["--probes"]).probes && !parse(&[]).probes);
        for flag in ["--single-core=yes", "--debug-info=yes", "--probes=yes"] {
            assert!(Options::parse(vec![flag.to_owned()]).is_err());
        }
    }

    #[test]
    fn every_option_is_in_the_help() {
        let flags = ["--single-core", "--debug-info", "--probes", "--help"];
        for name in ["--prefix", "--libdir", "--includedir", "--destdir", "--target"].into_iter().chain(flags)
        {
            assert!(INSTALL_HELP.contains(&format!(" {name} ")), "{name}");
        }
    }
}
