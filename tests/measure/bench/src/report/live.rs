//! Live runtimes beside extram.

use super::chart::{self, Bar};
use super::table::{self, Table, Write, nanoseconds};
use super::{Part, Picture};
use crate::live::NAME;
use crate::stats::Figures;
use extram_herd::{count, duration};

/// The figure of a case: its metric, and how it is written.
fn metric(case: &str) -> (&'static str, Write) {
    match case.split(' ').next() {
        Some("fresh") => ("first_call_ns", nanoseconds),
        Some("repeat") => ("call_ns", nanoseconds),
        Some("calls") => ("calls_per_s", table::rate),
        _ => ("wall_us", duration),
    }
}

/// A case in words.
fn words(case: &str) -> String {
    let threads = crate::stats::parameter(case, "threads").unwrap_or(table::NONE);
    match case.split(' ').next() {
        Some("herd") => format!("cold herd of {threads}, all inside"),
        Some("short") => format!("cold herd of {threads}, short"),
        Some("fresh") => "first call of a thread".into(),
        Some("repeat") => "a call, again and again".into(),
        Some("calls") => format!("calls per second, {threads} at once"),
        Some("collect") => format!("CgoCallbackGC, {threads} threads"),
        _ => case.into(),
    }
}

pub(super) fn part(figures: &Figures) -> Option<Part> {
    let cases = figures.cases(NAME);
    let subjects = figures.subjects(NAME);
    if cases.is_empty() {
        return None;
    }
    let text = [
        "Threads made by one and the same C code call into each runtime; a process of its own for each \
         figure, so every herd finds a runtime that has just begun. Times are better the shorter, calls per second \
         the more. An extram context costs 20 µs of \
         processor time to make here. The floor calls a function that does nothing.",
        "Go makes its Ms at its own cost. JNI attaches a thread at its first call and detaches it at its end, \
         or with every call. CPython lets one thread run at a time; a thread state is what it makes for each. \
         CgoCallbackGC is Go's own: goroutines start C threads which call back and collect garbage.",
    ];
    let matrix = |cell: &dyn Fn(&str, &str) -> String| {
        let mut head = vec![String::from("what")];
        head.extend(subjects.iter().map(|subject| subject.to_string()));
        let rows = cases.iter().map(|case| {
            let mut row = vec![words(case)];
            row.extend(subjects.iter().map(|subject| cell(case, subject)));
            row
        });
        Table::new(head, rows)
    };
    let tables = vec![
        (
            String::new(),
            matrix(&|case, subject| {
                let (metric, write) = metric(case);
                table::figure(figures.figure(NAME, case, subject, metric), write)
            }),
        ),
        (
            "to extram's of the same round".into(),
            matrix(&|case, subject| {
                let ratio = figures.ratio(NAME, case, metric(case).0, subject, "extram");
                table::figure(ratio, table::ratio)
            }),
        ),
        (
            "context switches".into(),
            matrix(&|case, subject| {
                let switches = figures.figure(NAME, case, subject, "switches");
                table::figure(switches, |value| count(value as u64))
            }),
        ),
    ];
    let drawn = cases.iter().filter(|case| !case.starts_with("collect"));
    let pictures = drawn.map(|case| {
        let (metric, write) = metric(case);
        let bars = subjects.iter().filter_map(|subject| {
            let value = figures.figure(NAME, case, subject, metric)?.median;
            Some(Bar { name: subject.to_string(), value, ours: subject.starts_with("extram") })
        });
        Picture { caption: words(case), drawing: chart::bars(&bars.collect::<Vec<_>>(), write) }
    });
    let pictures = pictures.collect();
    let title = "Beside live runtimes".into();
    Some(Part { title, words: text.map(String::from).to_vec(), tables, pictures })
}
