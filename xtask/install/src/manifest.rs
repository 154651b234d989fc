//! Putting files in their places, with a list of them, and removing what is on the list.
//!
//! The list is `share/extram/installed.txt` in the prefix: a line for each file and, with `/` at its
//! end, for each folder that was not there before, as programs will know them (without DESTDIR).

use crate::places::{Places, Source, Tree};
use crate::shared;
use crate::tools::System;
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

fn list(places: &Places) -> PathBuf {
    places.share.join("extram/installed.txt")
}

/// Puts it there. What an earlier version had, and this one has not, goes.
pub(crate) fn put(tree: &Tree, places: &Places, system: System) -> Result<()> {
    let list = list(places);
    let old = read(&places.staged(&list))?.unwrap_or_default();
    let mut folders: BTreeSet<PathBuf> = old.folders.iter().cloned().collect();
    let files = tree.files.iter().map(|(path, _)| path).chain([&list]);
    for folder in files.clone().filter_map(|path| path.parent()) {
        folders.extend(make(folder, places)?);
    }
    let lines = files.clone().map(|path| format!("{}\n", path.display()));
    let text: String = lines.chain(folders.iter().map(|path| format!("{}/\n", path.display()))).collect();
    // First, so that what goes wrong half-way can be removed.
    place(&places.staged(&list), &Source::Text(text))?;
    for (path, source) in &tree.files {
        let to = places.staged(path);
        place(&to, source).with_context(|| to.display().to_string())?;
        // Another name of a page is said with the others.
        if !is_page_name(source) {
            println!("installed {}", to.display());
        }
    }
    let names = tree.files.iter().filter(|(_, source)| is_page_name(source)).count();
    println!("installed the manual page also under the names of {names} functions");
    let new: BTreeSet<_> = files.collect();
    for stale in old.files.iter().filter(|path| !new.contains(path)) {
        gone(&places.staged(stale))?;
    }
    if system == System::Elf && places.in_place() {
        let lib = places.lib.display();
        println!(
            "programs find {} after ldconfig, if the system looks into that folder; if not, link them with \
             -Wl,-rpath,{lib} or run them with LD_LIBRARY_PATH={lib}",
            shared::soname()
        );
    }
    Ok(())
}

fn is_page_name(source: &Source) -> bool {
    matches!(source, Source::Text(text) if text.starts_with(".so "))
}

/// Removes the files on the list, and the folders on it that are empty then.
pub(crate) fn remove(places: &Places) -> Result<()> {
    let list = places.staged(&list(places));
    let Some(installed) = read(&list)? else {
        bail!("extram is not installed in {}: there is no {}", places.prefix.display(), list.display());
    };
    // The list itself last, so that what goes wrong half-way can be done again.
    let files = installed.files.iter().map(|path| places.staged(path));
    for path in files.filter(|path| *path != list).chain([list.clone()]) {
        if gone(&path)? {
            println!("removed {}", path.display());
        }
    }
    // What lies in another folder comes before it.
    for folder in installed.folders.iter().rev() {
        match std::fs::remove_dir(places.staged(folder)) {
            Err(error) if kept(&error) => {}
            done => done.with_context(|| folder.display().to_string())?,
        }
    }
    Ok(())
}

/// Others put something there, or it is gone already.
fn kept(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::DirectoryNotEmpty | std::io::ErrorKind::NotFound)
}

/// What is on the list.
#[derive(Debug, Default, PartialEq, Eq)]
struct Installed {
    files: Vec<PathBuf>,
    /// A folder stands after the one that it lies in.
    folders: Vec<PathBuf>,
}

fn read(list: &Path) -> Result<Option<Installed>> {
    let text = match std::fs::read_to_string(list) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| list.display().to_string())?,
    };
    let mut installed = Installed::default();
    for (number, line) in text.lines().enumerate() {
        let path = Path::new(line);
        // It is removed from, so nothing is guessed.
        if !path.is_absolute() || path.components().any(|part| part.as_os_str() == "..") {
            bail!("{}:{}: {line:?} is no absolute path", list.display(), number + 1);
        }
        match line.strip_suffix('/') {
            Some(folder) => installed.folders.push(folder.into()),
            None => installed.files.push(path.to_owned()),
        }
    }
    installed.folders.sort();
    Ok(Some(installed))
}

/// Makes a folder; the answer are those that were not there.
fn make(folder: &Path, places: &Places) -> Result<Vec<PathBuf>> {
    let lacking: Vec<PathBuf> =
        folder.ancestors().take_while(|path| !places.staged(path).exists()).map(Path::to_owned).collect();
    let staged = places.staged(folder);
    std::fs::create_dir_all(&staged).with_context(|| staged.display().to_string())?;
    Ok(lacking.into_iter().filter(|path| path.parent().is_some()).collect())
}

/// A new file, never the old one with other contents: programs that run have that one mapped.
fn place(to: &Path, source: &Source) -> Result<()> {
    gone(to)?;
    let mode = match source {
        Source::File(from) | Source::Program(from) => {
            std::fs::copy(from, to).with_context(|| from.display().to_string())?;
            if matches!(source, Source::Program(_)) { 0o755 } else { 0o644 }
        }
        Source::Text(text) => {
            std::fs::write(to, text)?;
            0o644
        }
        Source::Link(name) => return Ok(std::os::unix::fs::symlink(name, to)?),
    };
    Ok(std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode))?)
}

/// Whether it was there.
fn gone(path: &Path) -> Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    /// In an empty folder, which goes with it.
    struct Stage(PathBuf);

    impl Stage {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("extram-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Stage(folder)
        }

        fn places(&self) -> Places {
            Places::new(&Options::below(Path::new("/usr")).destdir(&self.0))
        }

        fn all(&self) -> Vec<String> {
            let mut found = Vec::new();
            let mut todo = vec![self.0.clone()];
            while let Some(folder) = todo.pop() {
                for entry in folder.read_dir().unwrap() {
                    let path = entry.unwrap().path();
                    found.push(path.strip_prefix(&self.0).unwrap().display().to_string());
                    if path.is_dir() && !path.is_symlink() {
                        todo.push(path);
                    }
                }
            }
            found.sort();
            found
        }
    }

    impl Drop for Stage {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn tree(names: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for name in names {
            tree.add(Path::new("/usr/lib/extram"), name, Source::Text((*name).to_owned()));
        }
        tree.add(Path::new("/usr/lib"), "link", Source::Link("extram/a".to_owned()));
        tree
    }

    #[test]
    fn what_was_put_there_goes_and_nothing_else() {
        let stage = Stage::new("goes");
        std::fs::create_dir_all(stage.0.join("usr/lib")).unwrap();
        std::fs::write(stage.0.join("usr/lib/other"), "other").unwrap();
        let before = stage.all();
        put(&tree(&["a", "b"]), &stage.places(), System::Elf).unwrap();
        assert_eq!(std::fs::read_to_string(stage.0.join("usr/lib/link")).unwrap(), "a");
        // Another version has other files, and the list is of both times' folders.
        put(&tree(&["a", "c"]), &stage.places(), System::Elf).unwrap();
        assert!(!stage.0.join("usr/lib/extram/b").exists() && stage.0.join("usr/lib/extram/c").exists());
        remove(&stage.places()).unwrap();
        assert_eq!(stage.all(), before);
        let again = remove(&stage.places()).unwrap_err().to_string();
        assert!(again.starts_with("extram is not installed in /usr: "), "{again}");
    }

    #[test]
    fn a_folder_with_something_else_in_it_stays() {
        let stage = Stage::new("stays");
        put(&tree(&["a"]), &stage.places(), System::Elf).unwrap();
        std::fs::write(stage.0.join("usr/lib/extram/theirs"), "").unwrap();
        remove(&stage.places()).unwrap();
        assert_eq!(stage.all(), ["usr", "usr/lib", "usr/lib/extram", "usr/lib/extram/theirs"]);
    }

    #[test]
    fn a_list_that_was_tampered_with_removes_nothing() {
        let stage = Stage::new("tampered");
        let list = stage.0.join("usr/share/extram/installed.txt");
        for line in ["lib/libextram.a", "/usr/lib/../../etc/passwd"] {
            std::fs::create_dir_all(list.parent().unwrap()).unwrap();
            std::fs::write(&list, format!("/usr/share/extram/installed.txt\n{line}\n")).unwrap();
            let error = remove(&stage.places()).unwrap_err().to_string();
            assert!(error.contains("installed.txt:2: ") && list.exists(), "{error}");
        }
    }
}
