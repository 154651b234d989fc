//! Rust's types in the words of C.

use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;

/// Rust's types in the words of C.
pub(super) struct Types<'a> {
    pub(super) structures: BTreeSet<&'a str>,
}

impl Types<'_> {
    /// `inner` declared to be of the type; with an empty `inner` the type itself.
    pub(super) fn declare(&self, rust: &str, inner: &str) -> Result<String> {
        let rust = rust.trim();
        if let Some(to) = rust.strip_prefix("*mut ") {
            return self.declare(to, &format!("*{inner}"));
        }
        if let Some(to) = rust.strip_prefix("*const ") {
            return Ok(format!("const {}", self.declare(to, &format!("*{inner}"))?));
        }
        if let Some(some) = rust.strip_prefix("Option<") {
            return self.declare(some.strip_suffix('>').context("no end of Option")?, inner);
        }
        let bare = rust.strip_prefix("unsafe ").unwrap_or(rust);
        let bare = bare.strip_prefix("extern \"C\" ").unwrap_or(bare);
        if let Some(function) = bare.strip_prefix("fn(") {
            let end = closing(function).context("no end of the arguments")?;
            let result = function[end + 1..].trim().strip_prefix("->").unwrap_or("!");
            let mut arguments = Vec::new();
            for argument in split(&function[..end]) {
                arguments.push(self.declare(argument, "")?);
            }
            let arguments = if arguments.is_empty() { "void".to_owned() } else { arguments.join(", ") };
            return self.declare(result, &format!("(*{inner})({arguments})"));
        }
        let name = match rust {
            "!" | "c_void" => "void",
            "c_char" => "char",
            "c_int" => "int",
            "c_uint" => "unsigned int",
            "c_long" => "long",
            "c_ulong" => "unsigned long",
            "u32" => "__UINT32_TYPE__",
            "i64" => "__INT64_TYPE__",
            "u64" => "__UINT64_TYPE__",
            name if self.structures.contains(name) => &format!("struct {name}"),
            name if name.ends_with("_t") => name,
            _ => bail!("what is {rust} in C?"),
        };
        Ok(if inner.is_empty() { name.to_owned() } else { format!("{name} {inner}") })
    }
}

/// Where the parenthesis that is open at the beginning closes.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        (open == 0).then_some(at)
    })
}

/// The arguments of a function, at the commas that are in no parentheses.
fn split(arguments: &str) -> impl Iterator<Item = &str> {
    let mut open = 0;
    arguments
        .split(move |c| {
            match c {
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
            c == ',' && open == 0
        })
        .filter(|argument| !argument.trim().is_empty())
}
