//! What a program sends to lines of text: defmt frames, whose texts are in the program's own ELF file,
//! or text, if it has none.

use anyhow::Result;
use defmt_decoder::{DecodeError, StreamDecoder, Table};

pub(super) enum Decoder {
    Frames(Box<dyn StreamDecoder + Send + Sync>),
    /// What has come of the line that is not complete.
    Text(Vec<u8>),
}

impl Decoder {
    /// For what the program in this ELF file sends.
    pub(super) fn new(elf: &[u8]) -> Result<Self> {
        let Some(table) = Table::parse(elf)? else { return Ok(Decoder::Text(Vec::new())) };
        // One for each run of this command, which ends soon.
        let table: &'static Table = Box::leak(Box::new(table));
        Ok(Decoder::Frames(table.new_stream_decoder()))
    }

    /// Hands each line that is complete to `line`.
    pub(super) fn received(&mut self, chunk: &[u8], mut line: impl FnMut(String)) {
        match self {
            Decoder::Frames(frames) => {
                frames.received(chunk);
                loop {
                    match frames.decode() {
                        Ok(frame) => {
                            let level =
                                frame.level().map(|level| format!("{} ", level.as_str())).unwrap_or_default();
                            line(format!("{level}{}", frame.display_message()));
                        }
                        Err(DecodeError::UnexpectedEof) => return,
                        Err(DecodeError::Malformed) => line("a frame that cannot be read".to_owned()),
                    }
                }
            }
            Decoder::Text(rest) => {
                rest.extend_from_slice(chunk);
                while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                    line(String::from_utf8_lossy(&rest[..end]).into_owned());
                    rest.drain(..=end);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_in_lines_however_it_is_cut() {
        let mut decoder = Decoder::Text(Vec::new());
        let mut lines = Vec::new();
        for chunk in ["20.1 °", "C\n\nand ", "more\nno end"] {
            decoder.received(chunk.as_bytes(), |line| lines.push(line));
        }
        assert_eq!(lines, ["20.1 °C", "", "and more"]);
    }
}
