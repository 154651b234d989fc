//! The non-maskable interrupt: `latency` with its features, which that interrupt interrupts at every
//! instruction in turn. Both processors run on a Cortex-M3, whose machine has a watchdog that sends one.

use crate::board::{self, Board};
use crate::verdict::Verdict;
use crate::{Build, build, run};
use anyhow::{Result, bail};
use judge::Summary;
use toolchain::Toolchain;

const ON_AN385: Board = Board { package: "latency", machine: &["-machine", "mps2-an385"], ..board::BOARD };

/// With a compare-exchange, and without.
const BOARDS: [Board; 2] =
    [Board { triple: "thumbv7m-none-eabi", ..ON_AN385 }, Board { triple: "thumbv6m-none-eabi", ..ON_AN385 }];

/// Its part of a target's lane; nothing for others.
pub(crate) fn lane(triple: &str, toolchain: &Toolchain) -> Result<Summary> {
    let Some(board) = BOARDS.iter().find(|board| board.triple == triple) else {
        return Ok(Summary::default());
    };
    let of = |features| Build { features, ..Build::of(board.package) };
    let (verdict, mut summary) = run(board, board::COUNTED, &build(toolchain, board, &of(&["nmi"]))?)?;
    summary +=
        Summary::of(&format!("a non-maskable interrupt at every instruction: {verdict}"), verdict.good());
    if triple.starts_with("thumbv6m") {
        let (verdict, _) = run(board, board::COUNTED, &build(toolchain, board, &of(&["careless"]))?)?;
        let noticed = match verdict {
            Verdict::Failed { .. } => Ok(()),
            other => bail!("a call from where nothing may come is not noticed: {other}"),
        };
        summary += Summary::of("one that calls within `brief` without a compare-exchange fails", noticed);
    }
    Ok(summary)
}
