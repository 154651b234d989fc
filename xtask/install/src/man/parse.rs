//! A header of ours, read as far as a page about it needs.

/// What the header is about, and its declarations in order.
#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) about: String,
    pub(super) items: Vec<Item>,
}

/// One declaration with its comment.
#[derive(Debug)]
pub(super) enum Item {
    Function {
        kind: String,
        name: String,
        arguments: Vec<String>,
        comment: String,
    },
    /// A macro: `NAME VALUE`, or a name with its arguments.
    Constant {
        name: String,
        comment: String,
    },
    /// With its fields or its constants.
    Type {
        name: String,
        comment: String,
        members: Vec<(String, String)>,
    },
}

impl Header {
    pub(super) fn parse(text: &str) -> Self {
        let mut header = Header::default();
        let mut comment = String::new();
        // The type that is open, what it is about, and what it has so far.
        let mut members: Option<(String, Vec<(String, String)>)> = None;
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let line = line.trim();
            if line == "/*" || line == "/**" {
                let inside = lines.by_ref().map(str::trim).take_while(|line| *line != "*/");
                comment =
                    inside.map(|line| line.trim_start_matches('*').trim_start().to_owned() + "\n").collect();
                if line == "/*" && header.about.is_empty() {
                    header.about = about(&std::mem::take(&mut comment));
                }
            } else if let Some(said) = line.strip_prefix("/** ").and_then(|line| line.strip_suffix("*/")) {
                comment = said.to_owned();
            } else if let Some(declared) = line.strip_prefix("#define ").filter(|_| !comment.is_empty()) {
                let name = declared.trim_end_matches('\\').trim().to_owned();
                header.items.push(Item::Constant { name, comment: std::mem::take(&mut comment) });
            } else if line.starts_with("typedef ") && line.ends_with('{') {
                members = Some((std::mem::take(&mut comment), Vec::new()));
            } else if let Some(name) = line.strip_prefix("} ").and_then(|line| line.strip_suffix(';')) {
                if let Some((comment, members)) = members.take() {
                    header.items.push(Item::Type { name: name.to_owned(), comment, members });
                }
            } else if let Some((_, members)) = &mut members {
                if !line.is_empty() {
                    let declaration = line.trim_end_matches([',', ';']).to_owned();
                    members.push((declaration, std::mem::take(&mut comment)));
                }
            } else if let Some(function) = function(line, &comment) {
                header.items.push(function);
                comment.clear();
            } else if let Some(name) = line.strip_prefix("typedef ").and_then(|line| line.strip_suffix(';')) {
                let name = name.rsplit(' ').next().unwrap_or_default().to_owned();
                let comment = std::mem::take(&mut comment);
                header.items.push(Item::Type { name, comment, members: Vec::new() });
            }
        }
        header
    }
}

/// Without the line on how the header came to be.
fn about(comment: &str) -> String {
    let paragraphs = comment.split("\n\n").filter(|paragraph| !paragraph.starts_with("Written by"));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

fn function(line: &str, comment: &str) -> Option<Item> {
    let (before, arguments) = line.strip_suffix(");")?.split_once('(')?;
    let begin = before.rfind([' ', '*'])? + 1;
    let (kind, name) = before.split_at(begin);
    name.starts_with("extram_").then(|| Item::Function {
        kind: kind.trim_end().to_owned(),
        name: name.to_owned(),
        arguments: split(arguments),
        comment: comment.to_owned(),
    })
}

/// At the commas that are in no brackets.
fn split(arguments: &str) -> Vec<String> {
    let mut depth = 0;
    let parts = arguments.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    parts.map(|part| part.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_taken_apart() {
        let line = "const char *extram_f(int (*visit)(void *arg, int x), void *arg);";
        let Some(Item::Function { kind, name, arguments, .. }) = function(line, "") else { panic!("{line}") };
        assert_eq!((&*kind, &*name), ("const char *", "extram_f"));
        assert_eq!(arguments, ["int (*visit)(void *arg, int x)", "void *arg"]);
    }

    #[test]
    fn comments_go_with_what_they_stand_before() {
        let text = "/*\n * About.\n *\n * Written by a tool.\n */\n\n/**\n * Two\n * lines.\n */\ntypedef struct {\n    \
                    /**\n     * A field.\n     */\n    int a;\n} extram_s;\n/**\n * Does.\n */\nint extram_f(void);\n";
        let header = Header::parse(text);
        assert_eq!(header.about.trim(), "About.");
        let [Item::Type { name, comment, members }, Item::Function { comment: does, .. }] = &header.items[..]
        else {
            panic!("{:?}", header.items)
        };
        assert_eq!((&**name, comment.trim()), ("extram_s", "Two\nlines."));
        assert_eq!((&*members[0].0, members[0].1.trim()), ("int a", "A field."));
        assert_eq!(does.trim(), "Does.");
    }
}
