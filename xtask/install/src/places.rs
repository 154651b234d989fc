//! Where things go, and what goes there.

use crate::Options;
use std::path::{Path, PathBuf};

/// The folders as programs will know them.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) prefix: PathBuf,
    pub(crate) include: PathBuf,
    pub(crate) lib: PathBuf,
    pub(crate) bin: PathBuf,
    pub(crate) share: PathBuf,
    /// What stands in front of them now.
    destdir: Option<PathBuf>,
}

impl Places {
    pub(crate) fn new(options: &Options) -> Self {
        let variable = std::env::var_os("DESTDIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        Places::with_destdir(options, variable)
    }

    fn with_destdir(options: &Options, variable: Option<PathBuf>) -> Self {
        let below = |given: &Option<PathBuf>, usual: &str| {
            // An absolute one stays as it is.
            options.prefix.join(given.as_deref().unwrap_or(Path::new(usual)))
        };
        Places {
            include: below(&options.includedir, "include"),
            lib: below(&options.libdir, "lib"),
            bin: options.prefix.join("bin"),
            share: options.prefix.join("share"),
            prefix: options.prefix.clone(),
            destdir: options.destdir.clone().or(variable),
        }
    }

    /// Where such a path is now.
    pub(crate) fn staged(&self, path: &Path) -> PathBuf {
        match &self.destdir {
            // `join` with an absolute path would forget the folder.
            Some(destdir) => destdir.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }

    /// Whether programs use it from where it is put.
    pub(crate) fn in_place(&self) -> bool {
        self.destdir.is_none()
    }
}

/// What a file is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A copy.
    File(PathBuf),
    /// A copy that can be run, as a linker makes shared libraries.
    Program(PathBuf),
    Text(String),
    /// To a file beside it.
    Link(String),
}

/// Files, by their paths as programs will know them.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<(PathBuf, Source)>,
}

impl Tree {
    pub(crate) fn add(&mut self, folder: &Path, name: &str, source: Source) {
        self.files.push((folder.join(name), source));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destdir_goes_before_every_path_and_into_no_file() {
        let options = Options::below(Path::new("/usr")).destdir(Path::new("/tmp/stage"));
        let places = Places::with_destdir(&options, Some("/ignored".into()));
        assert_eq!(places.lib, Path::new("/usr/lib"));
        assert_eq!(places.staged(&places.include), Path::new("/tmp/stage/usr/include"));
        let options = Options { libdir: Some("/usr/lib64".into()), ..Options::below(Path::new("/usr")) };
        let of = |variable| {
            let places = Places::with_destdir(&options, variable);
            places.staged(&places.lib)
        };
        assert_eq!(of(Some("/d".into())), Path::new("/d/usr/lib64"));
        assert_eq!(of(None), Path::new("/usr/lib64"));
        let options = Options { libdir: Some("lib64".into()), ..options.clone() };
        assert_eq!(Places::with_destdir(&options, None).lib, Path::new("/usr/lib64"));
    }
}
