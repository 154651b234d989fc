//! Rounds, and the row of figures that they come to.

use serde::{Serialize, Serializer};
use std::time::Duration;

/// What one round of one algorithm gave.
#[derive(Clone, Debug)]
pub struct Round {
    /// From the release of the threads until the last one is back from its call.
    pub wall: Duration,
    /// Of the whole process, over the threads' whole lives; `None` where the system does not count them.
    pub switches: Option<u64>,
    /// Ms that exist at the end.
    pub made: Option<u64>,
    /// The most Ms that one callback had to make.
    pub most_creations: Option<u64>,
    /// The longest time between a thread's call and the first line of its callback.
    pub longest_wait: Option<Duration>,
}

/// The figures of one algorithm. The field names are the JSON keys; what has no meaning for an
/// algorithm, or is not known on this system, is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)] // the names say it, and `Round` says the rest
pub struct Row {
    pub algorithm: &'static str,
    #[serde(serialize_with = "tenths")]
    pub wall_us_median: f64,
    #[serde(serialize_with = "tenths")]
    pub wall_us_min: f64,
    pub context_switches_median: Option<u64>,
    pub ms_made_median: Option<u64>,
    pub max_creations_per_callback: Option<u64>,
    #[serde(serialize_with = "some_tenths")]
    pub longest_wait_us_median: Option<f64>,
}

impl Row {
    /// Sums up rounds. `None` without any.
    pub fn of(algorithm: &'static str, rounds: &[Round]) -> Option<Row> {
        let walls = || rounds.iter().map(|round| micros(round.wall));
        Some(Row {
            algorithm,
            wall_us_median: median(walls())?,
            wall_us_min: walls().reduce(f64::min)?,
            context_switches_median: whole_median(rounds.iter().filter_map(|round| round.switches)),
            ms_made_median: whole_median(rounds.iter().filter_map(|round| round.made)),
            max_creations_per_callback: rounds.iter().filter_map(|r| r.most_creations).max(),
            longest_wait_us_median: median(rounds.iter().filter_map(|round| round.longest_wait).map(micros)),
        })
    }
}

/// The rows as one JSON array, with a line break at its end.
pub fn json(rows: &[Row]) -> String {
    let mut text = serde_json::to_string_pretty(rows)
        .expect("numbers and names are always JSON: no float here is infinite");
    text.push('\n');
    text
}

/// A duration in µs.
pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The middle value; of an even number of values, the mean of the two in the middle.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

fn whole_median(values: impl IntoIterator<Item = u64>) -> Option<u64> {
    median(values.into_iter().map(|value| value as f64)).map(|value| value.round() as u64)
}

fn tenths<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((value * 10.0).round() / 10.0)
}

fn some_tenths<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => tenths(value, to),
        None => to.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn round(wall: u64, made: Option<u64>) -> Round {
        Round {
            wall: Duration::from_micros(wall),
            switches: Some(wall * 2),
            made,
            most_creations: made.map(|made| made / 2),
            longest_wait: made.map(|_| Duration::from_micros(wall / 2)),
        }
    }

    #[test]
    fn the_median_does_not_care_about_order_or_outliers() {
        assert_eq!(median([]), None);
        assert_eq!(median([4.0]), Some(4.0));
        assert_eq!(median([1e9, 1.0, 3.0]), Some(3.0));
        assert_eq!(median([4.0, 1.0, 2.0, 1e9]), Some(3.0));
    }

    #[test]
    fn a_row_has_the_median_the_minimum_and_the_worst_callback() {
        let rounds = [round(30, Some(9)), round(10, Some(3)), round(20, Some(4))];
        let row = Row::of("extram", &rounds).unwrap();
        assert_eq!(row.wall_us_median, 20.0);
        assert_eq!(row.wall_us_min, 10.0);
        assert_eq!(row.context_switches_median, Some(40));
        let unknown = rounds.map(|round| Round { switches: None, ..round });
        assert_eq!(Row::of("extram", &unknown).unwrap().context_switches_median, None);
        assert_eq!(row.ms_made_median, Some(4));
        assert_eq!(row.max_creations_per_callback, Some(4));
        assert_eq!(row.longest_wait_us_median, Some(10.0));
        assert_eq!(Row::of("extram", &[]), None);
    }

    #[test]
    fn the_json_is_an_array_of_objects_with_exactly_the_agreed_keys() {
        let rows = [
            Row::of("floor", &[round(10, None)]).unwrap(),
            Row::of("extram", &[round(10, Some(2))]).unwrap(),
        ];
        let text = json(&rows);
        let parsed: Vec<serde_json::Map<String, Value>> = serde_json::from_str(&text).unwrap();
        for object in &parsed {
            let mut keys: Vec<&str> = object.keys().map(String::as_str).collect();
            keys.sort_unstable();
            assert_eq!(
                keys,
                [
                    "algorithm",
                    "context_switches_median",
                    "longest_wait_us_median",
                    "max_creations_per_callback",
                    "ms_made_median",
                    "wall_us_median",
                    "wall_us_min",
                ]
            );
        }
        assert_eq!(parsed[0]["algorithm"], "floor");
        assert_eq!(parsed[0]["ms_made_median"], Value::Null);
        assert_eq!(parsed[0]["longest_wait_us_median"], Value::Null);
        assert_eq!(parsed[1]["ms_made_median"], 2);
        assert!(parsed[1]["wall_us_median"].is_number());
        assert!(text.ends_with("]\n"));
    }
}
