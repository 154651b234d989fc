//! Raw samples: what the report is made from, and all that a later run needs to compare itself with.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// A line of the raw file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Line {
    /// Where and how the run was made.
    Run(Run),
    /// What was left out, and why.
    Skipped { what: String, why: String },
    /// A figure of one round.
    Sample(Sample),
}

impl Line {
    /// Not derived: where a crate of the same build asks for serde_json's `arbitrary_precision`, numbers in an
    /// enum with a tag cannot be read.
    fn read(line: &str) -> Result<Line, serde_json::Error> {
        #[derive(Deserialize)]
        struct Kind {
            kind: String,
        }
        #[derive(Deserialize)]
        struct Skipped {
            what: String,
            why: String,
        }
        match serde_json::from_str::<Kind>(line)?.kind.as_str() {
            "run" => serde_json::from_str(line).map(Line::Run),
            "sample" => serde_json::from_str(line).map(Line::Sample),
            "skipped" => serde_json::from_str(line).map(|Skipped { what, why }| Line::Skipped { what, why }),
            kind => Err(serde::de::Error::custom(format_args!("of no kind that is known: {kind:?}"))),
        }
    }
}

/// The machine line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) machine: String,
    pub(crate) processors: usize,
    /// The load before the run, of the last minute.
    pub(crate) load: f64,
    pub(crate) versions: Vec<String>,
    pub(crate) command: String,
}

/// One figure of one subject in one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// What is measured: `herd`, `limit`, …
    pub(crate) section: String,
    /// Under which conditions: `threads=8 limit=1 hold_us=0`.
    pub(crate) case: String,
    /// Of whom: `extram`, `go1.27`, …
    pub(crate) subject: String,
    /// With its unit: `wall_us`.
    pub(crate) metric: String,
    /// All subjects have their turn in a round, so figures of one round may be compared.
    pub(crate) round: u32,
    pub(crate) value: f64,
}

/// What a run brings.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    pub(crate) run: Run,
    pub(crate) skipped: Vec<(String, String)>,
    pub(crate) all: Vec<Sample>,
}

impl Samples {
    pub(crate) fn skip(&mut self, what: &str, why: impl Into<String>) {
        self.skipped.push((what.into(), why.into()));
    }

    /// Everything, a line each.
    pub(crate) fn lines(&self) -> String {
        let skipped =
            self.skipped.iter().map(|(what, why)| Line::Skipped { what: what.clone(), why: why.clone() });
        let lines = [Line::Run(self.run.clone())].into_iter().chain(skipped);
        let lines = lines.chain(self.all.iter().cloned().map(Line::Sample));
        let lines =
            lines.map(|line| serde_json::to_string(&line).expect("names and numbers are always JSON"));
        lines.fold(String::new(), |text, line| text + &line + "\n")
    }

    /// What an earlier run has written.
    pub(crate) fn read(path: &Path) -> Result<Samples, String> {
        let file = File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let mut samples = Samples::default();
        let mut runs = 0;
        for (number, line) in BufReader::new(file).lines().enumerate() {
            let wrong = |why: String| format!("{}, line {}: {why}", path.display(), number + 1);
            let line = line.map_err(|error| wrong(error.to_string()))?;
            let line = Line::read(&line)
                .map_err(|error| wrong(format!("not a line of samples that `bench` wrote ({error})")))?;
            match line {
                Line::Run(run) => {
                    samples.run = run;
                    runs += 1;
                }
                Line::Skipped { what, why } => samples.skip(&what, why),
                Line::Sample(sample) => samples.all.push(sample),
            }
        }
        if runs != 1 {
            return Err(format!("{}: the samples of {runs} runs, and one is wanted", path.display()));
        }
        Ok(samples)
    }
}

/// Where a section puts its figures: what is the same for all of a turn is said once.
pub(crate) struct Turn<'a> {
    pub(crate) samples: &'a mut Samples,
    pub(crate) section: &'static str,
    pub(crate) case: String,
    pub(crate) subject: String,
    pub(crate) round: u32,
}

impl Turn<'_> {
    pub(crate) fn add(&mut self, metric: &str, value: f64) {
        self.samples.all.push(Sample {
            section: self.section.into(),
            case: self.case.clone(),
            subject: self.subject.clone(),
            metric: metric.into(),
            round: self.round,
            value,
        });
    }
}
