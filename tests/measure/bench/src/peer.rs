//! A program of ours that measures in a process of its own: in somebody's runtime, or this one.

use serde_json::{Map, Value};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// It prints a line of JSON. Those in other runtimes take what `peer.h` says.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Its name in tables and samples.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    /// What comes before the arguments of each figure.
    pub(crate) lead: Vec<String>,
    /// It can also `collect N`.
    pub(crate) collects: bool,
}

/// A peer that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(180);

impl Peer {
    pub(crate) fn new(name: impl Into<String>, program: impl Into<PathBuf>, lead: &[&str]) -> Self {
        let lead = lead.iter().map(|&word| word.into()).collect();
        Peer { name: name.into(), program: program.into(), lead, collects: false }
    }

    /// Its figures, by metric.
    pub(crate) fn measure(&self, args: &[String]) -> Result<Vec<(String, f64)>, String> {
        let mut command = Command::new(&self.program);
        command.args(&self.lead).args(args).stdin(Stdio::null());
        let said = output(&mut command, PATIENCE)?;
        let figures: Map<String, Value> =
            serde_json::from_str(said.trim()).map_err(|error| format!("it said {said:?} ({error})"))?;
        let figures = figures.into_iter().map(|(metric, value)| Some((metric, value.as_f64()?)));
        let figures: Option<Vec<_>> = figures.collect();
        figures.filter(|figures| !figures.is_empty()).ok_or_else(|| format!("it said {said:?}"))
    }
}

/// What a program prints. An error has what it says about itself.
pub(crate) fn output(command: &mut Command, patience: Duration) -> Result<String, String> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child =
        child.map_err(|error| format!("cannot start {}: {error}", command.get_program().display()))?;
    // Read meanwhile: a program whose pipe is full waits.
    fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
        thread::spawn(move || {
            let mut said = Vec::new();
            if let Some(mut pipe) = pipe {
                // What was read before an error is what there is.
                let _ = pipe.read_to_end(&mut said);
            }
            String::from_utf8_lossy(&said).into_owned()
        })
    }
    let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let deadline = Instant::now() + patience;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
            Ok(None) => {
                // Both fail only if it has just ended.
                let _ = child.kill();
                let _ = child.wait();
                break Err(format!("nothing after {} s", patience.as_secs()));
            }
            Err(error) => break Err(error.to_string()),
        }
    }?;
    let (said, complaint) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
    if status.success() {
        return Ok(said);
    }
    let last = complaint.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("").trim();
    Err(format!("{status}{}{last}", if last.is_empty() { "" } else { ": " }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Peer {
        Peer::new("shell", "sh", &["-c", script])
    }

    #[test]
    fn figures_are_those_of_the_line_of_json() {
        let figures = shell("echo '{\"wall_us\":1.5,\"switches\":3}'").measure(&[]).unwrap();
        assert_eq!(figures, [("switches".into(), 3.0), ("wall_us".into(), 1.5)]);
    }

    #[test]
    fn whatever_else_it_does_is_an_error_that_says_so() {
        for (script, said) in [
            ("echo no", "no"),
            ("echo '{}'", "{}"),
            ("echo '{\"wall_us\":\"fast\"}'", "fast"),
            ("echo broken >&2; exit 3", "broken"),
            ("kill -9 $$", "signal"),
        ] {
            let error = shell(script).measure(&[]).unwrap_err();
            assert!(error.contains(said), "{script}: {error}");
        }
        let error = Peer::new("none", "/no/such/program", &[]).measure(&[]).unwrap_err();
        assert!(error.contains("/no/such/program"), "{error}");
        let mut late = Command::new("sleep");
        let error = output(late.arg("60"), Duration::from_millis(100)).unwrap_err();
        assert!(error.contains("nothing after"), "{error}");
    }
}
