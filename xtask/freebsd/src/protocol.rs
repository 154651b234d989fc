//! Reads the guest's console: takes the frames out, checks that none is missing, foreign or out of
//! turn, and keeps the rest of the console for people.
//!
//! A run is good only if the closing frame came, with the number of programs that were to be run,
//! and nothing was amiss before it. Everything else is a [`Fault`], each kind with its own words.

use super::fault::{Fault, Moment};
use freebsd_init::frame::{Ending, Event, Item, Reader, Stream, Trouble};
use freebsd_init::plan::Nonce;

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
    Ended(Ending),
    /// The plan is run from its beginning, on another machine: what was told before does not count.
    Anew,
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
            (Event::Output(stream, bytes), Some(_)) => News::Output(*stream, bytes),
            (Event::Ended(ending), Some(_)) => {
                self.running = None;
                self.ended += 1;
                News::Ended(*ending)
            }
            (Event::Trouble(Trouble::DiskFull, text), _) => return Err(Fault::DiskFull(text.clone())),
            (Event::Trouble(Trouble::System, text), _) => return Err(Fault::Init(text.clone())),
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
mod tests {
    use super::*;
    use freebsd_init::frame::Writer;
    use std::time::Duration;

    const NONCE: Nonce = [3; 16];

    fn good() -> Vec<Event> {
        vec![
            Event::Hello("FreeBSD".into()),
            Event::Started(0),
            Event::Output(Stream::Out, b"test result: ok. 1 passed; ".to_vec()),
            Event::Output(Stream::Out, b"0 failed\n".to_vec()),
            Event::Ended(Ending::Exited(0)),
            Event::Started(1),
            Event::Ended(Ending::Signalled(6)),
            Event::Closed(2),
        ]
    }

    fn frames(nonce: Nonce, events: &[Event]) -> Vec<Vec<u8>> {
        let mut writer = Writer::new(nonce);
        events.iter().map(|event| writer.frame(event)).collect()
    }

    /// The verdict on a console with these bytes, and the news that came.
    fn read(console: &[u8]) -> (Result<(), Fault>, Vec<String>, Transcript) {
        let mut transcript = Transcript::new(NONCE, 2);
        let mut news = Vec::new();
        transcript.feed(console, |item| news.push(format!("{item:?}")));
        (transcript.finish(None), news, transcript)
    }

    fn verdict(console: &[u8]) -> Result<(), Fault> {
        read(console).0
    }

    const KERNEL: &[u8] = b"pid 71 (pool), jid 0, uid 65534: exited on signal 6\r\n";

    #[test]
    fn a_whole_run_is_good() {
        let (verdict, news, _) = read(&frames(NONCE, &good()).concat());
        assert_eq!(verdict, Ok(()));
        assert_eq!(news.len(), good().len() - 1);
        assert_eq!(news.last().map(String::as_str), Some("Ended(Signalled(6))"));
    }

    #[test]
    fn every_truncation_is_noticed() {
        let console = frames(NONCE, &good()).concat();
        for length in 0..console.len() {
            let fault = verdict(&console[..length]).expect_err("a truncated console is good");
            assert!(matches!(fault, Fault::NoInit | Fault::CutOff { .. }), "{length}: {fault:?}");
        }
    }

    #[test]
    fn kernel_messages_between_any_two_bytes_do_no_harm() {
        let console = frames(NONCE, &good()).concat();
        let clean = read(&console).1;
        for at in 0..=console.len() {
            let mixed = [&console[..at], KERNEL, &console[at..]].concat();
            let (verdict, news, transcript) = read(&mixed);
            assert_eq!((verdict, news), (Ok(()), clean.clone()), "at {at}");
            assert!(transcript.text().contains("exited on signal 6"));
        }
    }

    #[test]
    fn a_lost_frame_is_noticed() {
        let frames = frames(NONCE, &good());
        for lost in 0..frames.len() - 1 {
            let rest = [&frames[..lost], &frames[lost + 1..]].concat().concat();
            let fault = verdict(&rest).expect_err("a run with a lost frame is good");
            assert_eq!(fault, Fault::Lost { expected: lost as u32, got: lost as u32 + 1 });
        }
    }

    #[test]
    fn a_damaged_frame_is_a_lost_frame() {
        let mut frames = frames(NONCE, &good());
        frames[2][20] ^= 1;
        assert_eq!(verdict(&frames.concat()), Err(Fault::Lost { expected: 2, got: 3 }));
    }

    #[test]
    fn a_program_that_prints_the_closing_frame_has_only_printed_it() {
        // Even with the right nonce and number: what a program prints is in the body of a frame.
        let forged = frames(NONCE, &good()).concat();
        let mut writer = Writer::new(NONCE);
        let console: Vec<u8> = [
            Event::Hello("FreeBSD".into()),
            Event::Started(0),
            Event::Output(Stream::Out, forged.clone()),
            Event::Output(Stream::Err, forged),
        ]
        .iter()
        .flat_map(|event| writer.frame(event))
        .collect();
        assert_eq!(verdict(&console), Err(Fault::CutOff { during: Some(0) }));
    }

    #[test]
    fn frames_of_another_boot_are_stale() {
        let stale = frames([4; 16], &good()).concat();
        assert_eq!(verdict(&stale), Err(Fault::Stale(8)));
        // Before the right ones they are only passed over.
        let (verdict, news, _) = read(&[stale, frames(NONCE, &good()).concat()].concat());
        assert_eq!((verdict, news.len()), (Ok(()), 7));
    }

    #[test]
    fn frames_out_of_turn_are_refused() {
        let swapped = |a: usize, b: usize| {
            let mut events = good();
            events.swap(a, b);
            events
        };
        let without = |at: usize| {
            let mut events = good();
            events.remove(at);
            events
        };
        let closing = |count| {
            let mut events = good();
            *events.last_mut().unwrap() = Event::Closed(count);
            events
        };
        for events in [
            swapped(0, 1),             // something before the greeting
            swapped(1, 2),             // output of nobody
            without(4),                // a start while another one runs
            without(1),                // an end of nobody
            swapped(5, 7),             // closed early
            closing(1),                // too few
            closing(3),                // too many
            [good(), good()].concat(), // something after the end
        ] {
            let fault = verdict(&frames(NONCE, &events).concat()).unwrap_err();
            assert!(matches!(fault, Fault::OutOfTurn(_)), "{events:?}: {fault:?}");
        }
    }

    #[test]
    fn a_panic_is_told_with_its_words() {
        let console = [
            &frames(NONCE, &good()[..3]).concat()[..],
            b"\r\n\r\nFatal trap 12: page fault\r\npanic: page fault\r\ncpuid = 1\r\n",
        ]
        .concat();
        let (verdict, _, transcript) = read(&console);
        assert_eq!(verdict, Err(Fault::Panic("panic: page fault".into())));
        assert!(transcript.tail(2).contains("cpuid = 1"), "{}", transcript.tail(2));
    }

    #[test]
    fn a_loader_at_its_prompt_is_noticed() {
        let (verdict, _, transcript) = read(b"can't find '/boot/root.img'\r\n\x1b[2J\x1b[01;01HOK \r\nOK ");
        assert!(transcript.loader_waits());
        assert_eq!(verdict, Err(Fault::Loader));
        assert!(!read(b"Loading kernel...\r\n").2.loader_waits());
    }

    #[test]
    fn trouble_of_process_1_is_told() {
        let mut events = good()[..5].to_vec();
        events.push(Event::Trouble(Trouble::DiskFull, "/tmp has no room left".into()));
        events.push(Event::Closed(1));
        assert_eq!(
            verdict(&frames(NONCE, &events).concat()),
            Err(Fault::DiskFull("/tmp has no room left".into()))
        );
        events[5] = Event::Trouble(Trouble::System, "tmpfs".into());
        assert_eq!(verdict(&frames(NONCE, &events).concat()), Err(Fault::Init("tmpfs".into())));
    }

    #[test]
    fn how_the_emulator_ended_counts_after_the_closing_frame_too() {
        let mut transcript = Transcript::new(NONCE, 2);
        transcript.feed(&frames(NONCE, &good()).concat(), |_| {});
        let fault = Fault::ExitStatus("1".into());
        assert_eq!(transcript.finish(Some(fault.clone())), Err(fault.clone()));
        let silent = Transcript::new(NONCE, 2);
        assert_eq!(silent.finish(Some(fault)), Err(Fault::NoInit));
        let late = Fault::TimedOut(Duration::from_secs(9), Moment::Boot);
        assert_eq!(silent.finish(Some(late.clone())), Err(late));
    }

    #[test]
    fn a_time_out_tells_how_far_it_was() {
        let frames = frames(NONCE, &good());
        let after = |count: usize| read(&frames[..count].concat()).2.moment();
        let (program, between) = (Moment::Program, Moment::Between);
        let due = [
            Moment::Boot,
            between(0),
            program(0),
            program(0),
            program(0),
            between(1),
            program(1),
            between(2),
            Moment::Closed,
        ];
        let moments: Vec<_> = (0..=frames.len()).map(after).collect();
        assert_eq!(moments, due);
        let words = |moment| Fault::TimedOut(Duration::from_secs(9), moment).to_string();
        let mut all: Vec<_> = [Moment::Boot, program(0), between(0), Moment::Closed].map(words).to_vec();
        assert!(all.iter().all(|words| words.starts_with("time-out: ") && words.contains("9 s")), "{all:?}");
        all.dedup();
        assert_eq!(all.len(), 4);
    }
}
