//! The marks of a time axis.

/// Round times from 0 on, at most `most` + 1 of them, none beyond `end`; in the unit of `end`.
pub(super) fn marks(end: f64, most: u32) -> Vec<f64> {
    if !end.is_finite() || end <= 0.0 {
        return vec![0.0];
    }
    let least = end / f64::from(most.max(1));
    let decade = 10_f64.powf(least.log10().floor());
    // The last one is there for rounding: 10 decades are never less than `least`.
    let step = [1.0, 2.0, 5.0, 10.0, 20.0]
        .into_iter()
        .map(|digit| digit * decade)
        .find(|&step| step >= least)
        .unwrap_or(least);
    (0..).map(|number| f64::from(number) * step).take_while(|&mark| mark <= end).collect()
}

/// A round time in µs, in words.
pub(super) fn mark(us: f64) -> String {
    let (value, unit) = match us {
        ..1e3 => (us, "µs"),
        ..1e6 => (us / 1e3, "ms"),
        _ => (us / 1e6, "s"),
    };
    // Without zeros at the end: 2.5, 20.
    let number = format!("{value:.2}");
    let number = number.trim_end_matches('0').trim_end_matches('.');
    if us == 0.0 { "0".into() } else { format!("{number} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_within_the_axis() {
        assert_eq!(marks(743.0, 4), [0.0, 200.0, 400.0, 600.0]);
        assert_eq!(marks(100.0, 4), [0.0, 50.0, 100.0]);
        assert_eq!(marks(0.0, 4), [0.0]);
        for end in [0.3, 1.0, 9.99, 1234.5, 1e7] {
            let marks = marks(end, 4);
            assert!((2..=5).contains(&marks.len()) && marks.last() <= Some(&end), "{end} {marks:?}");
        }
    }

    #[test]
    fn marks_read_well() {
        assert_eq!(mark(0.0), "0");
        assert_eq!(mark(250.0), "250 µs");
        assert_eq!(mark(2_500.0), "2.5 ms");
        assert_eq!(mark(200_000.0), "200 ms");
        assert_eq!(mark(1_000_000.0), "1 s");
    }
}
