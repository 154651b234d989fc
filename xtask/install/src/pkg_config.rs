//! `extram.pc`.

use crate::{Options, VERSION};
use std::path::{Path, PathBuf};

/// What pkg-config reads.
pub(crate) fn text(options: &Options, private: &[String], shared: bool) -> String {
    let below = |path: &Option<PathBuf>, usual: &str| match path {
        Some(path) if path.is_absolute() => quoted(path),
        Some(path) => format!("${{prefix}}/{}", quoted(path)),
        None => format!("${{prefix}}/{usual}"),
    };
    // Where there is no shared library everybody links the static one.
    let (public, private) = match shared {
        true => (String::new(), private.iter().map(|library| format!(" {library}")).collect()),
        false => (private.iter().map(|library| format!(" {library}")).collect(), String::new()),
    };
    format!(
        "prefix={}\nlibdir={}\nincludedir={}\n\n\
         Name: extram\n\
         Description: Lends execution contexts to threads that a language runtime did not create\n\
         Version: {VERSION}\n\
         Libs: -L${{libdir}} -lextram{public}\n\
         Libs.private:{private}\n\
         Cflags: -I${{includedir}}\n",
        quoted(&options.prefix),
        below(&options.libdir, "lib"),
        below(&options.includedir, "include"),
    )
}

/// A space would be the end of a word.
fn quoted(path: &Path) -> String {
    path.display().to_string().replace(' ', "\\ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_where_it_is_and_what_it_needs() {
        let options = Options { libdir: Some("/usr/lib64".into()), ..Options::below(Path::new("/usr")) };
        let with = |shared| text(&options, &["-lpthread".into()], shared);
        assert!(with(true).starts_with("prefix=/usr\nlibdir=/usr/lib64\nincludedir=${prefix}/include\n"));
        assert!(with(true).contains("-lextram\nLibs.private: -lpthread\n"), "{}", with(true));
        assert!(with(false).contains("-lextram -lpthread\nLibs.private:\n"), "{}", with(false));
        let spaced = text(&Options::below(Path::new("/a b")), &[], true);
        assert!(spaced.starts_with("prefix=/a\\ b\n"), "{spaced}");
    }
}
