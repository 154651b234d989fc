//! Lanes: a line for each thread, coloured by what it does.
//!
//! A lane's path has the measured values as they are: x in µs since the release, y the place in
//! the order of being served. A transformation brings them to the size of the picture, so the
//! stretched picture is the first one over again (`use`).

use super::Result;
use super::scale::{mark, marks};
use crate::lane::{Lane, Phase};
use crate::round::Drawn;
use extram_herd::{duration, micros};
use maud::{Markup, html};
use std::time::Instant;

/// How far the picture's time axis goes.
#[derive(Clone, Copy)]
pub(super) enum Scale {
    /// As far as everybody's, in µs.
    Common(f64),
    /// As far as the round's.
    Own,
}

pub(super) const WIDTH: f64 = 400.0;
pub(super) const HEIGHT: f64 = 300.0;
/// Below the picture, for the marks.
pub(super) const FOOT: f64 = 22.0;

impl Phase {
    const ALL: [Phase; 6] =
        [Phase::Waiting, Phase::HeldUp, Phase::Making, Phase::Running, Phase::Collecting, Phase::Holding];

    pub(super) fn class(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::HeldUp => "held-up",
            Phase::Making => "making",
            Phase::Running => "running",
            Phase::Collecting => "collecting",
            Phase::Holding => "holding",
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting for an M",
            Phase::HeldUp => "has an M, and a collection holds it up",
            Phase::Making => "making Ms for others, before its own turn",
            Phase::Running => "running Lua code",
            Phase::Collecting => "collecting garbage",
            Phase::Holding => "done; keeps its M until all are inside",
        }
    }
}

/// The colours in words.
pub(super) fn legend(all_inside: bool) -> Markup {
    html! {
        ul.legend {
            @for phase in phases(all_inside) {
                li { i class=(phase.class()) {} (phase.words()) }
            }
        }
    }
}

/// What there is to see.
pub(super) fn phases(all_inside: bool) -> impl Iterator<Item = Phase> {
    Phase::ALL.into_iter().filter(move |&phase| all_inside || phase != Phase::Holding)
}

/// An algorithm's picture with its name above.
pub(super) fn panel(result: &Result, scale: Scale) -> Markup {
    let name = result.algorithm.name();
    let span = duration(result.drawn.span());
    let words = format!("{name}: all {} threads done after {span}", result.drawn.lanes.len());
    html! {
        figure {
            figcaption {
                (name)
                @if let Scale::Own = scale { span { ", all of its " (span) } }
            }
            svg viewBox=(format!("0 0 {WIDTH} {}", HEIGHT + FOOT)) role="img" aria-label=(words) {
                (drawing(result, scale))
            }
        }
    }
}

/// An algorithm's picture, [`WIDTH`] wide and [`HEIGHT`] and [`FOOT`] high.
pub(super) fn drawing(result: &Result, scale: Scale) -> Markup {
    let Result { algorithm, drawn, .. } = result;
    let name = algorithm.name();
    let span = drawn.span();
    let end = match scale {
        Scale::Common(longest) => longest,
        Scale::Own => span,
    };
    let x = |us: f64| if end > 0.0 { us / end * WIDTH } else { 0.0 };
    let id = format!("lanes-{name}");
    let transform = format!("scale({} {})", x(1.0), HEIGHT / drawn.lanes.len().max(1) as f64);
    let done = x(span);
    // On the side where there is room.
    let (anchor, beside) = if done > WIDTH / 2.0 { ("end", done - 6.0) } else { ("start", done + 6.0) };
    html! {
        rect.field width=(WIDTH) height=(HEIGHT) {}
        @for at in marks(end, 5) {
            line.grid x1=(x(at)) x2=(x(at)) y1="0" y2=(HEIGHT + 4.0) {}
            text x=(x(at)) y=(HEIGHT + 18.0) text-anchor=(side(x(at))) { (mark(at)) }
        }
        g transform=(transform) {
            @match scale {
                Scale::Common(_) => g id=(id) { (lanes(name, drawn)) },
                Scale::Own => use href=(format!("#{id}")) {},
            }
        }
        @if let Scale::Common(_) = scale {
            line.end x1=(done) x2=(done) y1="0" y2=(HEIGHT) {}
            text.strong x=(beside) y="16" text-anchor=(anchor) { "done: " (duration(span)) }
        }
    }
}

/// How a mark's text stands to its line, so that it stays within the picture.
fn side(x: f64) -> &'static str {
    match x {
        ..1.0 => "start",
        x if x > WIDTH - 20.0 => "end",
        _ => "middle",
    }
}

fn lanes(name: &str, drawn: &Drawn) -> Markup {
    let mut order: Vec<(usize, &Lane)> = drawn.lanes.iter().enumerate().collect();
    order.sort_by_key(|(_, lane)| lane.ran().unwrap_or(lane.end));
    html! {
        @for (place, (thread, lane)) in order.into_iter().enumerate() {
            g.lane data-lane=(format!("{name} {thread}")) {
                title { (story(thread, lane)) }
                @for (phase, path) in paths(drawn, lane, place) {
                    path class=(phase.class()) d=(path) {}
                }
            }
        }
    }
}

/// A lane in words.
fn story(thread: usize, lane: &Lane) -> String {
    let waited =
        lane.wait().map_or_else(|| "never ran".into(), |wait| format!("waited {}", duration(micros(wait))));
    let total = duration(micros(lane.end - lane.called()));
    format!("thread {}: {waited}, made {} Ms, was back after {total}", thread + 1, lane.made)
}

/// A path for each kind of phase, in µs and places.
fn paths(drawn: &Drawn, lane: &Lane, place: usize) -> Vec<(Phase, String)> {
    let since = |at| micros(Instant::saturating_duration_since(&at, drawn.released));
    let ends = lane.phases.iter().skip(1).map(|&(at, _)| at).chain([lane.end]);
    let mut paths: Vec<(Phase, String)> = Vec::new();
    for (&(begin, phase), end) in lane.phases.iter().zip(ends) {
        let piece = format!("M{:.0} {}.5H{:.0}", since(begin), place, since(end));
        match paths.iter_mut().find(|(known, _)| *known == phase) {
            Some((_, path)) => path.push_str(&piece),
            None => paths.push((phase, piece)),
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_path_has_each_phase_from_its_beginning_to_the_next_ones() {
        let released = Instant::now();
        let at = |us| released + Duration::from_micros(us);
        let lane = Lane {
            phases: vec![
                (at(10), Phase::Waiting),
                (at(50), Phase::HeldUp),
                (at(60), Phase::Running),
                (at(75), Phase::HeldUp),
            ],
            end: at(90),
            made: 2,
        };
        let drawn = Drawn { released, wall: Duration::from_micros(100), lanes: vec![lane] };
        assert_eq!(
            paths(&drawn, &drawn.lanes[0], 7),
            [
                (Phase::Waiting, "M10 7.5H50".to_owned()),
                (Phase::HeldUp, "M50 7.5H60M75 7.5H90".to_owned()),
                (Phase::Running, "M60 7.5H75".to_owned()),
            ]
        );
        assert_eq!(story(0, &drawn.lanes[0]), "thread 1: waited 50 µs, made 2 Ms, was back after 80 µs");
    }
}
