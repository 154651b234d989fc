//! What every board runs: the conformance suite and a herd of its own, told in defmt frames over
//! semihosting. The run ends with a closing line and an exit code; who judges it needs both.
#![no_std]

mod herd;
mod ledger;
mod report;
mod wire;

use core::fmt::Write as _;
use core::time::Duration;
use extram_port_bare_metal::BareMetal;
use extram_test_kernel::Kernel;

pub use extram_conformance::Config;
pub use extram_core::Slots;
pub use extram_test_kernel::{Machine, Room, Stacks, run as run_kernel};
pub use herd::{Herd, from_interrupt};
pub use ledger::{Ledger, Page};
pub use wire::{broken_down, open};

/// The port under test.
pub type Port = BareMetal<Kernel>;

/// The sizes of a board's run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What the board is called.
    pub board: &'static str,
    /// Contexts of the herd.
    pub contexts: u32,
    /// Entries of the herd, all contexts together.
    pub entries: u32,
    /// Entries from interrupt handlers that the herd waits for; 0 if no handler of the board calls
    /// [`from_interrupt`].
    pub interrupts: u32,
    /// Sizes of the conformance suite.
    pub config: Config,
}

/// Sizes of the conformance suite for an emulated core. A port that is broken on purpose need not be
/// waited for long.
pub const SMALL: Config =
    Config { patience: Duration::from_secs(if cfg!(feature = "broken") { 2 } else { 60 }), ..Config::SMALL };

/// Runs everything and ends the program.
pub fn run(plan: &Plan, herd: &'static Herd) -> ! {
    let mut report = report::Report::new();
    let _ = writeln!(report, "board: {}", plan.board);
    let suite = extram_conformance::run::<Port>(&plan.config, &mut report);
    let (passed, failed, skipped) = herd.run(plan, &mut report);
    close(suite.passed + passed, suite.failed + failed, suite.skipped + skipped)
}

/// Ends the program with the closing line and the exit code that goes with it.
pub fn close(passed: u32, failed: u32, skipped: u32) -> ! {
    defmt::println!("all: {=u32} passed, {=u32} failed, {=u32} skipped", passed, failed, skipped);
    wire::exit(if failed == 0 && passed > 0 { 0 } else { 1 })
}

/// The program of a board: statics of the right sizes and a `main` that starts the kernel.
///
/// ```ignore
/// suite! { machine: MACHINE, contexts: 32, stacks: STACKS, plan: PLAN }
/// // gives: fn start() -> !
/// ```
#[macro_export]
macro_rules! suite {
    (machine: $machine:expr, contexts: $contexts:expr, stacks: $stacks:expr, plan: $plan:expr) => {
        static ROOM: $crate::Room<
            { $contexts + 1 + $machine.cores },
            { $stacks.total($contexts, $machine.cores) },
        > = $crate::Room::new();
        static SLOTS: $crate::Slots<$crate::Ledger, { $contexts + 1 }> = $crate::Slots::new();
        static HERD: $crate::Herd = $crate::Herd::new(&SLOTS);

        extern "C" fn run_suite(_: *mut ()) {
            $crate::run(&$plan, &HERD)
        }

        /// What the board's first core does once memory is set up.
        fn start() -> ! {
            $crate::open();
            $crate::run_kernel($machine, &ROOM, $stacks, run_suite)
        }

        #[panic_handler]
        fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::broken_down(info)
        }
    };
}
