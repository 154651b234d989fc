//! For another target than this machine: all of it, and programs that run on it.

use super::plugins::Plugins;
use super::whole::whole;
use super::{Installed, source};
use anyhow::{Result, ensure};
use install::Options;
use judge::Summary;
use toolchain::command::{Command, which};

/// A target whose programs run here.
struct Other {
    triple: &'static str,
    compiler: &'static str,
    /// An emulator, with the folder of the system's libraries.
    emulator: &'static [&'static str],
    packages: &'static str,
}

impl Other {
    /// Why it does not build or run here.
    fn lacking(&self) -> Option<String> {
        if let Err(missing) = toolchain::for_target(self.triple, "std") {
            return Some(missing.to_string());
        }
        // What has no emulator is run by its own processor.
        if self.emulator.is_empty() && !cfg!(target_arch = "x86_64") {
            return Some("this processor does not run it".to_owned());
        }
        let mut tools = self.emulator.first().into_iter().chain([&self.compiler]);
        let lacking = tools.find(|tool| which(tool).is_none())?;
        Some(format!("no {lacking} (cargo xtask setup --all, or apt-get install {})", self.packages))
    }
}

const OTHERS: &[Other] = &[
    Other {
        triple: "x86_64-unknown-linux-musl",
        compiler: "musl-gcc",
        emulator: &[],
        packages: "musl-tools",
    },
    Other {
        triple: "aarch64-unknown-linux-gnu",
        compiler: "aarch64-linux-gnu-gcc",
        emulator: &["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
        packages: "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user",
    },
];

impl Installed {
    pub(super) fn targets(&self) -> Summary {
        let mut summary = Summary::default();
        for other in OTHERS {
            let what = format!("an installation for {}", other.triple);
            summary += match other.lacking() {
                Some(reason) => Summary::skipped(&what, &reason),
                None => Summary::of(&what, self.other(other)),
            };
        }
        summary
    }

    fn other(&self, other: &Other) -> Result<()> {
        let prefix = self.out.join(other.triple);
        install::install(&Options::below(&prefix).target(other.triple))?;
        whole(&prefix, "so")?;
        let lib = prefix.join("lib");
        let (linked, whole_program) = (format!("-L{}", lib.display()), prefix.join("static"));
        let compile = |program: &std::path::Path| {
            let cc = Command::new(other.compiler).args(["-std=c99", "-O1", "-pthread", "-o"]).arg(program);
            cc.arg(source("threads.c")).arg(format!("-I{}", prefix.join("include").display()))
        };
        compile(&whole_program).arg("-static").arg(lib.join("libextram.a")).run()?;
        let shared = prefix.join("shared");
        let rpath = format!("-Wl,-rpath,{}", lib.display());
        compile(&shared).args([linked, rpath, "-lextram".to_owned()]).run()?;
        for program in [whole_program, shared] {
            let run = match other.emulator.split_first() {
                None => Command::new(&program),
                Some((first, rest)) => Command::new(first).args(rest).arg(&program),
            };
            run.echo();
            let printed = run.read()?;
            ensure!(printed == "80000 calls\n", "{run}: {printed:?}");
        }
        if other.emulator.is_empty() {
            Plugins::build(other.compiler, &prefix)?.loaded(other.compiler, &prefix)?;
        }
        Ok(())
    }
}
