//! Numbers on a command line: `2`, `1,2,64`, `1..512`.

/// Numbers to go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers(pub Vec<u32>);

/// Parses numbers between `least` and `most`. A range is gone through in steps of `times` from its
/// beginning, and its end comes last.
///
/// # Errors
///
/// What is wrong, for a person.
pub fn numbers(text: &str, least: u32, most: u32, times: u32) -> Result<Numbers, String> {
    let one = |text: &str| -> Result<u32, String> {
        let number = text.trim().parse().map_err(|_| format!("\"{text}\" is not a number"))?;
        if !(least..=most).contains(&number) {
            return Err(format!("{number} is not in {least}..={most}"));
        }
        Ok(number)
    };
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let Some((from, to)) = part.split_once("..") else {
            numbers.push(one(part)?);
            continue;
        };
        let (from, to) = (one(from)?, one(to)?);
        if from > to {
            return Err(format!("{from}..{to} is empty"));
        }
        let steps = std::iter::successors(Some(from), |step| step.checked_mul(times));
        numbers.extend(steps.take_while(|step| *step < to));
        numbers.push(to);
    }
    Ok(Numbers(numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges() {
        let of = |text| numbers(text, 1, 512, 2).map(|numbers| numbers.0);
        assert_eq!(of("7"), Ok(vec![7]));
        assert_eq!(of("1,3, 64"), Ok(vec![1, 3, 64]));
        assert_eq!(of("1..8"), Ok(vec![1, 2, 4, 8]));
        assert_eq!(of("3..20,512"), Ok(vec![3, 6, 12, 20, 512]));
        for (bad, said) in
            [("0", "1..=512"), ("513", "513"), ("8..2", "empty"), ("", "not a number"), ("two", "two")]
        {
            assert!(of(bad).unwrap_err().contains(said), "{bad}");
        }
    }
}
