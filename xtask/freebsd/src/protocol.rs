//! Reads the guest's console: takes the frames out, checks that none is missing, foreign or out of
//! turn, and keeps the rest of the console for people.
//!
//! A run is good only if the closing frame came, with the number of programs that were to be run,
//! and nothing was amiss before it. Everything else is a [`Fault`], each kind with its own words.

use super::fault::{Fault, Moment};
use super::incoming::Incoming;
use freebsd_init::frame::{Ending, Event, Item, Reader, Stream, Trouble};
use freebsd_init::plan::Nonce;
use std::path::PathBuf;

/// What has come of one boot.
pub(crate) struct Transcript {
    reader: Reader,
    nonce: Nonce,
    /// How many programs the plan has.
    programs: u32,
    /// The number of the next frame.
    next: u32,
    /// Frames that carry another boot's nonce.
    foreign: u32,
    /// Whether the first frame has come.
    greeted: bool,
    running: Option<u32>,
    /// What the running program has written, as it comes.
    files: Incoming,
    ended: u32,
    closed: bool,
    fault: Option<Fault>,
    /// What firmware, loader and kernel have printed.
    console: Vec<u8>,
}

/// What a reader of the transcript is told as it comes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News<'a> {
    /// The guest's system, in words.
    Hello(&'a str),
    Started(u32),
    Output(Stream, &'a [u8]),
    /// A part of a file has come.
    Arriving,
    /// A file that the program has written, whole: its path below wherever it is put.
    File(PathBuf, Vec<u8>),
    /// What the program has written and stays in the guest, and why.
    Left(&'a str),
    Ended(Ending),
    /// The plan is run from its beginning, on another machine: what was told before does not count.
    Anew,
}

fn whole(file: Option<(PathBuf, Vec<u8>)>) -> News<'static> {
    file.map_or(News::Arriving, |(path, contents)| News::File(path, contents))
}

impl Transcript {
    pub(crate) fn new(nonce: Nonce, programs: u32) -> Transcript {
        Transcript {
            reader: Reader::default(),
            nonce,
            programs,
            next: 0,
            foreign: 0,
            greeted: false,
            running: None,
            files: Incoming::default(),
            ended: 0,
            closed: false,
            fault: None,
            console: Vec::new(),
        }
    }

    /// Takes what the console has sent and hands on what it says. After a fault nothing more is
    /// believed.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut tell: impl FnMut(News<'_>)) {
        for byte in bytes {
            match self.reader.take(*byte) {
                None => {}
                Some(Item::Other(byte)) => self.console.push(byte),
                // It leaves a gap in the numbers, which is noticed at the next frame or at the end.
                Some(Item::Damaged) => {}
                Some(Item::Frame(frame)) if frame.nonce != self.nonce => self.foreign += 1,
                Some(Item::Frame(_)) if self.fault.is_some() => {}
                Some(Item::Frame(frame)) if frame.number != self.next => {
                    self.fault = Some(Fault::Lost { expected: self.next, got: frame.number });
                }
                Some(Item::Frame(frame)) => {
                    self.next += 1;
                    match self.follow(&frame.event) {
                        Ok(Some(news)) => tell(news),
                        Ok(None) => {}
                        Err(fault) => self.fault = Some(fault),
                    }
                }
            }
        }
    }

    fn follow<'a>(&mut self, event: &'a Event) -> Result<Option<News<'a>>, Fault> {
        let out_of_turn = || Err(Fault::OutOfTurn(format!("{event:?}")));
        if self.closed || self.greeted == matches!(event, Event::Hello(_)) {
            return out_of_turn();
        }
        Ok(Some(match (event, self.running) {
            (Event::Hello(system), _) => {
                self.greeted = true;
                News::Hello(system)
            }
            (Event::Started(index), None) if *index == self.ended && *index < self.programs => {
                self.running = Some(*index);
                News::Started(*index)
            }
            (Event::Piece(bytes), Some(_)) if self.files.open() => whole(self.files.piece(bytes)?),
            // Between the parts of a file comes nothing else but trouble.
            (Event::Trouble(Trouble::DiskFull, text), _) => return Err(Fault::DiskFull(text.clone())),
            (Event::Trouble(Trouble::System, text), _) => return Err(Fault::Init(text.clone())),
            _ if self.files.open() => return out_of_turn(),
            (Event::Output(stream, bytes), Some(_)) => News::Output(*stream, bytes),
            (Event::File(size, path), Some(_)) => whole(self.files.begin(*size, path)?),
            (Event::Left(text), Some(_)) => News::Left(text),
            (Event::Ended(ending), Some(_)) => {
                self.running = None;
                self.files = Incoming::default();
                self.ended += 1;
                News::Ended(*ending)
            }
            (Event::Closed(count), None) if *count == self.ended && *count == self.programs => {
                self.closed = true;
                return Ok(None);
            }
            _ => return out_of_turn(),
        }))
    }

    /// How far the run has come.
    pub(crate) fn moment(&self) -> Moment {
        match (self.closed, self.running) {
            (true, _) => Moment::Closed,
            (false, Some(index)) => Moment::Program(index),
            (false, None) if self.greeted => Moment::Between(self.ended),
            (false, None) => Moment::Boot,
        }
    }

    /// Whether the loader waits for somebody to type: it could not do what its script says, and
    /// nothing more will come.
    pub(crate) fn loader_waits(&self) -> bool {
        !self.greeted && self.text().trim_end_matches(' ').ends_with("\nOK")
    }

    /// The end: `why` is how the emulator ended, if that says more than that the console ended.
    pub(crate) fn finish(&self, why: Option<Fault>) -> Result<(), Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if let Some(panic) = self.text().lines().find(|line| line.starts_with("panic: ")) {
            return Err(Fault::Panic(panic.to_owned()));
        }
        if self.loader_waits() {
            return Err(Fault::Loader);
        }
        // An emulator that ends with another status before the closing frame has just cut it off.
        if let Some(why) = why.filter(|why| self.closed || !matches!(why, Fault::ExitStatus(_))) {
            return Err(why);
        }
        match (self.closed, self.greeted) {
            (true, _) => Ok(()),
            (false, true) => Err(Fault::CutOff { during: self.running }),
            (false, false) if self.foreign > 0 => Err(Fault::Stale(self.foreign)),
            (false, false) => Err(Fault::NoInit),
        }
    }

    /// The last lines of what was not in frames, fit for a terminal.
    pub(crate) fn tail(&self, lines: usize) -> String {
        let text = self.text();
        let all: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let mut tail = String::new();
        for line in &all[all.len().saturating_sub(lines)..] {
            tail += &format!("    | {line}\n");
        }
        tail
    }

    /// What was not in frames, without the control characters that firmware and loader send.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut bytes = self.console.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                0x1b if bytes.next_if_eq(&b'[').is_some() => {
                    // A control sequence ends with a letter.
                    while bytes.next_if(|byte| !byte.is_ascii_alphabetic()).is_some() {}
                    bytes.next();
                }
                b'\n' | b'\t' | b' '..=b'~' => text.push(byte as char),
                _ => {}
            }
        }
        text
    }
}

#[cfg(test)]
mod tests;
