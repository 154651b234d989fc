//! Frames: how process 1 tells xtask what happens, over a line it shares with the kernel.
//!
//! The serial console carries the firmware's, the loader's and the kernel's messages as well, and
//! the kernel writes between any two of our bytes. All of theirs are ASCII. So every byte of ours
//! has bit 7 set and none of theirs has: the two are told apart byte by byte, and a message in the
//! middle of a frame does it no harm.
//!
//! ```text
//! FE  6 bits each, as 80..BF  FF
//!     └ nonce 16 · number 4 · kind 1 · body · CRC-32 of all that 4 ┘
//! ```
//!
//! - The **nonce** is drawn for each boot: a frame with another one is of another boot.
//! - The **number** counts frames from 0: one that is lost leaves a gap.
//! - The **CRC** covers everything before it: a damaged frame is no frame, and leaves a gap.
//!
//! What a program prints travels in the body and cannot look like a frame. A program cannot write
//! frames itself either: it does not run as root, so it can open neither the console nor the plan
//! that has the nonce.

use crate::plan::Nonce;

/// The first byte of a frame.
pub const START: u8 = 0xFE;
/// The last byte of a frame.
pub const END: u8 = 0xFF;
/// What marks a byte as ours.
const OURS: u8 = 0x80;
/// The longest body that process 1 sends; longer output is cut into several frames.
pub const BODY_LIMIT: usize = 3000;
/// Nonce, number, kind and CRC.
const OVERHEAD: usize = 16 + 4 + 1 + 4;

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Process 1 runs: the guest's system, in words.
    Hello(String),
    /// The program with this index in the plan is started.
    Started(u32),
    /// The running program has printed.
    Output(Stream, Vec<u8>),
    /// A file that the program has written, which runs no more: its size, and its path below the
    /// folder of its files. Its contents follow.
    File(u64, Vec<u8>),
    /// The next bytes of that file.
    Piece(Vec<u8>),
    /// What the program has written and stays in the guest, and why.
    Left(String),
    /// The running program has ended, and its files have been told.
    Ended(Ending),
    /// Process 1 itself cannot go on. Nothing follows but [`Event::Closed`], if that.
    Trouble(Trouble, String),
    /// The end: this many programs have been run.
    Closed(u32),
}

/// Where a program has printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Its standard output.
    Out,
    /// Its standard error.
    Err,
}

/// How a program has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It ran longer than it may, so many seconds, and was killed.
    TimedOut(u32),
    /// It could not be started: this error number.
    NotStarted(i32),
}

/// What process 1 stumbles on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Something the system should do fails.
    System,
    /// The programs have no room left to write.
    DiskFull,
}

/// Puts events into frames and counts them.
pub struct Writer {
    nonce: Nonce,
    number: u32,
}

impl Writer {
    /// A writer whose frames carry this nonce.
    pub fn new(nonce: Nonce) -> Writer {
        Writer { nonce, number: 0 }
    }

    /// The bytes to send for an event.
    pub fn frame(&mut self, event: &Event) -> Vec<u8> {
        let mut content = self.nonce.to_vec();
        content.extend(self.number.to_le_bytes());
        self.number += 1;
        event.write(&mut content);
        let crc = crc32fast::hash(&content);
        content.extend(crc.to_le_bytes());
        let mut bytes = vec![START];
        bytes.extend(sextets(&content));
        bytes.push(END);
        bytes
    }
}

/// A frame taken out of the stream. Whether it is of this boot, and in its turn, is for the
/// reader to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Of which boot.
    pub nonce: Nonce,
    /// Its place in the order.
    pub number: u32,
    /// What it says.
    pub event: Event,
}

/// What a byte of the stream completes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A byte of somebody else: firmware, loader, kernel.
    Other(u8),
    /// A whole frame.
    Frame(Frame),
    /// Bytes that are marked as ours and make no frame.
    Damaged,
}

/// Takes frames out of a stream of bytes.
#[derive(Default)]
pub struct Reader {
    /// What has come of the frame that has begun.
    open: Option<Vec<u8>>,
}

impl Reader {
    /// Takes one byte.
    pub fn take(&mut self, byte: u8) -> Option<Item> {
        match byte {
            0..OURS => Some(Item::Other(byte)),
            START => {
                let unfinished = self.open.replace(Vec::new()).is_some();
                unfinished.then_some(Item::Damaged)
            }
            END => {
                Some(self.open.take().and_then(|sextets| frame(&sextets)).map_or(Item::Damaged, Item::Frame))
            }
            // A frame without a start or without an end must not fill the memory.
            _ => match &mut self.open {
                Some(open) if open.len() < (BODY_LIMIT + OVERHEAD) * 2 => {
                    open.push(byte);
                    None
                }
                _ => {
                    self.open = None;
                    Some(Item::Damaged)
                }
            },
        }
    }

    /// Whether a frame has begun and not ended.
    pub fn inside(&self) -> bool {
        self.open.is_some()
    }
}

impl Event {
    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Event::Hello(system) => {
                to.push(0);
                to.extend(system.as_bytes());
            }
            Event::Started(index) => {
                to.push(1);
                to.extend(index.to_le_bytes());
            }
            Event::Output(stream, bytes) => {
                to.push(if *stream == Stream::Out { 2 } else { 3 });
                to.extend(bytes);
            }
            Event::Ended(ending) => {
                let (kind, number) = match *ending {
                    Ending::Exited(status) => (4, status),
                    Ending::Signalled(signal) => (5, signal),
                    Ending::TimedOut(seconds) => (6, seconds as i32),
                    Ending::NotStarted(error) => (7, error),
                };
                to.push(kind);
                to.extend(number.to_le_bytes());
            }
            Event::Trouble(trouble, text) => {
                to.push(match trouble {
                    Trouble::System => 8,
                    Trouble::DiskFull => 9,
                });
                to.extend(text.as_bytes());
            }
            Event::Closed(count) => {
                to.push(10);
                to.extend(count.to_le_bytes());
            }
            Event::File(size, path) => {
                to.push(11);
                to.extend(size.to_le_bytes());
                to.extend(path);
            }
            Event::Piece(bytes) => {
                to.push(12);
                to.extend(bytes);
            }
            Event::Left(text) => {
                to.push(13);
                to.extend(text.as_bytes());
            }
        }
    }

    fn read(kind: u8, body: &[u8]) -> Option<Event> {
        let text = || String::from_utf8_lossy(body).into_owned();
        let number = || body.try_into().ok().map(i32::from_le_bytes);
        Some(match kind {
            0 => Event::Hello(text()),
            1 => Event::Started(number()? as u32),
            2 => Event::Output(Stream::Out, body.to_vec()),
            3 => Event::Output(Stream::Err, body.to_vec()),
            4 => Event::Ended(Ending::Exited(number()?)),
            5 => Event::Ended(Ending::Signalled(number()?)),
            6 => Event::Ended(Ending::TimedOut(number()? as u32)),
            7 => Event::Ended(Ending::NotStarted(number()?)),
            8 => Event::Trouble(Trouble::System, text()),
            9 => Event::Trouble(Trouble::DiskFull, text()),
            10 => Event::Closed(number()? as u32),
            11 => {
                let (size, path) = body.split_first_chunk()?;
                Event::File(u64::from_le_bytes(*size), path.to_vec())
            }
            12 => Event::Piece(body.to_vec()),
            13 => Event::Left(text()),
            _ => return None,
        })
    }
}

fn frame(sextets: &[u8]) -> Option<Frame> {
    let content = bytes(sextets)?;
    let (content, crc) = content.split_last_chunk::<4>()?;
    if crc32fast::hash(content) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (nonce, rest) = content.split_first_chunk::<16>()?;
    let (number, rest) = rest.split_first_chunk::<4>()?;
    let (kind, body) = rest.split_first()?;
    Some(Frame { nonce: *nonce, number: u32::from_le_bytes(*number), event: Event::read(*kind, body)? })
}

/// Three bytes as four, 6 bits each; one or two at the end as two or three.
fn sextets(content: &[u8]) -> impl Iterator<Item = u8> {
    content.chunks(3).flat_map(|chunk| {
        let group =
            chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).map(move |at| OURS | (group >> (18 - 6 * at) & 0x3F) as u8)
    })
}

/// The reverse; `None` if no content has these sextets.
fn bytes(sextets: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    for chunk in sextets.chunks(4) {
        if chunk.len() == 1 || chunk.iter().any(|sextet| sextet & 0xC0 != OURS) {
            return None;
        }
        let group = chunk.iter().fold(0u32, |group, sextet| group << 6 | u32::from(sextet & 0x3F));
        let group = group << (6 * (4 - chunk.len()));
        content.extend((0..chunk.len() - 1).map(|at| (group >> (16 - 8 * at)) as u8));
        // What fills up the last sextet is zero, or else the frame was damaged there.
        if group & ((1 << (8 * (4 - chunk.len()))) - 1) != 0 {
            return None;
        }
    }
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: Nonce = [7; 16];

    fn events() -> Vec<Event> {
        vec![
            Event::Hello("FreeBSD 13.2-RELEASE amd64".into()),
            Event::Started(0),
            Event::Output(Stream::Out, (0..=255).collect()),
            Event::Output(Stream::Err, b"x".to_vec()),
            Event::Output(Stream::Out, Vec::new()),
            Event::File(u64::MAX, b"report/one.html".to_vec()),
            Event::File(0, Vec::new()),
            Event::Piece(b"<html>".to_vec()),
            Event::Left("core: no plain file".into()),
            Event::Ended(Ending::Exited(101)),
            Event::Ended(Ending::Signalled(11)),
            Event::Ended(Ending::TimedOut(300)),
            Event::Ended(Ending::NotStarted(2)),
            Event::Trouble(Trouble::System, "b".into()),
            Event::Trouble(Trouble::DiskFull, "c".into()),
            Event::Closed(4),
        ]
    }

    fn read(bytes: &[u8]) -> Vec<Item> {
        let mut reader = Reader::default();
        bytes.iter().filter_map(|byte| reader.take(*byte)).collect()
    }

    #[test]
    fn frames_are_read_as_they_were_written() {
        let mut writer = Writer::new(NONCE);
        let bytes: Vec<u8> = events().iter().flat_map(|event| writer.frame(event)).collect();
        assert!(bytes.iter().all(|byte| byte & OURS != 0));
        let frames: Vec<Item> = (0..)
            .zip(events())
            .map(|(number, event)| Item::Frame(Frame { nonce: NONCE, number, event }))
            .collect();
        assert_eq!(read(&bytes), frames);
    }

    #[test]
    fn ascii_between_any_two_bytes_does_no_harm() {
        let clean = Writer::new(NONCE).frame(&Event::Output(Stream::Out, b"between".to_vec()));
        let mixed: Vec<u8> = clean.iter().flat_map(|byte| [*byte, b'\r', b'\n', 0x1b, 0x7f]).collect();
        let ours: Vec<Item> =
            read(&mixed).into_iter().filter(|item| !matches!(item, Item::Other(_))).collect();
        assert_eq!(ours, read(&clean));
    }

    #[test]
    fn no_single_damaged_bit_goes_unnoticed() {
        let clean = Writer::new(NONCE).frame(&Event::Closed(1));
        for at in 0..clean.len() {
            for bit in 0..8 {
                let mut damaged = clean.clone();
                damaged[at] ^= 1 << bit;
                let frames = read(&damaged).iter().filter(|item| matches!(item, Item::Frame(_))).count();
                assert_eq!(frames, 0, "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn a_frame_that_never_ends_is_given_up() {
        let mut reader = Reader::default();
        reader.take(START);
        let damaged = (0..100_000).filter_map(|_| reader.take(0x80)).count();
        assert!(damaged > 0 && !reader.inside());
    }
}
