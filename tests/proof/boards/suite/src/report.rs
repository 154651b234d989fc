//! Text that is written in pieces, sent a line at a time.

use core::fmt;

/// Longer lines are cut.
const MOST: usize = 200;

pub(crate) struct Report {
    line: [u8; MOST],
    len: usize,
}

impl Report {
    pub(crate) const fn new() -> Self {
        Report { line: [0; MOST], len: 0 }
    }

    fn end_line(&mut self) {
        // Cut in the middle of a character at worst: then only what comes before is sent.
        let line = match core::str::from_utf8(&self.line[..self.len]) {
            Ok(line) => line,
            Err(error) => core::str::from_utf8(&self.line[..error.valid_up_to()]).unwrap_or_default(),
        };
        defmt::println!("{=str}", line);
        self.len = 0;
    }
}

impl fmt::Write for Report {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if byte == b'\n' {
                self.end_line();
            } else if self.len < MOST {
                self.line[self.len] = byte;
                self.len += 1;
            }
        }
        Ok(())
    }
}
