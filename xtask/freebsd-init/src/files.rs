//! Files that a program writes, on their way out of the guest.
//!
//! What a program of the plan that has `files` leaves in its folder is told when it has ended, one file
//! after the other: [`Event::File`], then [`Event::Piece`]s until its size is reached. What is no plain
//! file, and what is too large, is told by name and left ([`Event::Left`]).

use crate::frame::{BODY_LIMIT, Event};
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The largest file that is brought back, in bytes: a minute or two of an emulated serial line.
pub const FILE_LIMIT: u64 = 16 << 20;
/// How many bytes one program's files may have together.
pub const TOTAL_LIMIT: u64 = 64 << 20;
/// How many files of one program are brought back.
pub const COUNT_LIMIT: usize = 1000;
/// The longest path below the folder, in bytes.
pub const PATH_LIMIT: usize = 1000;

/// Tells all files below `dir`, in the order of their paths. The programs have ended.
pub fn tell(dir: &Path, tell: &mut impl FnMut(Event) -> io::Result<()>) -> io::Result<()> {
    let mut budget = Budget { bytes: 0, files: 0 };
    let mut open = vec![PathBuf::new()];
    while let Some(path) = open.pop() {
        let there = dir.join(&path);
        // Of the link itself: process 1 may read what the program may not, its plan for one.
        let state = std::fs::symlink_metadata(&there)?;
        if state.is_dir() {
            let mut inside: Vec<PathBuf> = std::fs::read_dir(&there)?
                .map(|entry| Ok(path.join(entry?.file_name())))
                .collect::<io::Result<_>>()?;
            // The last one is taken first.
            inside.sort_by(|a, b| b.cmp(a));
            open.extend(inside);
            continue;
        }
        match budget.refuses(&path, &state) {
            Some(why) => {
                // With what would confuse a terminal escaped, and cut to what goes into a frame.
                let name: String = format!("{path:?}").chars().take(PATH_LIMIT).collect();
                tell(Event::Left(format!("{name}: {why}")))?;
            }
            None => send(&there, &path, state.len(), tell)?,
        }
    }
    Ok(())
}

/// What has been told of.
struct Budget {
    bytes: u64,
    files: usize,
}

impl Budget {
    /// Why a file is left, if it is.
    fn refuses(&mut self, path: &Path, state: &Metadata) -> Option<String> {
        if !state.is_file() {
            return Some("no plain file".to_owned());
        }
        let size = state.len();
        if size > FILE_LIMIT {
            return Some(format!("{size} bytes, and a file may have {FILE_LIMIT}"));
        }
        if self.bytes + size > TOTAL_LIMIT {
            return Some(format!("{size} bytes, and all together may have {TOTAL_LIMIT}"));
        }
        if self.files == COUNT_LIMIT {
            return Some(format!("there are {COUNT_LIMIT} files before it, which are all that come"));
        }
        if path.as_os_str().len() > PATH_LIMIT {
            return Some(format!("its path is longer than {PATH_LIMIT} bytes"));
        }
        self.bytes += size;
        self.files += 1;
        None
    }
}

fn send(
    there: &Path,
    path: &Path,
    size: u64,
    tell: &mut impl FnMut(Event) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = File::open(there)?;
    tell(Event::File(size, path.as_os_str().as_bytes().to_vec()))?;
    let mut rest = size;
    while rest > 0 {
        let mut piece = vec![0; rest.min(BODY_LIMIT as u64) as usize];
        file.read_exact(&mut piece)?;
        rest -= piece.len() as u64;
        tell(Event::Piece(piece))?;
    }
    Ok(())
}

/// The path of a file that was told of, if it stays below whatever folder it is put into.
pub fn below(path: &[u8]) -> Option<PathBuf> {
    use std::path::Component::Normal;
    let path = Path::new(OsStr::from_bytes(path));
    let stays = path.components().all(|part| matches!(part, Normal(_)));
    (stays && !path.as_os_str().is_empty() && path.as_os_str().len() <= PATH_LIMIT).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of a test's own, with files of these sizes.
    fn folder(name: &str, files: &[(&str, u64)]) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("extram-files-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        for (file, size) in files {
            let file = dir.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            // A hole: it takes no room.
            File::create(file).unwrap().set_len(*size).unwrap();
        }
        dir
    }

    fn told(dir: &Path) -> Vec<Event> {
        let mut events = Vec::new();
        let mut keep = |event| {
            // The pieces of what is large would only be in the way.
            if !matches!(&event, Event::Piece(bytes) if bytes.iter().all(|byte| *byte == 0)) {
                events.push(event);
            }
            Ok(())
        };
        tell(dir, &mut keep).unwrap();
        std::fs::remove_dir_all(dir).unwrap();
        events
    }

    fn file(path: &str, size: u64) -> Event {
        Event::File(size, path.into())
    }

    #[test]
    fn files_are_told_in_order_and_in_pieces() {
        let dir = folder("order", &[("b/empty", 0), ("a", 0)]);
        let text: Vec<u8> = (0..BODY_LIMIT + 5).map(|at| (at % 251) as u8 + 1).collect();
        std::fs::write(dir.join("b.html"), &text).unwrap();
        let (first, rest) = text.split_at(BODY_LIMIT);
        let due = [
            file("a", 0),
            file("b/empty", 0),
            file("b.html", text.len() as u64),
            Event::Piece(first.into()),
            Event::Piece(rest.into()),
        ];
        assert_eq!(told(&dir), due);
        assert_eq!(told(&folder("nothing", &[])), []);
    }

    #[test]
    fn what_is_too_large_is_left_by_name_and_the_rest_comes() {
        let dir = folder("large", &[("just", FILE_LIMIT), ("large", FILE_LIMIT + 1), ("small", 1)]);
        let left = Event::Left("\"large\": 16777217 bytes, and a file may have 16777216".into());
        assert_eq!(told(&dir), [file("just", FILE_LIMIT), left, file("small", 1)]);
        let sizes = [("1", FILE_LIMIT), ("2", FILE_LIMIT), ("3", FILE_LIMIT), ("4", FILE_LIMIT), ("5", 1)];
        let all = told(&folder("all", &sizes));
        assert_eq!(all.len(), 5);
        assert_eq!(all[4], Event::Left("\"5\": 1 bytes, and all together may have 67108864".into()));
    }

    #[test]
    fn no_link_leads_out_of_the_folder() {
        let dir = folder("links", &[("secret", 0)]);
        let secret = dir.with_extension("secret");
        std::fs::write(&secret, "the plan").unwrap();
        std::os::unix::fs::symlink(&secret, dir.join("link")).unwrap();
        std::os::unix::fs::symlink("/etc", dir.join("etc")).unwrap();
        let left = |name| Event::Left(format!("\"{name}\": no plain file"));
        assert_eq!(told(&dir), [left("etc"), left("link"), file("secret", 0)]);
        std::fs::remove_file(secret).unwrap();
    }

    #[test]
    fn too_many_files_and_a_path_too_long_are_left() {
        let names: Vec<String> = (0..COUNT_LIMIT + 2).map(|number| format!("{number:04}")).collect();
        let files: Vec<(&str, u64)> = names.iter().map(|name| (&**name, 0)).collect();
        let all = told(&folder("many", &files));
        let left = all.iter().filter(|event| matches!(event, Event::Left(_))).count();
        assert_eq!((all.len(), left), (COUNT_LIMIT + 2, 2));
        let long = vec!["x".repeat(200); 5].join("/");
        let all = told(&folder("long", &[(&long, 0)]));
        assert!(matches!(&all[..], [Event::Left(why)] if why.contains("longer than 1000")), "{all:?}");
    }

    #[test]
    fn only_a_path_that_stays_below_is_taken() {
        assert_eq!(below(b"a/b.html"), Some("a/b.html".into()));
        for path in ["", "/etc/passwd", "../x", "a/../../x", "/"] {
            assert_eq!(below(path.as_bytes()), None, "{path}");
        }
        assert_eq!(below(&[b'x'; PATH_LIMIT + 1]), None);
    }
}
