//! `extram(3)`: the header's comments and declarations, and the README's program, as mdoc(7).

use crate::{VERSION, face};
use anyhow::{Context as _, Result};
use std::fmt::Write as _;

mod date;
mod parse;

use parse::{Header, Item};

/// What the page is made of.
pub(crate) struct Sources {
    header: String,
    readme: String,
    date: String,
}

impl Sources {
    pub(crate) fn read() -> Result<Self> {
        let read = |path: std::path::PathBuf| {
            std::fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        Ok(Sources {
            header: read(face().join("include/extram.h"))?,
            readme: read(toolchain::workspace().join("README.md"))?,
            date: date::of_the_build()?,
        })
    }
}

/// The page.
pub(crate) fn page(sources: &Sources) -> String {
    let header = Header::parse(&sources.header);
    let mut page = format!(
        ".\\\" Written by `cargo xtask install` from extram.h.\n\
         .Dd {}\n.Dt EXTRAM 3\n.Os\n\
         .Sh NAME\n.Nm extram\n\
         .Nd execution contexts for threads that a language runtime did not create\n\
         .Sh LIBRARY\nlibextram {VERSION} (libextram, \\-lextram)\n\
         .Sh SYNOPSIS\n.In extram.h\n",
        sources.date
    );
    for item in &header.items {
        if let Item::Function { kind, name, arguments, .. } = item {
            let quoted: Vec<String> = arguments.iter().map(|argument| format!("\"{argument}\"")).collect();
            let _ = writeln!(page, ".Ft \"{kind}\"\n.Fn {name} {}", quoted.join(" "));
        }
    }
    page += ".Sh DESCRIPTION\n";
    page += &prose(&header.about);
    page += ".Ss Functions\n.Bl -tag -width Ds\n";
    for item in &header.items {
        if let Item::Function { name, comment, .. } = item {
            let _ = write!(page, ".It Fn {name}\n{}", prose(comment));
        }
    }
    page += ".El\n.Ss Types and constants\n.Bl -tag -width Ds\n";
    for item in header.items.iter().filter(|item| !matches!(item, Item::Function { .. })) {
        page += &entry(item);
    }
    page += ".El\n";
    page += RETURNS;
    if let Some(program) = program(&sources.readme) {
        let _ = write!(page, ".Sh EXAMPLES\n.Bd -literal\n{}.Ed\n", literal(program));
    }
    page += ENDS;
    page
}

const RETURNS: &str = "\
.Sh RETURN VALUES
A function that returns an
.Vt int
returns one of the constants of
.Vt extram_code
.Po
.Fn extram_each_m
and
.Fn extram_dump
also what their callback returned
.Pc :
.Dv EXTRAM_OK ,
which is 0, or why it did nothing.
";

const ENDS: &str = "\
.Sh SEE ALSO
.Xr pkg-config 1 ,
.Xr pthread_create 3
";

fn entry(item: &Item) -> String {
    match item {
        Item::Function { .. } => String::new(),
        Item::Constant { name, comment } => format!(".It Dv {}\n{}", plain(name), prose(comment)),
        Item::Type { name, comment, members } => {
            let mut text = format!(".It Vt {name}\n{}", prose(comment));
            if members.is_empty() {
                return text;
            }
            text += ".Bl -tag -width Ds\n";
            for (declaration, comment) in members {
                let _ = write!(text, ".It Li {}\n{}", plain(declaration), prose(comment));
            }
            text + ".El\n"
        }
    }
}

/// Paragraphs, with an empty line between.
fn prose(comment: &str) -> String {
    let mut text = String::new();
    for (number, paragraph) in comment.split("\n\n").filter(|paragraph| !paragraph.is_empty()).enumerate() {
        if number > 0 {
            text += ".Pp\n";
        }
        for line in paragraph.lines() {
            // A sentence begins on a line of its own, which is how the formatter knows of it.
            for sentence in line.split_inclusive(". ") {
                let _ = writeln!(text, "{}", plain(sentence.trim_end()));
            }
        }
    }
    text
}

/// A line whose characters mean themselves.
fn plain(line: &str) -> String {
    let line = line.replace('\\', "\\e");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

fn literal(program: &str) -> String {
    program.lines().map(|line| plain(line) + "\n").collect()
}

/// The README's program in C.
fn program(readme: &str) -> Option<&str> {
    let (_, rest) = readme.split_once("```c\n")?;
    rest.split_once("```").map(|(program, _)| program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_function_code_and_field() {
        let page = page(&Sources::read().unwrap());
        let header = std::fs::read_to_string(face().join("include/extram.h")).unwrap();
        for name in crate::header::functions(&header) {
            assert!(
                page.contains(&format!("\n.Fn {name} \"")) || page.contains(&format!("\n.Fn {name} \n")),
                "{name}"
            );
            assert!(page.contains(&format!("\n.It Fn {name}\n")), "{name} is not described");
        }
        for word in ["EXTRAM_TOO_MANY", "EXTRAM_BIND_CALL = 1", "uint32_t spare_max", "EXTRAM_VERSION_MAJOR"]
        {
            assert!(page.contains(word), "no {word}");
        }
        assert!(page.contains("#include <extram.h>\n#include <stdlib.h>\n"), "the program is not there");
    }

    #[test]
    fn what_would_be_a_macro_is_text() {
        assert_eq!(plain(".so x"), "\\&.so x");
        assert_eq!(plain("'\\n'"), "\\&'\\en'");
        assert_eq!(prose("One. Two,\nthree.\n\nFour."), "One.\nTwo,\nthree.\n.Pp\nFour.\n");
    }
}
