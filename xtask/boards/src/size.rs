//! `cargo xtask size`: how large the smallest program is that embeds extram, next to what it was when
//! somebody last looked and agreed.
//!
//! Figures of two compilers cannot be compared, so the blessed ones name theirs. With another one
//! the absolute bounds hold all the same, and the comparison is skipped.

use super::board::Board;
use super::{Build, build};
use anyhow::{Context as _, Result, bail};
use clap::Args as ClapArgs;
use judge::Summary;
use object::{Object as _, ObjectSection as _, SectionKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toolchain::Toolchain;
use toolchain::workspace;

/// The options.
#[derive(ClapArgs)]
pub struct Args {
    /// Save the figures of this run as those to compare with.
    #[arg(long)]
    bless: bool,
}

/// The targets that are measured, with the most bytes that the program's code may have.
const TARGETS: &[(&str, Option<u64>)] =
    &[("thumbv7m-none-eabi", Some(4096)), ("riscv32imac-unknown-none-elf", None)];

/// The most bytes of an M without its context, on 32 bits.
const HEADER: u64 = 64;

/// More growth than this, in per cent, has to be blessed.
const GROWTH: u64 = 3;

/// In bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Figures {
    /// Code and constants.
    text: u64,
    data: u64,
    bss: u64,
    /// Of an M, without its context.
    header: u64,
}

/// The figures of a target, and who compiled it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Blessed {
    compiler: String,
    #[serde(flatten)]
    figures: Figures,
}

type File = BTreeMap<String, Blessed>;

/// Measures every target and compares, or takes the figures of today.
pub fn size(args: &Args) -> Result<()> {
    let summary = check(args.bless)?;
    println!("{summary}");
    if !summary.good() {
        bail!("too large, or nothing to measure with");
    }
    Ok(())
}

/// The lane.
pub fn lane() -> Result<Summary> {
    check(false)
}

fn check(bless: bool) -> Result<Summary> {
    let mut summary = Summary::default();
    let mut file = read()?;
    for &(triple, budget) in TARGETS {
        let toolchain = match toolchain::for_target(triple, "core") {
            Ok(toolchain) => toolchain,
            Err(missing) => {
                summary += Summary::skipped(triple, &missing.to_string());
                continue;
            }
        };
        println!("{toolchain}");
        let now = Blessed { compiler: toolchain.compiler(), figures: measure(&toolchain, triple)? };
        let before = file.get(triple).cloned();
        print!("{}", table(triple, &now, before.as_ref()));
        let bounds = within(now.figures, budget);
        summary += Summary::of(&format!("{triple}: within its bounds"), bounds);
        if bless {
            file.insert(triple.to_owned(), now);
            continue;
        }
        let what = format!("{triple}: no growth of more than {GROWTH} %");
        summary += match before {
            Some(before) if before.compiler != now.compiler => Summary::skipped(
                &what,
                &format!(
                    "the figures are those of {}, this is {}; `cargo xtask size --bless` takes its own",
                    before.compiler, now.compiler
                ),
            ),
            before => Summary::of(&what, compare(before.map(|before| before.figures), now.figures)),
        };
    }
    if bless {
        std::fs::write(path(), HEAD.to_owned() + &toml::to_string(&file)?)?;
        println!("written: {}", path().display());
    }
    Ok(summary)
}

const HEAD: &str = "# Bytes of `minimal`, as `cargo xtask size --bless` found them.\n\n";

fn path() -> PathBuf {
    workspace().join("tests/proof/boards/minimal/sizes.toml")
}

fn read() -> Result<File> {
    let path = path();
    if !path.exists() {
        return Ok(File::new());
    }
    let text = std::fs::read_to_string(&path)?;
    toml::from_str(&text).with_context(|| path.display().to_string())
}

fn measure(toolchain: &Toolchain, triple: &str) -> Result<Figures> {
    let board = Board::of(triple).with_context(|| format!("no board for {triple}"))?;
    sections(&build(toolchain, board, &Build { profile: "size", ..Build::of("minimal") })?)
}

fn sections(program: &Path) -> Result<Figures> {
    let data = std::fs::read(program).with_context(|| program.display().to_string())?;
    let file = object::File::parse(&*data)?;
    let size = |name| file.section_by_name(name).map_or(0, |section| section.size());
    let header = file.section_by_name(".figures").context("the program does not say how large an M is")?;
    let header: [u8; 4] = header.data()?.try_into().context("the size of an M has four bytes")?;
    let figures = Figures {
        text: size(".text"),
        data: size(".data"),
        bss: size(".bss"),
        header: u32::from_le_bytes(header).into(),
    };
    // What is counted nowhere would be free.
    for section in file.sections().filter(|section| section.size() > 0) {
        let name = section.name()?;
        let loaded =
            !matches!(section.kind(), SectionKind::Other | SectionKind::Metadata) && section.address() != 0;
        if loaded && ![".text", ".data", ".bss", ".vectors"].contains(&name) {
            bail!("{}: {name} is not counted", program.display());
        }
    }
    Ok(figures)
}

impl Figures {
    fn rows(self) -> [(&'static str, u64); 4] {
        [(".text", self.text), (".data", self.data), (".bss", self.bss), ("an M", self.header)]
    }
}

fn table(triple: &str, now: &Blessed, before: Option<&Blessed>) -> String {
    let mut lines = format!("{triple:<32} {:>7} {:>7}   {}\n", "bytes", "blessed", now.compiler);
    for (index, (name, bytes)) in now.figures.rows().into_iter().enumerate() {
        let blessed = before.map_or("-".to_owned(), |before| before.figures.rows()[index].1.to_string());
        lines += &format!("{name:<32} {bytes:>7} {blessed:>7}\n");
    }
    lines
}

fn within(figures: Figures, budget: Option<u64>) -> Result<()> {
    if let Some(budget) = budget.filter(|&budget| figures.text > budget) {
        bail!("{} bytes of code; {budget} are allowed", figures.text);
    }
    if figures.header > HEADER {
        bail!("an M has {} bytes without its context; {HEADER} are allowed", figures.header);
    }
    Ok(())
}

fn compare(before: Option<Figures>, now: Figures) -> Result<()> {
    let before = before.context("there are no figures to compare with; `cargo xtask size --bless`")?;
    for ((name, then), (_, now)) in before.rows().into_iter().zip(now.rows()) {
        if now * 100 > then * (100 + GROWTH) {
            bail!(
                "{name} has grown from {then} to {now} bytes; `cargo xtask size --bless` if that has to be"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Figures = Figures { text: 3000, data: 0, bss: 400, header: 60 };

    #[test]
    fn growth_is_noticed_above_three_per_cent_and_from_nothing() {
        assert!(compare(Some(BEFORE), BEFORE).is_ok());
        assert!(compare(Some(BEFORE), Figures { text: 3090, bss: 300, ..BEFORE }).is_ok());
        let error = compare(Some(BEFORE), Figures { text: 3091, ..BEFORE }).unwrap_err().to_string();
        assert!(error.contains(".text has grown from 3000 to 3091 bytes"), "{error}");
        assert!(compare(Some(BEFORE), Figures { data: 1, ..BEFORE }).is_err());
        assert!(compare(Some(BEFORE), Figures { header: 64, ..BEFORE }).is_err());
        assert!(compare(None, BEFORE).unwrap_err().to_string().contains("--bless"));
    }

    #[test]
    fn the_bounds_hold_whatever_was_blessed() {
        assert!(within(BEFORE, Some(3000)).is_ok());
        assert!(within(BEFORE, Some(2999)).is_err());
        assert!(within(Figures { header: 65, ..BEFORE }, None).is_err());
    }

    #[test]
    fn the_blessed_figures_are_read_and_name_every_target_and_a_compiler() {
        let file = read().unwrap();
        for (triple, budget) in TARGETS {
            let blessed = &file[*triple];
            assert!(blessed.compiler.starts_with("rustc 1."), "{blessed:?}");
            within(blessed.figures, *budget).unwrap();
        }
        let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
        let line = readme.lines().find(|line| line.starts_with("- On a microcontroller: ")).unwrap();
        for (triple, blessed) in &file {
            for (name, bytes) in blessed.figures.rows() {
                let told = match bytes {
                    0..1000 => format!(" {bytes} "),
                    _ => format!(" {},{:03} ", bytes / 1000, bytes % 1000),
                };
                assert!(line.contains(&told), "README.md does not say{told}({name}, {triple})");
            }
        }
        let text = toml::to_string(&file).unwrap();
        assert_eq!(toml::from_str::<File>(&text).unwrap(), file);
    }
}
