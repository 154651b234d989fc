//! A host that a checker of races watches: it hears nothing of the library's own doings, and everything of
//! its own. Each program is run twice: with the library as it is, which has to be silent, and with one that
//! has been made dumb, of which the checker has to complain, or else the silence would mean nothing.

use super::{Installed, source};
use crate::header;
use anyhow::{Context as _, Result, bail};
use judge::Summary;
use std::path::Path;
use std::time::Duration;
use toolchain::command::{Command, Ended, which};

/// How long a program may run before it is taken for hung.
const LIMIT: Duration = Duration::from_secs(120);

/// What a watched program says in the end when all is well. Valgrind is slow, so it has less to do.
const CALLS: [(&str, &str); 2] =
    [("-DCALLS_EACH=2000", "16000 calls\n"), ("-DCALLS_EACH=100", "800 calls\n")];

impl Installed {
    pub(super) fn watched(&self) -> Result<Summary> {
        let mut summary = Summary::default();
        let what = "a C program under ThreadSanitizer";
        summary += match self.sanitizer_is_here() {
            true => Summary::of(what, self.under_thread_sanitizer()),
            false => Summary::skipped(what, "cc -fsanitize=thread makes no program that runs"),
        };
        for tool in ["helgrind", "drd"] {
            let what = format!("a C program under {tool}");
            summary += match which("valgrind") {
                Some(_) => Summary::of(&what, self.under_valgrind(tool)),
                None => Summary::skipped(&what, "no valgrind (cargo xtask setup --all)"),
            };
        }
        Ok(summary)
    }

    fn sanitizer_is_here(&self) -> bool {
        let (source, program) = (self.out.join("nothing.c"), self.out.join("nothing"));
        let compiled = std::fs::write(&source, "int main(void) { return 0; }\n").is_ok()
            && sanitized().arg(&source).arg("-o").arg(&program).run().is_ok();
        compiled && fixed(&program).run().is_ok()
    }

    /// With the archive and with the shared library, neither built for it.
    fn under_thread_sanitizer(&self) -> Result<()> {
        let lib = self.prefix.join("lib");
        let dumb = self.out.join("dumb.a");
        // Null, as in a program without the sanitizer.
        Command::new("objcopy")
            .args(["--redefine-sym", "__tsan_acquire=extram_nobody_acquires"])
            .args(["--redefine-sym", "__tsan_release=extram_nobody_releases"])
            .arg(lib.join("libextram.a"))
            .arg(&dumb)
            .run()?;
        let libraries = [("tsan-archive", lib.join("libextram.a")), ("tsan-dumb", dumb)];
        let libraries = libraries.into_iter().chain([("tsan-shared", lib.join("libextram.so"))]);
        for (name, library) in libraries {
            let program = self.watched_program(sanitized(), name, &library, CALLS[0].0)?;
            let complains = name == "tsan-dumb";
            judged(fixed(&program), &lib, CALLS[0].1, complains, "WARNING: ThreadSanitizer: data race")?;
        }
        Ok(())
    }

    fn under_valgrind(&self, tool: &str) -> Result<()> {
        let lib = self.prefix.join("lib");
        let program =
            self.watched_program(Command::new("cc"), tool, &lib.join("libextram.so"), CALLS[1].0)?;
        let dumb = self.out.join("dumb");
        std::fs::create_dir_all(&dumb)?;
        let (library, soname) = dumb_for_valgrind(&lib)?;
        std::fs::write(dumb.join(soname), library)?;
        for (lib, complains) in [(&lib, false), (&dumb, true)] {
            let valgrind = Command::new("valgrind")
                .args([format!("--tool={tool}"), "--error-exitcode=66".into()])
                .arg(format!("--suppressions={}", header::directory().join("extram.supp").display()))
                .arg(&program);
            judged(valgrind, lib, CALLS[1].1, complains, "(threads.c:")?;
        }
        Ok(())
    }

    fn watched_program(
        &self,
        cc: Command,
        name: &str,
        library: &Path,
        calls: &str,
    ) -> Result<std::path::PathBuf> {
        let program = self.out.join(name);
        let cc = cc.args(["-g", "-O1", "-pthread", calls]).arg(source("threads.c"));
        let cc = cc.args(self.pkg_config(&["--cflags"])?).arg(library);
        cc.args(["-ldl", "-lm", "-o"]).arg(&program).run()?;
        Ok(program)
    }
}

fn sanitized() -> Command {
    Command::new("cc").args(["-fsanitize=thread"])
}

/// The program with its memory where the sanitizer wants it.
fn fixed(program: &Path) -> Command {
    let fixes = Command::new("setarch").args(["-R", "true"]).status().is_ok_and(|status| status.success());
    if fixes { Command::new("setarch").arg("-R").arg(program) } else { Command::new(program) }
}

/// Runs a program that has to be silent, or complained of, at a place like this.
fn judged(command: Command, lib: &Path, expected: &str, complains: bool, place: &str) -> Result<()> {
    let command = command.env("LD_LIBRARY_PATH", lib);
    let mut said = Vec::new();
    let ended = command.stream(LIMIT, |_, chunk| said.extend_from_slice(chunk))?;
    let said = String::from_utf8_lossy(&said);
    let Ended::Exited(status) = ended else { bail!("{ended:?}: {command}\n{said}") };
    let complained = status.code() == Some(66) && said.contains(place);
    let silent = status.success() && !said.contains(place);
    if !said.contains(expected) || !(if complains { complained } else { silent }) {
        bail!("{status}, to be {}: {command}\n{said}", if complains { "complained of" } else { "silent" });
    }
    Ok(())
}

/// The shared library with each `ANNOTATE_HAPPENS_BEFORE` and `_AFTER` made an `_FORGET_ALL`, and its name.
fn dumb_for_valgrind(lib: &Path) -> Result<(Vec<u8>, String)> {
    let real = std::fs::read_link(lib.join("libextram.so"))?;
    let mut library = std::fs::read(lib.join(&real))?;
    let mut made_dumb = 0;
    for place in 0..library.len() - 4 {
        if let [0x21 | 0x22, 0x01, b'G', b'H'] = library[place..place + 4] {
            library[place] = 0x23;
            made_dumb += 1;
        }
    }
    if made_dumb == 0 {
        bail!("no request is in {}", real.display());
    }
    let real = real.to_str().context("its name")?;
    let soname = real.rsplit_once('.').context("a version")?.0.to_owned();
    Ok((library, soname))
}
