//! The ABI check: what the port takes for granted, compared with FreeBSD's own headers and symbols.
//!
//! The port names its facts in `ports/freebsd/src/facts.rs`. From that file comes a C file of
//! static assertions, compiled with the headers of the target. The same file with every fact made
//! wrong has to be refused fact by fact: an assertion that cannot fail would prove nothing.

mod assertions;
mod facts;
mod types;

use super::symbols;
use anyhow::Result;
use assertions::{assertions, compare, native, refuse};
use facts::{facts, named};
use judge::Summary;
use std::path::PathBuf;

/// Compares the facts and the symbols that `programs` import with FreeBSD's for `target`. Programs
/// that are linked against a base are bound to the versions that its libraries prefer, so of theirs
/// the names are compared.
pub(crate) fn check(target: &str, programs: &[PathBuf], against_base: bool) -> Result<Summary> {
    let mut summary = Summary::default();
    summary += Summary::of("every fact the port relies on is named", named());
    let assertions = assertions(&facts()?, target)?;
    let facts = compare(target, &assertions);
    summary += Summary::of(
        "the facts are FreeBSD's",
        facts.map(|()| println!("{} facts compared", assertions.len())),
    );
    summary += Summary::of("every fact can be refused", refuse(target, &assertions));
    if native(target) {
        // What is linked natively is linked against the system itself.
        return Ok(summary);
    }
    let symbols = symbols::resolve(target, programs, !against_base).map(|(symbols, release)| {
        let version = if against_base { ", though maybe in another version" } else { "" };
        println!(
            "{symbols} imported symbols of {} programs are in FreeBSD {release}{version}",
            programs.len()
        );
    });
    summary += Summary::of("the oldest release has every symbol", symbols);
    Ok(summary)
}
