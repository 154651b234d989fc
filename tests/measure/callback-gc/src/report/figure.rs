//! The first picture alone, for a text that has no room for the report.

use super::lanes::{FOOT, HEIGHT, Scale, WIDTH, drawing, phases};
use super::{Result, longest};
use crate::lane::Phase;
use crate::round::Plan;
use extram_herd::{count, duration};
use maud::{PreEscaped, html};

const GAP: f64 = 40.0;
/// Around everything.
const MARGIN: f64 = 24.0;
/// Above the pictures.
const HEAD: f64 = 100.0;

/// An SVG file with the lanes of all algorithms on the same time scale.
pub(crate) fn figure(plan: Plan, results: &[Result]) -> String {
    let scale = Scale::Common(longest(results));
    let panels = results.len() as f64;
    let width = panels * WIDTH + (panels - 1.0) * GAP + 2.0 * MARGIN;
    let foot = MARGIN + HEAD + HEIGHT + FOOT + 24.0;
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {width} {}", foot + MARGIN)) {
            style { (PreEscaped(include_str!("report.css"))) }
            rect.ground width="100%" height="100%" rx="8" {}
            text.title x=(MARGIN) y=(MARGIN + 18.0) {
                (count(plan.threads.into())) " C threads call into Lua at once: what each of them did, on the same time scale"
            }
            @for (place, result) in results.iter().enumerate() {
                g transform=(format!("translate({} {})", MARGIN + place as f64 * (WIDTH + GAP), MARGIN + HEAD)) {
                    text.strong.large x="0" y="-42" { (result.algorithm.name()) }
                    text.strong.huge x="0" y="-12" { (duration(result.row.wall_us_median)) }
                    (drawing(result, scale))
                }
            }
            @for (x, phase) in legend(plan.all_inside) {
                g transform=(format!("translate({x} {foot})")) {
                    path class=(phase.class()) d="M0 -4H18" stroke-width="11" {}
                    text x="25" { (phase.words()) }
                }
            }
        }
    };
    svg.into_string()
}

/// The colours, and where each stands. SVG has no flow: the width of a text is estimated.
fn legend(all_inside: bool) -> Vec<(f64, Phase)> {
    const COLOUR_AND_GAP: f64 = 38.0;
    const LETTER: f64 = 6.1;
    let mut x = MARGIN;
    let places = phases(all_inside).map(|phase| {
        let here = x;
        x += COLOUR_AND_GAP + LETTER * phase.words().len() as f64;
        (here, phase)
    });
    places.collect()
}
