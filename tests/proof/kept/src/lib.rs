//! What tests of several packages share: values that are never freed, and are no leaks (pools above all,
//! to which threads refer for ever), and sizes.

// It lies where `extram-capi`, which is published with its tests, has it too.
#[path = "../../../../crates/capi/tests/face/kept.rs"]
mod kept;

pub use kept::{keep, scaled};
