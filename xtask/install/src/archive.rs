//! The static library as rustc makes it, and what it needs from the system.

use crate::Options;
use crate::tools::{Exchanges, System};
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;
use std::time::Duration;
use toolchain::command::{Command, Ended, Stream};

/// How long building may take before it is taken for hung.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// What was built.
pub(crate) struct Built {
    pub(crate) archive: PathBuf,
    /// The system's libraries that a program needs besides.
    pub(crate) private: Vec<String>,
    pub(crate) target: String,
}

impl Built {
    pub(crate) fn staticlib(
        target: &str,
        host: &str,
        system: System,
        exchanges: Exchanges,
        options: &Options,
    ) -> Result<Built> {
        let known = toolchain::targets::find(target);
        let command = if target == host {
            Command::new("cargo").arg("rustc")
        } else {
            let std = known.map_or("std,panic_abort", |known| known.std);
            toolchain::for_target(target, std)?.cargo("rustc", exchanges.flags())
        };
        // The workspace that this program was built from, from whatever folder it is called.
        let command = command
            .args(["--manifest-path".into(), toolchain::workspace().join("Cargo.toml").into_os_string()]);
        let command = command.args([
            "--package=extram-capi",
            "--release",
            "--lib",
            "--crate-type=staticlib",
            "--message-format=json-render-diagnostics",
        ]);
        let command = match system {
            System::Bare => command.args(["--no-default-features", "--features=panic-handler"]),
            System::Elf if options.probes => command.arg("--features=probes"),
            System::Elf | System::Windows => command,
        };
        // The workspace's profile has no more than the numbers of lines.
        let command =
            if options.debug_info { command.env("CARGO_PROFILE_RELEASE_DEBUG", "true") } else { command };
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

    /// An empty folder for what is made of it.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        let folder = self.archive.with_file_name("extram-install");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(folder)
    }
}

/// The library's path, from cargo's messages: a string of theirs that ends in its name.
fn archive(messages: &str) -> Option<PathBuf> {
    let strings = messages.split('"').filter(|part| part.ends_with("libextram_capi.a"));
    strings.map(|path| PathBuf::from(path.replace("\\\\", "\\"))).next()
}

/// The system's libraries, from the note that rustc prints. The C compiler adds its own support library
/// and the C library by itself; what unwinds is one of the two, or linked in (`local`).
fn private(said: &str) -> Vec<String> {
    let note = said.lines().find_map(|line| line.strip_prefix("note: native-static-libs:"));
    let mut libraries: Vec<String> = Vec::new();
    for library in note.unwrap_or_default().split_whitespace() {
        let own = ["-lgcc_s", "-lgcc_eh", "-lgcc", "-lunwind", "-lc"].contains(&library);
        if !own && !libraries.iter().any(|l| l == library) {
            libraries.push(library.to_owned());
        }
    }
    libraries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_says_is_understood() {
        let messages = r#"{"reason":"compiler-artifact","filenames":["/t/libextram_core.rlib"]}
{"reason":"compiler-artifact","filenames":["/t/re lease/libextram_capi.a"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(archive(messages), Some("/t/re lease/libextram_capi.a".into()));
        let said = "   Compiling extram-capi\nnote: link against\n\n\
                    note: native-static-libs: -lgcc_s -lutil -lpthread -lpthread -lc -lunwind\n";
        assert_eq!(private(said), ["-lutil", "-lpthread"]);
        assert!(private("note: none").is_empty());
    }
}
