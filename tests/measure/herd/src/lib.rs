//! What a measurement of a herd needs, whatever the threads do once they are inside: fresh
//! threads released at once, context switches, rounds and their medians, a table, JSON.
//!
//! The programs `herd`, `callback-gc` and `bench` are built on it. What differs between systems
//! is the port's, except for processor time and context switches, so the first two run on FreeBSD and
//! Windows as they do on Linux; Windows does not count context switches.

mod crew;
mod destination;
mod herd;
mod progress;
mod row;
mod start_line;
mod subject;
mod switches;
mod table;
mod tally;
mod work;

pub use crew::{Crew, CrewError};
pub use destination::Destination;
pub use herd::{Herd, Played};
pub use progress::Progress;
pub use row::{Round, Row, json, median, micros};
pub use start_line::{Meeting, StartLine};
pub use subject::Subject;
pub use table::{count, duration, table};
pub use work::work;
