//! Runs the test programs on a FreeBSD that is there already: this machine, or one that is reached
//! by ssh. For people; continuous integration boots one in QEMU.

use super::boot::KEPT;
use super::build::{Tests, name};
use super::tally::Tally;
use anyhow::{Context as _, Result, anyhow};
use freebsd_init::frame::Ending;
use judge::Summary;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;
use toolchain::command::{Command, Ended, Stream};

/// How long one test program may run.
const LIMIT: Duration = Duration::from_secs(600);

/// The host that `--ssh` names.
static CHOSEN: OnceLock<String> = OnceLock::new();

/// Has every later run take place on this host.
pub fn choose(host: &str) {
    // A second host cannot be given: there is one option.
    let _ = CHOSEN.set(host.to_owned());
}

/// Where programs are run that are built for FreeBSD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// This machine is a FreeBSD.
    Here,
    /// A host for ssh, which asks no questions, and the programs that reach it.
    Ssh { host: String, ssh: OsString, scp: OsString },
}

/// The FreeBSD there is, if any.
pub(crate) fn find(target: &str) -> Option<Host> {
    let ssh = |host: &String| Host::Ssh { host: host.clone(), ssh: "ssh".into(), scp: "scp".into() };
    let here = || cfg!(target_os = "freebsd") && target.starts_with(std::env::consts::ARCH);
    CHOSEN.get().map(ssh).or_else(|| here().then_some(Host::Here))
}

impl Host {
    /// Runs the test programs one after the other. Failures are counted, not returned.
    pub(crate) fn tests(&self, built: &Tests) -> Summary {
        let files: Vec<&PathBuf> = built.programs.iter().chain(&built.companions).collect();
        if let Err(error) = self.copy(&files) {
            return Summary::of("copying the programs", Err(error));
        }
        let mut total = Summary::default();
        for program in &built.programs {
            println!("\n     Running {} on {self:?}", name(program));
            let ran = self.one(program);
            total += ran.unwrap_or_else(|error| Summary::of(&name(program), Err(error)));
        }
        total
    }

    /// Puts the files where they are here: that path is compiled into what starts or loads them.
    fn copy(&self, files: &[&PathBuf]) -> Result<()> {
        let Host::Ssh { host, ssh, scp } = self else { return Ok(()) };
        let dirs: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
        Command::new(ssh).arg(host).args(["mkdir", "-p"]).args(&dirs).run()?;
        for dir in dirs {
            let there = files.iter().filter(|file| file.parent() == Some(dir));
            Command::new(scp).arg("-q").args(there).arg(format!("{host}:{}/", dir.display())).run()?;
        }
        Ok(())
    }

    /// Runs one program of ours with its output on the terminal; on this machine in `dir`, if given.
    pub(crate) fn run(
        &self,
        program: &Path,
        args: &[String],
        limit: Duration,
        dir: Option<&Path>,
    ) -> Result<Ending> {
        self.copy(&[&program.to_owned()])?;
        self.follow(program, args, limit, dir, |stream, chunk| {
            // A closed pipe or terminal is no reason to leave the program behind.
            let _ = match stream {
                Stream::Out => std::io::stdout().write_all(chunk).and_then(|()| std::io::stdout().flush()),
                Stream::Err => std::io::stderr().write_all(chunk),
            };
        })
    }

    fn one(&self, program: &Path) -> Result<Summary> {
        let mut tally = Tally::default();
        let ending = self.follow(program, &[], LIMIT, None, |stream, chunk| {
            // Printed, so that a test of this keeps it to itself.
            print!("{}", String::from_utf8_lossy(chunk));
            if stream == Stream::Out {
                tally.take(chunk);
            }
        })?;
        let (summary, complaint) = tally.end(ending);
        if let Some(complaint) = complaint {
            println!("FAILED: {:#}", anyhow!("{}: {complaint}", name(program)));
        }
        Ok(summary)
    }

    /// Runs a program there to its end. By ssh a signal is told as the shell there tells it: 128 and
    /// its number.
    fn follow(
        &self,
        program: &Path,
        args: &[String],
        limit: Duration,
        dir: Option<&Path>,
        sink: impl FnMut(Stream, &[u8]),
    ) -> Result<Ending> {
        let there = Command::new(program).args(args);
        let command = match self {
            Host::Here => match dir {
                Some(dir) => there.dir(dir),
                None => there,
            },
            // One word, as the shell there is to read it.
            Host::Ssh { host, ssh, .. } => {
                // What it writes there stays there.
                Command::new(ssh).arg(host).arg(there.env(KEPT, "").to_string())
            }
        };
        Ok(match command.stream(limit, sink)? {
            Ended::TimedOut(limit) => Ending::TimedOut(limit.as_secs() as u32),
            Ended::Exited(status) => match (status.code(), status.signal()) {
                (Some(code), _) => Ending::Exited(code),
                (None, signal) => Ending::Signalled(signal.context("neither a status nor a signal")?),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn script(path: &Path, text: &str) -> PathBuf {
        std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        path.to_owned()
    }

    /// Fake programs for ssh and scp, whose host is a directory of this machine.
    #[test]
    fn programs_are_copied_and_run_by_ssh() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let log = at("log").display().to_string();
        let host = Host::Ssh {
            host: "fake".into(),
            ssh: script(&at("ssh"), &format!("echo \"ssh $*\" >> {log}; shift; exec sh -c \"$*\"")).into(),
            scp: script(&at("scp"), &format!("echo \"scp $*\" >> {log}")).into(),
        };
        let good = "echo 'running 1 test'; echo; echo 'test result: ok. 1 passed; 0 failed; 0 ignored'";
        let programs = vec![script(&at("good-1"), good), script(&at("bad-2"), "kill -9 $$")];
        let summary = host.tests(&Tests { programs, companions: vec![at("helper")] });
        assert_eq!(summary.to_string(), "1 passed, 1 failed, 0 skipped");
        let log = std::fs::read_to_string(at("log")).unwrap();
        let dir = dir.path().display();
        assert!(log.contains(&format!("ssh fake mkdir -p {dir}\n")), "{log}");
        assert!(
            log.contains(&format!("scp -q {dir}/good-1 {dir}/bad-2 {dir}/helper fake:{dir}/\n")),
            "{log}"
        );
    }

    #[test]
    fn one_program_is_run_with_its_arguments_and_its_status_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let said = dir.path().join("said");
        let program =
            script(&dir.path().join("p"), &format!("printf '%s\\n' \"$@\" > {}; exit 7", said.display()));
        let by_ssh = Host::Ssh {
            host: "fake".into(),
            ssh: script(&dir.path().join("ssh"), "shift; exec sh -c \"$*\"").into(),
            scp: "true".into(),
        };
        for host in [Host::Here, by_ssh] {
            let args = ["--plain".to_owned(), "two words".into(), "it's; exit 0".into()];
            let ending = host.run(&program, &args, Duration::from_secs(60), None).unwrap();
            assert_eq!(ending, Ending::Exited(7), "{host:?}");
            assert_eq!(std::fs::read_to_string(&said).unwrap(), "--plain\ntwo words\nit's; exit 0\n");
            std::fs::remove_file(&said).unwrap();
        }
    }

    #[test]
    fn a_host_that_cannot_be_reached_is_one_failure() {
        let host = Host::Ssh { host: "fake".into(), ssh: "false".into(), scp: "false".into() };
        let summary = host.tests(&Tests { programs: vec!["/a/b".into()], companions: vec![] });
        assert_eq!(summary.to_string(), "0 passed, 1 failed, 0 skipped");
    }
}
