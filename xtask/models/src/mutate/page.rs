//! The page of the mutations, `tests/proof/mutations/README.md`, one row each.

use super::fate::Fate;
use super::mutation::Mutation;

pub(super) const HEADER: &str = "| mutation | caught by |\n|---|---|\n";

pub(super) const NOT_RUN: &str = "| not run yet |";

/// The right half of a row.
pub(super) fn told(mutation: &Mutation, fate: &Fate) -> String {
    match (fate, &mutation.caught_by, &mutation.because) {
        (Fate::Caught, Some(test), _) => format!("`{test}`"),
        (Fate::Survived, _, Some(because)) => format!("nothing: {because}"),
        (Fate::CaughtBy(test), ..) => format!("**`{test}` alone**"),
        (Fate::DoesNotBuild, ..) => "**does not build**".to_owned(),
        (Fate::NoEnd(limit), ..) => format!("**no end in {} s**", limit.as_secs()),
        (Fate::Caught | Fate::Survived, ..) => "**nothing**".to_owned(),
    }
}

/// The row of a mutation.
pub(super) fn row<'a>(rows: &'a str, mutation: &Mutation) -> Option<&'a str> {
    rows.lines().find(|line| line.starts_with(&format!("| {} | ", mutation.name)))
}

/// The page with new rows in place of those that are there; one that has none says so.
pub(super) fn page(mutations: &[Mutation], before: &str, rows: &str) -> String {
    let mut page = format!(
        "# Mutations\n\n\
         The project with one ordering weaker, or one step of a rule left out, and the test that notices:\n\
         it passes as the code is, and fails with the mutation. A time limit or a build that fails is no proof.\n\
         Written by `cargo xtask mutate`; the mutations are in [mutations.toml](mutations.toml).\n\n{HEADER}"
    );
    for mutation in mutations {
        match row(rows, mutation).or_else(|| row(before, mutation)) {
            Some(row) => page += row,
            None => page += &format!("| {} {NOT_RUN}", mutation.name),
        }
        page.push('\n');
    }
    page
}

#[cfg(test)]
mod tests {
    use super::super::fate::verdict;
    use super::super::mutation::tests::mutation;
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_the_named_test_catches() {
        let none = [
            Fate::CaughtBy("models::b".into()),
            Fate::DoesNotBuild,
            Fate::NoEnd(Duration::from_secs(9)),
            Fate::Survived,
        ];
        for fate in none {
            assert!(verdict(&mutation("a", None), &fate).is_err(), "{fate:?}");
            assert!(told(&mutation("a", None), &fate).starts_with("**"), "{fate:?}");
            if fate != Fate::Survived {
                assert!(verdict(&mutation("a", Some("so")), &fate).is_err(), "{fate:?}");
            }
        }
    }

    #[test]
    fn a_run_of_some_mutations_renews_their_rows() {
        let named = |name: &str| Mutation { name: name.into(), ..mutation("a", None) };
        let before = "| one | `old` |\n| two | `kept` |\n| gone | `x` |\n";
        let page = page(&[named("one"), named("two"), named("three")], before, "| one | `new` |\n");
        let rows: Vec<&str> =
            page.lines().filter(|line| !line.starts_with("| mutation") && line.starts_with("| ")).collect();
        assert_eq!(rows, ["| one | `new` |", "| two | `kept` |", "| three | not run yet |"]);
    }
}
