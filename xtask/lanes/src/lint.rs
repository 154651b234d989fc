//! The lane `--lint`: what can be said of the sources without running them.

use anyhow::Result;
use judge::Summary;
use pages::{edges, links, sources};
use std::path::PathBuf;
use toolchain::command::Command;
use toolchain::workspace;

/// Those, clippy and the documentation.
pub(super) fn lint() -> Result<Summary> {
    let cargo = |args: &[&str]| Command::new("cargo").args(args);
    let mut summary = read();
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    summary += Summary::of("clippy", cargo(&clippy).run());
    let doc = cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    summary += Summary::of("documentation", doc.run());
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(workspace().join("target"), PathBuf::from);
    summary += Summary::of("links of the documentation", links::check(&target.join("doc")));
    Ok(summary)
}

/// The checks that build nothing.
pub(super) fn read() -> Summary {
    let cargo = |args: &[&str]| Command::new("cargo").args(args);
    let mut summary = Summary::default();
    summary += Summary::of("rustfmt", cargo(&["fmt", "--all", "--check"]).run());
    let bare = ["fmt", "--all", "--check", "--manifest-path", "tests/proof/boards/Cargo.toml"];
    summary += Summary::of("rustfmt, bare metal", cargo(&bare).run());
    let runtimes = ["fmt", "--all", "--check", "--manifest-path", "tests/examples/runtimes/Cargo.toml"];
    summary += Summary::of("rustfmt, real runtimes", cargo(&runtimes).run());
    let lua = ["fmt", "--check", "--manifest-path", "tests/examples/runtimes/lua-cortex-m/Cargo.toml"];
    summary += Summary::of("rustfmt, Lua on a board", cargo(&lua).run());
    let root = workspace();
    summary += Summary::of("every edge has a test or a reason", edges::check(root));
    summary += Summary::of("every cited invariant is defined once", sources::invariants(root));
    summary += Summary::of("no file of the core or of xtask is too long", sources::lengths(root));
    summary
}
