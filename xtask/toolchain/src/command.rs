//! Commands as data: built, printed, compared in tests, and only then run.

use anyhow::{Context as _, Result, bail};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A program with its arguments and what differs in its environment. `Display` gives a line that
/// can be pasted into a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    dir: Option<PathBuf>,
}

/// How a command that was given a time limit ended.
#[derive(Debug)]
pub enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// It was killed because the time was up.
    TimedOut(Duration),
}

impl Command {
    /// The program by itself.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self { program: program.as_ref().to_owned(), args: Vec::new(), env: Vec::new(), dir: None }
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// A variable that it finds in its environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Takes a variable out of the environment.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), None));
        self
    }

    /// The folder that it runs in.
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Prints the command, runs it, and returns how it ended.
    pub fn status(&self) -> Result<ExitStatus> {
        self.echo();
        self.std().status().with_context(|| self.cannot_start())
    }

    /// Prints the command, runs it, and fails if it fails.
    pub fn run(&self) -> Result<()> {
        let status = self.status()?;
        if !status.success() {
            bail!("{status}: {self}");
        }
        Ok(())
    }

    /// Becomes the command: what that ends with, this process ends with. Returns only if it cannot start.
    pub fn exec(&self) -> anyhow::Error {
        use std::os::unix::process::CommandExt as _;
        anyhow::Error::new(self.std().exec()).context(self.cannot_start())
    }

    /// Runs the command without printing it and returns what it wrote to its standard output.
    pub fn read(&self) -> Result<String> {
        let output = self.std().stdin(Stdio::null()).output().with_context(|| self.cannot_start())?;
        if !output.status.success() {
            bail!("{}: {self}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Prints the command, runs it for `limit` at most, and hands each chunk of its standard
    /// output and standard error to `sink` as it comes. Whatever happens, the process is gone when
    /// this returns.
    pub fn stream(&self, limit: Duration, mut sink: impl FnMut(Stream, &[u8])) -> Result<Ended> {
        let ended = self.stream_until(limit, |stream, chunk| {
            sink(stream, chunk);
            ControlFlow::Continue(None)
        })?;
        Ok(ended.expect("only a break ends it before its end"))
    }

    /// As `stream`, and it is killed when `sink` breaks off: `None`. What `sink` goes on with is
    /// another limit, from then on.
    pub fn stream_until(
        &self,
        mut limit: Duration,
        mut sink: impl FnMut(Stream, &[u8]) -> ControlFlow<(), Option<Duration>>,
    ) -> Result<Option<Ended>> {
        self.echo();
        let mut child = Guard(
            self.std()
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .with_context(|| self.cannot_start())?,
        );
        let (sender, chunks) = mpsc::channel();
        pump(child.0.stdout.take(), Stream::Out, sender.clone());
        pump(child.0.stderr.take(), Stream::Err, sender);
        let mut deadline = Instant::now() + limit;
        loop {
            match chunks.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((stream, chunk)) => match sink(stream, &chunk) {
                    ControlFlow::Break(()) => return Ok(None),
                    ControlFlow::Continue(None) => {}
                    ControlFlow::Continue(Some(other)) => {
                        limit = other;
                        deadline = Instant::now() + limit;
                    }
                },
                Err(mpsc::RecvTimeoutError::Timeout) => return Ok(Some(Ended::TimedOut(limit))),
                // Both streams are closed: the process has ended or is about to.
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        loop {
            if let Some(status) = child.0.try_wait()? {
                return Ok(Some(Ended::Exited(status)));
            }
            if Instant::now() > deadline {
                return Ok(Some(Ended::TimedOut(limit)));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Prints the command as a shell would be given it, beside the output, which may be JSON.
    pub fn echo(&self) {
        eprintln!("$ {self}");
    }

    fn std(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.args);
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    fn cannot_start(&self) -> String {
        format!("cannot start {}", self.program.to_string_lossy())
    }
}

/// Which of a process's two outputs a chunk comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Kills the process and reaps it when it goes out of scope, on every way out; with what it has started, if it
/// is there still, and that is a child of a child. (A process group of its own would not get the terminal's ^C.)
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // While it is there: afterwards its children are somebody else's, and its number may be, too.
        let is_there = matches!(self.0.try_wait(), Ok(None));
        let children = if is_there { descendants(self.0.id()) } else { Vec::new() };
        // Both fail only if it has ended and been reaped already.
        let _ = self.0.kill();
        let _ = self.0.wait();
        if !children.is_empty() {
            let children = children.iter().map(u32::to_string);
            let mut kill = std::process::Command::new("kill");
            let _ = kill.arg("-9").args(children).stderr(Stdio::null()).status();
        }
    }
}

/// The processes that one has started, and those that they have, where the system tells.
fn descendants(process: u32) -> Vec<u32> {
    let told = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("children")).ok();
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let children = threads.filter_map(told).flat_map(|told| {
        told.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<u32>>()
    });
    children.flat_map(|child| [vec![child], descendants(child)].concat()).collect()
}

fn pump(from: Option<impl Read + Send + 'static>, stream: Stream, to: mpsc::Sender<(Stream, Vec<u8>)>) {
    let Some(from) = from else { return };
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        loop {
            let chunk = match from.fill_buf() {
                Ok([]) | Err(_) => return,
                Ok(chunk) => chunk.to_vec(),
            };
            from.consume(chunk.len());
            if to.send((stream, chunk)).is_err() {
                return;
            }
        }
    });
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(dir) = &self.dir {
            write!(f, "cd {} && ", quote(dir.as_os_str()))?;
        }
        let removed = self.env.iter().filter(|(_, value)| value.is_none());
        let mut env = String::new();
        for (name, _) in removed {
            env += &format!("-u {} ", name.to_string_lossy());
        }
        if !env.is_empty() {
            write!(f, "env {env}")?;
        }
        for (name, value) in &self.env {
            if let Some(value) = value {
                write!(f, "{}={} ", name.to_string_lossy(), quote(value))?;
            }
        }
        write!(f, "{}", quote(&self.program))?;
        for arg in &self.args {
            write!(f, " {}", quote(arg))?;
        }
        Ok(())
    }
}

fn quote(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+,./:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Where a program is, if it is in one of the directories of `PATH`.
pub fn which(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_prints_as_a_shell_line() {
        let command =
            Command::new("cargo").args(["build", "a b", "it's"]).env("A", "1 2").env_remove("B").dir("/tmp");
        assert_eq!(command.to_string(), r"cd /tmp && env -u B A='1 2' cargo build 'a b' 'it'\''s'");
    }

    #[test]
    fn a_stream_has_both_outputs_and_the_status() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let ended = Command::new("sh")
            .args(["-c", "echo one; echo two >&2; exit 3"])
            .stream(Duration::from_secs(20), |stream, chunk| match stream {
                Stream::Out => out.extend_from_slice(chunk),
                Stream::Err => err.extend_from_slice(chunk),
            })
            .unwrap();
        assert!(matches!(ended, Ended::Exited(status) if status.code() == Some(3)));
        assert_eq!((&out[..], &err[..]), (&b"one\n"[..], &b"two\n"[..]));
    }

    #[test]
    fn what_a_command_has_started_goes_with_it() {
        let mut said = String::new();
        let command = Command::new("sh").args(["-c", "sh -c 'echo $$; sleep 300; true'; true"]);
        let ended =
            command.stream(Duration::from_secs(1), |_, chunk| said += &String::from_utf8_lossy(chunk));
        assert!(matches!(ended.unwrap(), Ended::TimedOut(_)));
        let child = format!("/proc/{}/stat", said.trim());
        let is_gone = || std::fs::read_to_string(&child).map_or(true, |stat| stat.contains(") Z "));
        let begun = Instant::now();
        while !is_gone() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{child} is there still");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_command_that_runs_too_long_is_killed() {
        let started = Instant::now();
        let mut pid = String::new();
        let ended = Command::new("sh")
            .args(["-c", "echo $$; exec sleep 60"])
            .stream(Duration::from_millis(300), |_, chunk| {
                pid += &String::from_utf8_lossy(chunk);
            })
            .unwrap();
        assert!(matches!(ended, Ended::TimedOut(_)));
        assert!(started.elapsed() < Duration::from_secs(30));
        // Reaped: signal 0 finds nobody.
        let alive = Command::new("sh").args(["-c", &format!("kill -0 {}", pid.trim())]);
        assert!(alive.read().is_err(), "process {pid} still lives");
    }

    #[test]
    fn what_a_command_says_may_give_it_another_limit() {
        let talks = Command::new("sh").args(["-c", "echo; sleep 0.1; echo; exec sleep 60"]);
        let mut lines = 0;
        let ended = talks.stream_until(Duration::from_secs(60), |_, _| {
            lines += 1;
            ControlFlow::Continue(Some(Duration::from_millis(if lines == 1 { 60_000 } else { 200 })))
        });
        assert!(matches!(ended.unwrap(), Some(Ended::TimedOut(limit)) if limit.as_millis() == 200));
        assert_eq!(lines, 2);
        let ended = talks.stream_until(Duration::from_secs(60), |_, _| ControlFlow::Break(()));
        assert!(ended.unwrap().is_none());
    }

    #[test]
    fn a_failure_names_the_command() {
        let error = Command::new("sh").args(["-c", "exit 7"]).run().unwrap_err();
        assert!(error.to_string().contains("sh -c 'exit 7'"), "{error}");
        let error = Command::new("/no/such/program").read().unwrap_err();
        assert!(error.to_string().contains("/no/such/program"), "{error}");
    }
}
