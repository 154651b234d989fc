//! The functions of a header, in its order.

/// Names of functions: what has a bracket behind it, where a line of C begins with a type.
pub(crate) fn functions(header: &str) -> Vec<String> {
    let declarations = header.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    let names = declarations.filter_map(|line| {
        let (before, _) = line.split_once('(')?;
        let name = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
        name.starts_with("extram_").then(|| name.to_owned())
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_header_declares_is_found() {
        let header = "/** extram_no(1) */\nint extram_enter(extram_pool *pool,\n    int extram_x(int));\n\
                      const char *extram_strerror(int code);\nvoid *extram_context(const extram_m *m);\n";
        assert_eq!(functions(header), ["extram_enter", "extram_strerror", "extram_context"]);
        let all = functions(&std::fs::read_to_string(crate::face().join("include/extram.h")).unwrap());
        assert!(all.len() > 25 && all.contains(&"extram_pool_new".to_owned()), "{all:?}");
        // The test of the C face calls functions of other headers, too, and declares its own.
        let used = include_str!("../../../crates/capi/tests/c/interface.c");
        for line in used.lines().filter(|line| line.contains(" extram_") && line.ends_with(';')) {
            let name = line.split('(').next().and_then(|before| before.rsplit([' ', '*']).next()).unwrap();
            if line.contains('(') && !line.starts_with(' ') && name.starts_with("extram_") {
                assert!(all.iter().any(|known| known == name), "{line}");
            }
        }
    }
}
