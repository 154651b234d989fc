//! What a measurement of a herd needs, whatever the threads do once they are inside: fresh
//! threads released at once, context switches, rounds and their medians, a table, JSON.
//!
//! The programs `herd` and `callback-gc` are built on it. Only `std` and `libc` below, so that
//! both run on FreeBSD as they do on Linux.

mod crew;
mod progress;
mod row;
mod start_line;
mod switches;
mod table;
mod work;

pub use crew::{Crew, CrewError};
pub use progress::Progress;
pub use row::{Round, Row, json, median, micros};
pub use start_line::{Meeting, StartLine};
pub use switches::context_switches;
pub use table::{count, duration, table};
pub use work::work;
