//! The mutations as data: what `tests/proof/mutations/mutations.toml` says, and whether it still holds.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    mutation: Vec<Mutation>,
}

/// One change for the worse.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mutation {
    pub(super) name: String,
    /// Below crates/core/src, or from the root if it begins with a folder of it.
    pub(super) file: String,
    pub(super) before: String,
    pub(super) after: String,
    /// The test that has to fail.
    pub(super) caught_by: Option<String>,
    /// What `cargo test` is told to find that test, `-p extram-hosted --test fork`. Without it the
    /// core's models under loom; `shuttle`: those under shuttle.
    #[serde(rename = "in")]
    pub(super) place: Option<String>,
    /// Why it is no wonder that nothing catches it.
    pub(super) because: Option<String>,
    #[serde(default)]
    pub(super) quick: bool,
}

/// Those of the workspace in that folder.
pub(super) fn read(root: &Path) -> Result<Vec<Mutation>> {
    let text = std::fs::read_to_string(root.join("tests/proof/mutations/mutations.toml"))?;
    let data: Data = toml::from_str(&text)?;
    // All of them, whatever runs: a mutation that is out of date is noticed at once.
    let check = |mutation: &Mutation| {
        let source =
            std::fs::read_to_string(root.join(path(mutation))).with_context(|| mutation.name.clone())?;
        apply(mutation, &source)?;
        sound(mutation)
    };
    let wrong: Vec<_> = data.mutation.iter().filter_map(|mutation| check(mutation).err()).collect();
    let wrong: Vec<_> = wrong.iter().map(|error| format!("{error:#}")).collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(data.mutation)
}

/// The mutated file, from the root.
pub(super) fn path(mutation: &Mutation) -> PathBuf {
    let folders = ["crates/", "ports/", "tests/", "xtask/"];
    let from_root = folders.iter().any(|folder| mutation.file.starts_with(folder));
    Path::new(if from_root { "" } else { "crates/core/src" }).join(&mutation.file)
}

/// A mutation names its test, or a reason why there is none that a sceptic accepts.
fn sound(mutation: &Mutation) -> Result<()> {
    let name = &mutation.name;
    ensure!(
        mutation.caught_by.is_some() != mutation.because.is_some(),
        "{name}: either `caught_by` or `because`"
    );
    let Some(because) = &mutation.because else { return Ok(()) };
    ensure!(because.split_whitespace().count() >= 8, "{name}: `because` does not say why");
    ensure!(
        !["not modelled", "not tested", "no test", "no model"].iter().any(|none| because.contains(none)),
        "{name}: that there is no test is no reason"
    );
    Ok(())
}

/// The mutated source. Fails if the text is not there exactly once: the code has moved on.
pub(super) fn apply(mutation: &Mutation, source: &str) -> Result<String> {
    let found = source.matches(&mutation.before).count();
    ensure!(found == 1, "{}: its text is {found} times in {}", mutation.name, mutation.file);
    Ok(source.replacen(&mutation.before, &mutation.after, 1))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A mutation of a text, which a test notices or nothing, for a reason.
    pub(in super::super) fn mutation(before: &str, because: Option<&str>) -> Mutation {
        Mutation {
            name: "a mutation".into(),
            file: "list.rs".into(),
            before: before.into(),
            after: "b".into(),
            caught_by: because.is_none().then(|| "models::a".to_owned()),
            place: None,
            because: because.map(str::to_owned),
            quick: false,
        }
    }

    #[test]
    fn every_mutation_has_its_text_and_its_test_or_reason() {
        assert!(!read(toolchain::workspace()).unwrap().is_empty());
    }

    #[test]
    fn a_mutation_whose_text_is_gone_or_ambiguous_fails() {
        assert_eq!(apply(&mutation("a", None), "xay").unwrap(), "xby");
        assert!(apply(&mutation("a", None), "xy").is_err());
        assert!(apply(&mutation("a", None), "aa").is_err());
    }

    #[test]
    fn a_reason_says_why() {
        let sound = |because| sound(&mutation("a", Some(because)));
        assert!(sound("the exchange that follows in the same word orders it already").is_ok());
        assert!(sound("equivalent").is_err());
        assert!(sound("this kind of thing is not modelled, since loom has no clock").is_err());
        let both = Mutation { caught_by: Some("models::a".into()), ..mutation("a", Some("so")) };
        assert!(super::sound(&both).is_err());
    }
}
