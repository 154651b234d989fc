//! What the sources say of themselves: the tables of `tests/`, made from the documentation of the tests,
//! and checks over all of them and over the documentation.

pub mod edges;
pub mod links;
pub mod marks;
pub mod scenarios;
pub mod sources;
