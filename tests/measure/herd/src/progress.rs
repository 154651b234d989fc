//! Progress on standard error, so that standard output stays the result's.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};

/// How far the rounds are: a bar on a terminal, a line per step elsewhere.
pub struct Progress {
    bar: Option<ProgressBar>,
    lines: bool,
    done: u64,
    steps: u64,
}

impl Progress {
    /// A measurement of this many steps. `lines`: say each step where there is no terminal.
    pub fn new(steps: u64, lines: bool) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} (about {eta} left)")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(steps).with_style(style.progress_chars("━╸ "))
        });
        Progress { bar, lines, done: 0, steps }
    }

    /// The next step begins. Draws now, so that nothing is drawn while it is being measured.
    pub fn begin(&mut self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
            bar.tick();
        } else if self.lines {
            eprintln!("[{}/{}] {what}", self.done + 1, self.steps);
        }
    }

    /// The step is done.
    pub fn end(&mut self) {
        self.done += 1;
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
