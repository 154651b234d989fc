//! defmt frames to lines of text. The texts are in the program's own ELF file.

use anyhow::{Context as _, Result};
use defmt_decoder::{DecodeError, StreamDecoder, Table};

pub(super) struct Decoder {
    frames: Box<dyn StreamDecoder + Send + Sync>,
}

impl Decoder {
    /// For what the program in this ELF file sends.
    pub(super) fn new(elf: &[u8]) -> Result<Self> {
        let table = Table::parse(elf)?.context("the program has no defmt section")?;
        // One for each run of this command, which ends soon.
        let table: &'static Table = Box::leak(Box::new(table));
        Ok(Decoder { frames: table.new_stream_decoder() })
    }

    /// Hands each frame that is complete to `line`.
    pub(super) fn received(&mut self, chunk: &[u8], mut line: impl FnMut(String)) {
        self.frames.received(chunk);
        loop {
            match self.frames.decode() {
                Ok(frame) => {
                    let level = frame.level().map(|level| format!("{} ", level.as_str())).unwrap_or_default();
                    line(format!("{level}{}", frame.display_message()));
                }
                Err(DecodeError::UnexpectedEof) => return,
                Err(DecodeError::Malformed) => line("a frame that cannot be read".to_owned()),
            }
        }
    }
}
