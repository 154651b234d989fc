//! Files of the guest's programs, put together from the frames they come in. What the guest says is held
//! to the limits that its process 1 has, too: a guest that does not keep them fills no memory here.

use super::fault::Fault;
use freebsd_init::files::{COUNT_LIMIT, FILE_LIMIT, TOTAL_LIMIT, below};
use std::path::{Path, PathBuf};

/// What has come of one program's files.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    /// The file that has begun: its path, its size, and what has come of it.
    open: Option<(PathBuf, u64, Vec<u8>)>,
    bytes: u64,
    files: usize,
}

impl Incoming {
    /// Whether a file has begun and is not whole.
    pub(crate) fn open(&self) -> bool {
        self.open.is_some()
    }

    /// A file begins; it comes back if that is all of it.
    pub(crate) fn begin(&mut self, size: u64, path: &[u8]) -> Result<Option<(PathBuf, Vec<u8>)>, Fault> {
        let refused = |why: &str| Fault::OutOfTurn(format!("{}: {why}", String::from_utf8_lossy(path)));
        let place = below(path).ok_or_else(|| refused("no path of a file below a folder"))?;
        self.files += 1;
        self.bytes = self.bytes.saturating_add(size);
        if size > FILE_LIMIT || self.bytes > TOTAL_LIMIT || self.files > COUNT_LIMIT {
            return Err(refused("more than process 1 sends"));
        }
        self.open = Some((place, size, Vec::new()));
        self.piece(&[])
    }

    /// The next bytes; the file, if it is whole now.
    pub(crate) fn piece(&mut self, bytes: &[u8]) -> Result<Option<(PathBuf, Vec<u8>)>, Fault> {
        let (path, size, mut contents) =
            self.open.take().ok_or_else(|| Fault::OutOfTurn("a piece of no file".into()))?;
        contents.extend_from_slice(bytes);
        if contents.len() as u64 > size {
            return Err(Fault::OutOfTurn(format!("{}: more bytes than it has", path.display())));
        }
        if contents.len() as u64 == size {
            return Ok(Some((path, contents)));
        }
        self.open = Some((path, size, contents));
        Ok(None)
    }
}

/// Puts a file that has come into a folder here, and says so.
pub(crate) fn keep(folder: &Path, path: &Path, contents: &[u8]) -> std::io::Result<()> {
    let to = folder.join(path);
    std::fs::create_dir_all(to.parent().unwrap_or(folder))?;
    std::fs::write(&to, contents)?;
    // Not among the output of the program.
    eprintln!("from the guest: {} ({} bytes)", to.display(), contents.len());
    Ok(())
}
