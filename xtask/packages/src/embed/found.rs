//! How a program's build finds the installation: by pkg-config from make or meson, by CMake's
//! find_package, and as the README says it.

use super::Installed;
use anyhow::{Context as _, Result, bail, ensure};
use judge::Summary;
use std::path::{Path, PathBuf};
use toolchain::command::{Command, which};
use toolchain::workspace;

impl Installed {
    pub(super) fn found(&self) -> Summary {
        let mut summary = Summary::default();
        summary += Summary::of("the README's program in C, by the README's line", self.readme());
        summary += Summary::of("c-runtime, by make", self.c_runtime_by_make());
        let with = |tools: &[&str], what: &str, check: &dyn Fn() -> Result<()>| match tools
            .iter()
            .find(|tool| which(tool).is_none())
        {
            None => Summary::of(what, check()),
            Some(tool) => Summary::skipped(what, &format!("no {tool} (cargo xtask setup)")),
        };
        summary += with(&["cmake"], "c-runtime, by CMake", &|| self.c_runtime_by_cmake());
        summary += with(&["cmake"], "CMake, the static library and wrong versions", &|| self.by_cmake());
        summary += with(&["meson", "ninja"], "c-runtime, by meson", &|| self.c_runtime_by_meson());
        summary
    }

    /// The first program in C of the README, with the line in front of it.
    fn readme(&self) -> Result<()> {
        let readme = std::fs::read_to_string(workspace().join("README.md"))?;
        let (before, rest) = readme.split_once("```c\n").context("no program in C")?;
        let (program, _) = rest.split_once("```").context("no end")?;
        let words: Vec<&str> = before.split('`').collect();
        let quoted = |begin: &str| {
            let found = words.iter().rev().find(|word| word.starts_with(begin));
            found.with_context(|| format!("the README has no line {begin}…"))
        };
        let here = self.prefix.display().to_string();
        // `rpath` is one of the README's two ways; the other is in the environment of `program`.
        let line = format!("{} {}", quoted("cc prog.c")?, quoted("-Wl,-rpath")?).replace("DIR", &here);
        let setting = quoted("PKG_CONFIG_PATH=")?.replace("DIR", &here);
        let out = self.empty("readme")?;
        std::fs::write(out.join("prog.c"), program)?;
        let script = format!("export {setting}\n{line}\n./a.out");
        Command::new("sh").args(["-ec", &script]).dir(&out).env_remove("LD_LIBRARY_PATH").run()
    }

    fn c_runtime_by_make(&self) -> Result<()> {
        let out = self.empty("make")?;
        let makefile = c_runtime().join("Makefile");
        let make = Command::new("make").arg("-C").arg(&out).arg("-f").arg(makefile).arg("forth");
        self.alone(make).run()?;
        self.c_runtime(&out.join("forth"))
    }

    fn c_runtime_by_cmake(&self) -> Result<()> {
        let out = self.empty("cmake")?;
        self.cmake(&c_runtime(), &out).run()?;
        Command::new("cmake").arg("--build").arg(&out).run()?;
        self.c_runtime(&out.join("forth"))
    }

    fn c_runtime_by_meson(&self) -> Result<()> {
        let out = self.empty("meson")?;
        let meson = Command::new("meson").arg("setup").args([&out, &c_runtime()]);
        self.alone(meson).run()?;
        Command::new("meson").args(["compile", "-C"]).arg(&out).run()?;
        self.c_runtime(&out.join("forth"))
    }

    /// What `extramConfig.cmake` has besides, and what its version file refuses.
    fn by_cmake(&self) -> Result<()> {
        let folder = self.empty("cmake-static")?;
        let project = |asked: &str| {
            format!(
                "cmake_minimum_required(VERSION 3.16)\nproject(calls C)\n\
                 find_package(Threads REQUIRED)\nfind_package(extram {asked} REQUIRED)\n\
                 add_executable(calls {})\ntarget_link_libraries(calls extram::static Threads::Threads)\n",
                super::source("threads.c").display()
            )
        };
        let list = folder.join("CMakeLists.txt");
        std::fs::write(&list, project("0.1"))?;
        let out = folder.join("build");
        self.cmake(&folder, &out).run()?;
        Command::new("cmake").arg("--build").arg(&out).run()?;
        let printed = Command::new(out.join("calls")).env_remove("LD_LIBRARY_PATH").read()?;
        ensure!(printed == "80000 calls\n", "{printed:?}");
        for asked in ["0.0.9", "0.1.99", "0.2", "1"] {
            std::fs::write(&list, project(asked))?;
            let refused = self.cmake(&folder, &folder.join("refused")).read();
            let said = refused.err().with_context(|| format!("{asked} was found"))?.to_string();
            ensure!(said.contains("extramConfig.cmake, version: 0.1"), "{said}");
        }
        Ok(())
    }

    fn cmake(&self, project: &Path, out: &Path) -> Command {
        let cmake = Command::new("cmake").arg("-S").arg(project).arg("-B").arg(out);
        cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", self.prefix.display()))
    }

    /// With pkg-config that knows of nothing but this installation.
    fn alone(&self, command: Command) -> Command {
        command.env("PKG_CONFIG_LIBDIR", self.prefix.join("lib/pkgconfig"))
    }

    fn c_runtime(&self, program: &Path) -> Result<()> {
        let run = Command::new(program).arg(c_runtime().join("program.fth"));
        let run = run.env("LD_LIBRARY_PATH", self.prefix.join("lib"));
        run.echo();
        let (printed, expected) = (run.read()?, std::fs::read_to_string(c_runtime().join("expected.txt"))?);
        if printed != expected {
            bail!("{run}: printed\n{printed}not\n{expected}");
        }
        Ok(())
    }
}

fn c_runtime() -> PathBuf {
    workspace().join("tests/examples/c-runtime")
}
