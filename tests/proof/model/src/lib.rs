//! A second look at the algorithm, independent of the code: every state that a few threads can
//! reach, one atomic step at a time.
//!
//! loom runs the shipped code, with two or three threads. Here the algorithm of `list.rs` and
//! `refill.rs` is written down once more as rules on a small [`State`], and all states of five and
//! more threads are visited: with creations that fail and waits that are cancelled at any moment,
//! under a limit, and with a trim in between. [`Rules`] can be weakened, which shows that the search
//! finds what is wrong: two versions that were rejected while the algorithm was designed, and others.

mod rules;
mod search;
mod state;
mod step;

pub use rules::{Claims, Rules};
pub use search::{Found, search};
pub use state::{Scene, State, Stay};
