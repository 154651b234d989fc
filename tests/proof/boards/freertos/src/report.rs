//! What is told, and counted.

use core::fmt;
use semihosting::println;

/// Longer lines are cut.
const MOST: usize = 200;

/// Text that is written in pieces, sent a line at a time.
pub(crate) struct Report {
    line: [u8; MOST],
    len: usize,
    pub(crate) passed: u32,
    pub(crate) failed: u32,
}

impl Report {
    pub(crate) const fn new() -> Self {
        Report { line: [0; MOST], len: 0, passed: 0, failed: 0 }
    }

    /// Tells and counts a case.
    pub(crate) fn case(&mut self, good: bool, what: fmt::Arguments<'_>) {
        println!("{what}: {}", if good { "ok" } else { "FAILED" });
        *(if good { &mut self.passed } else { &mut self.failed }) += 1;
    }
}

impl fmt::Write for Report {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if byte == b'\n' {
                println!("{}", core::str::from_utf8(&self.line[..self.len]).unwrap_or("a line that was cut"));
                self.len = 0;
            } else if self.len < MOST {
                self.line[self.len] = byte;
                self.len += 1;
            }
        }
        Ok(())
    }
}
