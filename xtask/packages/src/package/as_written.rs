//! Follows `VENDORED.md` to the letter, in an empty folder and without a network: what it says to write is
//! written, what it says to run is run.

use super::Refused;
use anyhow::{Context as _, Result, bail, ensure};
use std::path::Path;
use toolchain::command::Command;
use toolchain::workspace;

/// A piece of the note in a fence, with what leads to it.
struct Piece<'a> {
    section: &'a str,
    language: &'a str,
    text: &'a str,
    /// The last word in backquotes before it.
    named: &'a str,
}

fn pieces(note: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    for section in note.split("\n## ").skip(1) {
        let (title, mut rest) = section.split_once('\n').unwrap_or((section, ""));
        while let Some((before, fence)) = rest.split_once("```") {
            let Some((language, fence)) = fence.split_once('\n') else { break };
            let Some((text, after)) = fence.split_once("```") else { break };
            let named = before.rsplit('`').nth(1).unwrap_or_default();
            found.push(Piece { section: title, language, text, named });
            rest = after;
        }
    }
    found
}

/// In a project whose copy lies where the note says.
pub(super) fn follow(project: &Path, copy: &Path, refused: &Refused) -> Result<()> {
    let note = std::fs::read_to_string(copy.join("VENDORED.md"))?;
    let readme = std::fs::read_to_string(workspace().join("README.md"))?;
    let program = |language: &str| {
        let rest = readme.split_once(&format!("```{language}\n"))?.1;
        rest.split_once("```").map(|(program, _)| program)
    };
    // What the reader has before: a program in C and one in Rust.
    std::fs::write(copy.join("prog.c"), program("c").context("no program in C")?)?;
    std::fs::create_dir_all(project.join("src"))?;
    std::fs::write(project.join("src/main.rs"), program("rust").context("no program in Rust")?)?;
    let package = "[package]\nname = \"project\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\n";
    std::fs::write(project.join("Cargo.toml"), package)?;
    let mut ran = Vec::new();
    for piece in pieces(&note) {
        let place = if piece.section == "Use it from Rust" { project } else { copy };
        match piece.language {
            "toml" => {
                let file = place.join(piece.named);
                std::fs::create_dir_all(file.parent().context("a folder")?)?;
                let before = std::fs::read_to_string(&file).unwrap_or_default();
                std::fs::write(&file, before + piece.text)?;
            }
            "sh" => {
                // Nothing that was downloaded before helps, and whoever reads this has no such variable.
                let home = project.with_file_name("home");
                let shell = refused.command("sh").args(["-ec", piece.text]).dir(place);
                shell.env("CARGO_HOME", home).env_remove("CARGO_TARGET_DIR").run()?;
                ran.push(piece.section);
            }
            _ => bail!("{}: nobody says what to do with {}", piece.section, piece.language),
        }
    }
    ensure!(ran == ["Build it here", "Use it from C", "Use it from Rust"], "ran {ran:?}");
    Command::new(copy.join("a.out")).env_remove("LD_LIBRARY_PATH").run()?;
    Command::new(project.join("target/release/project")).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_their_section_and_the_file_that_was_named() {
        let note =
            "# A\n\n## One\n\n`x` is.\n\n```sh\nrun\n```\n\n## Two\n\nIn `a/b`:\n\n```toml\nc = 1\n```\n";
        let found = pieces(note);
        let [one, two] = &found[..] else { panic!("{}", found.len()) };
        assert_eq!((one.section, one.language, one.text), ("One", "sh", "run\n"));
        assert_eq!((two.section, two.named, two.text), ("Two", "a/b", "c = 1\n"));
    }
}
