//! Where a result goes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

/// A file, opened before the measurement: whoever names a place where
/// nothing can be written learns it at once.
pub struct Destination {
    path: PathBuf,
    file: File,
    /// Nothing was there before.
    new: bool,
    written: bool,
}

impl Destination {
    /// Opens it. Nothing that is there changes before [`write`](Destination::write).
    ///
    /// # Errors
    ///
    /// Nothing can be written there, in words for whoever named it.
    pub fn open(path: &Path) -> Result<Self, String> {
        let new = !path.exists();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| cannot_write(path, &error))?;
        Ok(Destination { path: path.to_owned(), file, new, written: false })
    }

    /// Replaces what is there. The whole path.
    ///
    /// # Errors
    ///
    /// The text does not fit.
    pub fn write(mut self, text: &str) -> Result<PathBuf, String> {
        self.replace(text).map_err(|error| cannot_write(&self.path, &error))?;
        self.written = true;
        Ok(std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone()))
    }

    fn replace(&mut self, text: &str) -> io::Result<()> {
        // Only a file has a length to cut; a pipe or a device is just written to. Windows' NUL has not even
        // metadata.
        if self.file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            self.file.set_len(0)?;
            self.file.rewind()?;
        }
        self.file.write_all(text.as_bytes())
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("cannot write to {}: {error}", path.display())
}

impl Drop for Destination {
    fn drop(&mut self) {
        if self.new && !self.written {
            // An empty file helps nobody.
            let _ = fs::remove_file(&self.path);
        }
    }
}
