//! `cargo xtask header`: the header that C includes, written by cbindgen from crates/capi and checked
//! in beside it.

use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use std::path::{Path, PathBuf};
use toolchain::workspace;

/// The options.
#[derive(ClapArgs)]
pub struct Args {
    /// Write it. Without this the checked-in header is compared with what would be written.
    #[arg(long)]
    bless: bool,
}

/// Compares the headers with the code, or writes them.
pub fn header(args: &Args) -> Result<()> {
    for (name, wanted) in [("extram.h", face()?), ("extram_port.h", port()?)] {
        let path = directory().join("include").join(name);
        if args.bless {
            std::fs::create_dir_all(path.parent().expect("a file in a folder"))?;
            std::fs::write(&path, wanted)?;
            println!("wrote {}", path.display());
        } else {
            compare(&path, &wanted)?;
        }
    }
    Ok(())
}

/// The checked-in header is what cbindgen writes.
pub(crate) fn check() -> Result<()> {
    header(&Args { bless: false })
}

fn compare(path: &Path, wanted: &str) -> Result<()> {
    let found = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut lines = found.lines().zip(wanted.lines()).enumerate();
    if let Some((number, (found, wanted))) = lines.find(|(_, (found, wanted))| found != wanted) {
        let place = format!("{}:{}", path.display(), number + 1);
        bail!("{place}: {found:?} should be {wanted:?} (cargo xtask header --bless)");
    }
    if found.len() != wanted.len() {
        bail!("{}: ends differently (cargo xtask header --bless)", path.display());
    }
    Ok(())
}

/// The folder of the C face.
pub(crate) fn directory() -> PathBuf {
    workspace().join("crates/capi")
}

/// What programs include.
fn face() -> Result<String> {
    // In the order of the header.
    generate(config()?, &["code", "config", "handle", "pool", "call", "walk"])
}

/// What a kernel that extram is linked into includes besides.
fn port() -> Result<String> {
    let mut config = config()?;
    config.include_guard = Some("EXTRAM_PORT_H".to_owned());
    config.header = Some(PORT.to_owned());
    config.after_includes = Some(ALIGNED.to_owned());
    config.layout.aligned_n = Some("EXTRAM_ALIGNED".to_owned());
    config.export.include.clear();
    generate(config, &["kernel"])
}

const PORT: &str = "\
/*
 * What a kernel supplies when extram is linked into it without an operating system below, and what it
 * calls when its threads come and go. Programs include extram.h.
 *
 * Written by cbindgen from crates/capi: `cargo xtask header --bless`.
 */";

const ALIGNED: &str = "

#if defined(_MSC_VER) && !defined(__clang__)
#define EXTRAM_ALIGNED(bytes) __declspec(align(bytes))
#else
#define EXTRAM_ALIGNED(bytes) __attribute__((aligned(bytes)))
#endif";

fn config() -> Result<cbindgen::Config> {
    cbindgen::Config::from_file(directory().join("cbindgen.toml")).map_err(anyhow::Error::msg)
}

fn generate(config: cbindgen::Config, modules: &[&str]) -> Result<String> {
    let mut builder = cbindgen::Builder::new().with_config(config);
    for module in modules {
        builder = builder.with_src(directory().join(format!("src/{module}.rs")));
    }
    let mut header = Vec::new();
    builder.generate()?.write(&mut header);
    Ok(without_rust_safety(&String::from_utf8(header)?))
}

/// Takes the sections `# Safety` out of the comments: what they say, a C programmer takes for
/// granted of every pointer.
fn without_rust_safety(header: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let mut skipping = false;
    for line in header.lines() {
        match line.trim() {
            "* # Safety" => {
                skipping = true;
                // The empty line before.
                if out.last().is_some_and(|last| last.trim() == "*") {
                    out.pop();
                }
            }
            "*/" => skipping = false,
            _ => {}
        }
        if !skipping {
            out.push(line);
        }
    }
    out.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_header_is_what_the_code_says() {
        check().unwrap();
    }

    #[test]
    fn a_header_that_differs_is_noticed() {
        let path = directory().join("include/extram.h");
        let right = std::fs::read_to_string(&path).unwrap();
        let wrong = right.replace("extram_try_enter", "extram_may_enter");
        let error = compare(&path, &wrong).unwrap_err().to_string();
        assert!(error.contains("extram_may_enter") && error.contains("--bless"), "{error}");
        assert!(compare(&path, &right[..right.len() - 1]).is_err());
    }

    #[test]
    fn sections_on_safety_are_left_out() {
        let comment = "/**\n * Does.\n *\n * # Safety\n *\n * Null.\n */\nint f(void);\n";
        assert_eq!(without_rust_safety(comment), "/**\n * Does.\n */\nint f(void);\n");
    }
}
