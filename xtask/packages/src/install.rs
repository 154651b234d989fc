//! `cargo xtask install`: the C face where C compilers look for it. Header, `libextram.a`,
//! `libextram.so` with its links, `extram.pc`: what `cargo cinstall` would put there. For Windows:
//! `bin/extram.dll` and `libextram.dll.a`.
//!
//! The shared library is linked here, from the static one, because rustc's own version script for
//! a `cdylib` leaves no room for versioned symbols.

use crate::{dll, header};
use toolchain::command::{Command, Ended, Stream, which};

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The options.
#[derive(ClapArgs, Clone)]
pub struct Args {
    /// Where it will be used from.
    #[arg(long, default_value = "/usr/local")]
    prefix: PathBuf,
    /// Libraries. `PREFIX/lib` unless given.
    #[arg(long)]
    libdir: Option<PathBuf>,
    /// Headers. `PREFIX/include` unless given.
    #[arg(long)]
    includedir: Option<PathBuf>,
    /// A folder to put in front of every path, for packagers. The variable DESTDIR unless given.
    #[arg(long)]
    destdir: Option<PathBuf>,
    /// For another target than this machine. CC names a compiler that links for it.
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
}

impl Args {
    /// This machine's, with everything below one folder.
    pub fn below(prefix: &Path) -> Self {
        Args { prefix: prefix.to_owned(), libdir: None, includedir: None, destdir: None, target: None }
    }

    /// For that target.
    pub fn target(self, target: &str) -> Self {
        Args { target: Some(target.to_owned()), ..self }
    }

    pub(crate) fn destdir(self, destdir: &Path) -> Self {
        Args { destdir: Some(destdir.to_owned()), ..self }
    }
}

/// How long building may take before it is taken for hung.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// The version of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Builds the C face and puts it where it is asked for.
pub fn install(args: &Args) -> Result<()> {
    let args = &Args { prefix: std::path::absolute(&args.prefix)?, ..args.clone() };
    let built = Built::staticlib(args.target.as_deref())?;
    let places = Places::new(args, std::env::var_os("DESTDIR").map(PathBuf::from));
    for folder in [&places.include, &places.lib, &places.pkgconfig] {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let face = header::directory();
    places.copy(&face.join("include/extram.h"), &places.include.join("extram.h"))?;
    if is_bare(&built.target) {
        places.copy(&face.join("include/extram_port.h"), &places.include.join("extram_port.h"))?;
    }
    places.copy(&built.archive, &places.lib.join("libextram.a"))?;
    let shared = shared(args, &built, &places.lib)?;
    if !shared {
        println!("no shared library: {} has none, or CC names no compiler for it", built.target);
    }
    places.write(&places.pkgconfig.join("extram.pc"), &pkg_config(args, &built.private, shared))
}

/// The static library, and what it needs from the system.
struct Built {
    archive: PathBuf,
    private: Vec<String>,
    target: String,
}

impl Built {
    fn staticlib(target: Option<&str>) -> Result<Built> {
        let host = toolchain::host()?;
        let target = target.unwrap_or(&host);
        let known = toolchain::targets::find(target);
        let command = if target == host {
            Command::new("cargo").arg("rustc")
        } else {
            let std = known.map_or("std,panic_abort", |known| known.std);
            toolchain::for_target(target, std)?.cargo("rustc", &[])
        };
        let command = command.args([
            "--package=extram-capi",
            "--release",
            "--lib",
            "--crate-type=staticlib",
            "--message-format=json-render-diagnostics",
        ]);
        let command = if is_bare(target) {
            command.args(["--no-default-features", "--features=panic-handler"])
        } else {
            command
        };
        let command = command.args(["--", "--print=native-static-libs"]);
        // Messages on one stream, what the compiler says on the other.
        let (mut messages, mut said) = (Vec::new(), Vec::new());
        let ended = command.stream(LIMIT, |stream, chunk| match stream {
            Stream::Out => messages.extend_from_slice(chunk),
            Stream::Err => said.extend_from_slice(chunk),
        })?;
        let (messages, said) = (String::from_utf8_lossy(&messages), String::from_utf8_lossy(&said));
        if !matches!(&ended, Ended::Exited(status) if status.success()) {
            bail!("{ended:?}: {command}\n{said}");
        }
        let archive = archive(&messages).with_context(|| format!("no static library: {command}"))?;
        Ok(Built { archive, private: private(&said), target: target.to_owned() })
    }
}

/// No operating system: neither shared libraries nor a C library to count on.
fn is_bare(target: &str) -> bool {
    target.contains("-none")
}

/// The library's path, from cargo's messages.
fn archive(messages: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let names = message["filenames"].as_array()?.iter().filter_map(|name| name.as_str());
        let mut archives = names.filter(|name| name.ends_with("libextram_capi.a"));
        archives.next().map(PathBuf::from)
    })
}

/// The system's libraries that a program needs besides the static library, from the note that
/// rustc prints. The C compiler adds its own support library and the C library by itself.
fn private(said: &str) -> Vec<String> {
    let note = said.lines().find_map(|line| line.strip_prefix("note: native-static-libs:"));
    let mut libraries: Vec<String> = Vec::new();
    for library in note.unwrap_or_default().split_whitespace() {
        if !["-lgcc_s", "-lc"].contains(&library) && !libraries.iter().any(|l| l == library) {
            libraries.push(library.to_owned());
        }
    }
    libraries
}

/// Links `libextram.so`; `false` where there is none.
fn shared(args: &Args, built: &Built, lib: &Path) -> Result<bool> {
    let named = std::env::var("CC").ok();
    if let Some(usual) = dll::compiler(&built.target) {
        let compiler = named.as_deref().unwrap_or(usual);
        if which(compiler).is_none() && !Path::new(compiler).is_file() {
            bail!("no C compiler: {compiler} (cargo xtask setup --target {})", built.target);
        }
        dll::dll(compiler, &built.archive, &built.private, lib)?;
        return Ok(true);
    }
    let ours = args.target.is_none() || args.target.as_deref() == Some(&toolchain::host()?);
    let compiler = match (named, ours) {
        _ if is_bare(&built.target) => return Ok(false),
        (Some(named), _) => named,
        (None, true) => "cc".to_owned(),
        (None, false) => return Ok(false),
    };
    if which(&compiler).is_none() && !Path::new(&compiler).is_file() {
        bail!("no C compiler: {compiler} (cargo xtask setup)");
    }
    let real = format!("libextram.so.{VERSION}");
    let soname = format!("libextram.so.{}", abi(VERSION));
    let map = header::directory().join("extram.map");
    Command::new(compiler)
        .args(["-shared", "-o"])
        .arg(lib.join(&real))
        .arg(format!("-Wl,-soname,{soname}"))
        .arg(format!("-Wl,--version-script,{}", map.display()))
        .args(["-Wl,--gc-sections", "-Wl,-z,relro,-z,now", "-Wl,--whole-archive"])
        .arg(&built.archive)
        .arg("-Wl,--no-whole-archive")
        .args(&built.private)
        .run()?;
    for link in [&soname, "libextram.so"] {
        let link = lib.join(link);
        match std::fs::remove_file(&link) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        std::os::unix::fs::symlink(&real, link)?;
    }
    Ok(true)
}

/// The part of a version within which programs need not be linked again.
fn abi(version: &str) -> String {
    let parts: Vec<&str> = version.split('.').collect();
    let significant = parts.iter().take_while(|part| **part == "0").count() + 1;
    parts[..significant.min(parts.len())].join(".")
}

/// Where things go now.
struct Places {
    include: PathBuf,
    lib: PathBuf,
    pkgconfig: PathBuf,
}

impl Places {
    fn new(args: &Args, destdir: Option<PathBuf>) -> Self {
        let destdir = args.destdir.clone().or(destdir);
        let place = |path: PathBuf| match &destdir {
            // `join` with an absolute path would forget the folder.
            Some(destdir) => destdir.join(path.strip_prefix("/").unwrap_or(&path)),
            None => path,
        };
        let lib = args.libdir.clone().unwrap_or_else(|| args.prefix.join("lib"));
        Places {
            include: place(args.includedir.clone().unwrap_or_else(|| args.prefix.join("include"))),
            pkgconfig: place(lib.join("pkgconfig")),
            lib: place(lib),
        }
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        std::fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
        println!("installed {}", to.display());
        Ok(())
    }

    fn write(&self, to: &Path, text: &str) -> Result<()> {
        std::fs::write(to, text).with_context(|| to.display().to_string())?;
        println!("installed {}", to.display());
        Ok(())
    }
}

fn pkg_config(args: &Args, private: &[String], shared: bool) -> String {
    let below = |path: &Option<PathBuf>, usual: &str| match path {
        Some(path) => path.display().to_string(),
        None => format!("${{prefix}}/{usual}"),
    };
    // Where there is no shared library everybody links the static one.
    let (public, private) = match shared {
        true => (String::new(), private.join(" ")),
        false => (private.iter().map(|library| format!(" {library}")).collect(), String::new()),
    };
    format!(
        "prefix={}\nlibdir={}\nincludedir={}\n\n\
         Name: extram\n\
         Description: Lends execution contexts to threads that a language runtime did not create\n\
         Version: {VERSION}\n\
         Libs: -L${{libdir}} -lextram{public}\n\
         Libs.private: {private}\n\
         Cflags: -I${{includedir}}\n",
        args.prefix.display(),
        below(&args.libdir, "lib"),
        below(&args.includedir, "include"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destdir_goes_before_every_path_and_into_no_file() {
        let args = Args::below(Path::new("/usr")).destdir(Path::new("/tmp/stage"));
        let places = Places::new(&args, Some("/ignored".into()));
        assert_eq!(places.lib, Path::new("/tmp/stage/usr/lib"));
        assert_eq!(places.pkgconfig, Path::new("/tmp/stage/usr/lib/pkgconfig"));
        assert_eq!(places.include, Path::new("/tmp/stage/usr/include"));
        let args = Args { libdir: Some("/usr/lib64".into()), ..Args::below(Path::new("/usr")) };
        assert_eq!(Places::new(&args, Some("/d".into())).lib, Path::new("/d/usr/lib64"));
        assert_eq!(Places::new(&args, None).lib, Path::new("/usr/lib64"));
        let text = pkg_config(&args, &["-lpthread".into()], true);
        assert!(text.contains("prefix=/usr\nlibdir=/usr/lib64\nincludedir=${prefix}/include\n"), "{text}");
        assert!(text.contains("-lextram\nLibs.private: -lpthread\n"), "{text}");
        assert!(pkg_config(&args, &["-lpthread".into()], false).contains("-lextram -lpthread\n"));
    }

    #[test]
    fn programs_are_linked_against_the_part_of_the_version_that_matters() {
        assert_eq!([abi("0.1.7"), abi("0.0.3"), abi("2.4.1")], ["0.1", "0.0.3", "2"]);
        let map = std::fs::read_to_string(header::directory().join("extram.map")).unwrap();
        assert!(map.contains(&format!("\nEXTRAM_{} {{", abi(VERSION))), "{map}");
    }

    #[test]
    fn what_cargo_says_is_understood() {
        let messages = r#"{"reason":"compiler-artifact","filenames":["/t/libextram_core.rlib"]}
{"reason":"compiler-artifact","filenames":["/t/release/libextram_capi.a"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(archive(messages), Some("/t/release/libextram_capi.a".into()));
        let said = "   Compiling extram-capi\nnote: link against\n\n\
                    note: native-static-libs: -lgcc_s -lutil -lpthread -lpthread -lc\n";
        assert_eq!(private(said), ["-lutil", "-lpthread"]);
        assert!(private("note: none").is_empty());
    }
}
