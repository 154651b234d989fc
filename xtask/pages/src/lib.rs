//! What the sources say of themselves: the tables of `tests/`, made from the documentation of the tests,
//! and checks over all of them.

pub mod edges;
pub mod marks;
pub mod scenarios;
pub mod sources;
