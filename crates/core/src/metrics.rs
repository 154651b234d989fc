//! The figures of a pool as text that Prometheus reads.

use crate::Stats;
use core::fmt::{self, Display, Formatter, Result, Write};

impl Stats {
    /// Writes the figures in Prometheus' text format (version 0.0.4), with `pool` as the label that
    /// tells this pool from others: `extram_ms` by state, `extram_waiting`, `extram_creating` and
    /// `extram_failed_total`.
    ///
    /// The format wants the samples of one metric together: with several pools, write
    /// [`METRICS`](Stats::METRICS) once and then the [samples](Stats::samples) of each.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn metrics(&self, pool: &str, out: &mut dyn Write) -> Result {
        out.write_str(Self::METRICS)?;
        self.samples(pool, out)
    }

    /// What the metrics are: their types, and a sentence for each.
    pub const METRICS: &'static str = "\
# HELP extram_ms Ms that exist, by where they are.
# TYPE extram_ms gauge
# HELP extram_waiting Threads that wait for an M.
# TYPE extram_waiting gauge
# HELP extram_creating Ms being made.
# TYPE extram_creating gauge
# HELP extram_failed_total Attempts to make an M that failed since the pool was started.
# TYPE extram_failed_total counter
";

    /// The samples alone; see [`metrics`](Stats::metrics).
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn samples(&self, pool: &str, out: &mut dyn Write) -> Result {
        let pool = Label(pool);
        let states = [("spare", self.spare), ("in_use", self.in_use), ("bound_idle", self.bound_idle)];
        for (state, ms) in states {
            writeln!(out, "extram_ms{{pool=\"{pool}\",state=\"{state}\"}} {ms}")?;
        }
        let others = [
            ("extram_waiting", self.waiting),
            ("extram_creating", self.creating),
            ("extram_failed_total", self.failed),
        ];
        others.into_iter().try_for_each(|(name, value)| writeln!(out, "{name}{{pool=\"{pool}\"}} {value}"))
    }
}

/// The value of a label, in which the format has three characters escaped.
struct Label<'a>(&'a str);

impl Display for Label<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}

#[cfg(all(test, feature = "alloc", not(any(loom, shuttle))))]
mod tests {
    use crate::Stats;
    use alloc::string::String;

    #[test]
    fn every_figure_has_its_line() {
        let figures =
            Stats { created: 6, spare: 1, in_use: 2, bound_idle: 3, waiting: 4, creating: 5, failed: 7 };
        let mut text = String::new();
        figures.metrics("a \"name\"\\\n", &mut text).unwrap();
        let samples = "\
extram_ms{pool=\"a \\\"name\\\"\\\\\\n\",state=\"spare\"} 1
extram_ms{pool=\"a \\\"name\\\"\\\\\\n\",state=\"in_use\"} 2
extram_ms{pool=\"a \\\"name\\\"\\\\\\n\",state=\"bound_idle\"} 3
extram_waiting{pool=\"a \\\"name\\\"\\\\\\n\"} 4
extram_creating{pool=\"a \\\"name\\\"\\\\\\n\"} 5
extram_failed_total{pool=\"a \\\"name\\\"\\\\\\n\"} 7
";
        assert_eq!(text.strip_prefix(Stats::METRICS), Some(samples));
        for line in samples.lines() {
            let metric = line.split('{').next().unwrap();
            assert!(Stats::METRICS.contains(&alloc::format!("# TYPE {metric} ")), "{metric}");
        }
    }
}
