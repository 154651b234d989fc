//! What one call costs.

use super::chart::{self, Bar};
use super::table::{self, Table, nanoseconds};
use super::{Part, Picture};
use crate::section::entry::{CALL, FIRST, NAME};
use crate::stats::Figures;

pub(super) fn part(figures: &Figures) -> Option<Part> {
    let subjects = figures.subjects(NAME);
    if subjects.is_empty() {
        return None;
    }
    let words = [
        "One thread, nobody in the way, a context is there. The first call of a fresh thread is timed in that \
         thread, from before the call until it is back, so it includes one look at the clock.",
        "`thread_local! context` is a context of each thread's own, made at its first call. The last five go \
         through a table of functions, which is some nanoseconds.",
    ];
    let measured = [("again and again", CALL, "call_ns"), ("first call of a thread", FIRST, "first_call_ns")];
    let mut head = vec![String::from("who")];
    for (caption, ..) in measured {
        head.extend([caption.into(), "× thread-local read".into()]);
    }
    let rows = subjects.iter().map(|subject| {
        let mut row = vec![subject.to_string()];
        for (_, case, metric) in measured {
            row.push(table::figure(figures.figure(NAME, case, subject, metric), nanoseconds));
            let ratio = figures.ratio(NAME, case, metric, subject, "thread-local read");
            row.push(table::figure(ratio, table::ratio));
        }
        row
    });
    let tables = vec![(String::new(), Table::new(head, rows))];
    let pictures = measured.map(|(caption, case, metric)| {
        let bars = subjects.iter().filter_map(|subject| {
            let value = figures.figure(NAME, case, subject, metric)?.median;
            Some(Bar { name: subject.to_string(), value, ours: subject.starts_with("extram") })
        });
        let drawing = chart::bars(&bars.collect::<Vec<_>>(), nanoseconds);
        Picture { caption: format!("A call, {caption}"), drawing }
    });
    let title = "What a call costs".into();
    Some(Part { title, words: words.map(String::from).to_vec(), tables, pictures: pictures.into() })
}
