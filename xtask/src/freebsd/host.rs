//! Runs the test programs on a FreeBSD that is there already: this machine, or one that is reached
//! by ssh. For people; continuous integration boots one in QEMU.

use super::build::Tests;
use super::run::{Tally, name};
use crate::command::{Command, Ended, Stream};
use crate::summary::Summary;
use anyhow::{Context as _, Result, anyhow};
use freebsd_init::frame::Ending;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

/// How long one test program may run.
const LIMIT: Duration = Duration::from_secs(600);

/// The host that `--ssh` names.
static CHOSEN: OnceLock<String> = OnceLock::new();

/// Has every later [`find`] give this host.
pub(crate) fn choose(host: &str) {
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

    fn one(&self, program: &Path) -> Result<Summary> {
        let command = match self {
            Host::Here => Command::new(program),
            Host::Ssh { host, ssh, .. } => Command::new(ssh).arg(host).arg(program),
        };
        let mut tally = Tally::default();
        let ended = command.stream(LIMIT, |stream, chunk| {
            // Printed, so that a test of this keeps it to itself.
            print!("{}", String::from_utf8_lossy(chunk));
            if stream == Stream::Out {
                tally.take(chunk);
            }
        })?;
        let ending = match ended {
            Ended::TimedOut(limit) => Ending::TimedOut(limit.as_secs() as u32),
            Ended::Exited(status) => match (status.code(), status.signal()) {
                (Some(code), _) => Ending::Exited(code),
                (None, signal) => Ending::Signalled(signal.context("neither a status nor a signal")?),
            },
        };
        let (summary, complaint) = tally.end(ending);
        if let Some(complaint) = complaint {
            println!("FAILED: {:#}", anyhow!("{}: {complaint}", name(program)));
        }
        Ok(summary)
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
            ssh: script(&at("ssh"), &format!("echo \"ssh $*\" >> {log}; shift; exec \"$@\"")).into(),
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
    fn a_host_that_cannot_be_reached_is_one_failure() {
        let host = Host::Ssh { host: "fake".into(), ssh: "false".into(), scp: "false".into() };
        let summary = host.tests(&Tests { programs: vec!["/a/b".into()], companions: vec![] });
        assert_eq!(summary.to_string(), "0 passed, 1 failed, 0 skipped");
    }
}
