//! Faults on command.
//!
//! [`world`] is a fake port with fake time: its threads run one at a time, as the test says, and
//! sleep until the test says so; it refuses thread-local storage, exit hooks and barriers on
//! demand, and its runtime fails to make an M when told to. [`model`] is what a pool does in such a
//! world, in plain words: a few lists and counts. The test drives both and compares each answer.

pub mod model;
pub mod world;
