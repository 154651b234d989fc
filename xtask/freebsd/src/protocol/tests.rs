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

/// A run in which program 0 writes these events between its output and its end.
fn with_files(files: &[Event]) -> Vec<u8> {
    let mut events = good();
    events.splice(4..4, files.iter().cloned());
    frames(NONCE, &events).concat()
}

fn file(path: &str, size: u64) -> Event {
    Event::File(size, path.into())
}

#[test]
fn files_come_whole_whatever_the_kernel_says_in_between() {
    let files = [
        file("empty", 0),
        file("report/one.html", 10),
        Event::Piece(b"<html".to_vec()),
        Event::Piece(b"></b>".to_vec()),
        Event::Left("\"core\": no plain file".into()),
    ];
    let console = with_files(&files);
    let due = [
        "File(\"empty\", [])",
        "Arriving",
        "Arriving",
        &format!("{:?}", News::File("report/one.html".into(), b"<html></b>".to_vec())),
        "Left(\"\\\"core\\\": no plain file\")",
    ];
    let (verdict, news, _) = read(&console);
    assert_eq!((verdict, &news[4..9]), (Ok(()), due.map(str::to_owned).as_slice()));
    for at in (0..console.len()).step_by(7) {
        let mixed = [&console[..at], KERNEL, &console[at..]].concat();
        assert_eq!(read(&mixed).1, news, "at {at}");
    }
}

#[test]
fn a_file_that_is_cut_off_never_comes() {
    let files = [file("one", 10), Event::Piece(b"01234".to_vec()), Event::Piece(b"56789".to_vec())];
    let whole = with_files(&files);
    let before = frames(NONCE, &[&good()[..4], &files].concat()).concat();
    for length in 0..before.len() {
        let (verdict, news, _) = read(&whole[..length]);
        assert!(matches!(verdict, Err(Fault::NoInit | Fault::CutOff { .. })), "{length}");
        assert!(!news.iter().any(|news| news.starts_with("File")), "{length}");
    }
    // The program ends, says something or begins another file in the middle of one.
    for next in [Event::Ended(Ending::Exited(0)), Event::Output(Stream::Out, b"x".to_vec()), file("two", 1)] {
        let cut = with_files(&[file("one", 10), Event::Piece(b"01234".to_vec()), next]);
        let (verdict, news, _) = read(&cut);
        assert!(matches!(verdict, Err(Fault::OutOfTurn(_))), "{verdict:?}");
        assert!(!news.iter().any(|news| news.starts_with("File")));
    }
    // What goes wrong there is told as what it is.
    let trouble = Event::Trouble(Trouble::System, "an unreadable file".into());
    let told = with_files(&[file("one", 10), trouble]);
    assert_eq!(verdict(&told), Err(Fault::Init("an unreadable file".into())));
}

#[test]
fn files_that_are_too_large_or_lead_elsewhere_are_refused() {
    use freebsd_init::files::{COUNT_LIMIT, FILE_LIMIT};
    for files in [
        vec![file("large", FILE_LIMIT + 1)],
        vec![file("one", 4), Event::Piece(b"01234".to_vec())],
        vec![Event::Piece(b"of nothing".to_vec())],
        vec![file("../one", 0)],
        vec![file("/one", 0)],
        vec![file("one", 0); COUNT_LIMIT + 1],
    ] {
        let verdict = verdict(&with_files(&files));
        assert!(matches!(verdict, Err(Fault::OutOfTurn(_))), "{:?}: {verdict:?}", files[0]);
    }
    // Nobody's files.
    let mut events = good();
    events.insert(1, file("one", 0));
    assert!(matches!(verdict(&frames(NONCE, &events).concat()), Err(Fault::OutOfTurn(_))));
}
