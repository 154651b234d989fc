//! What is measured in this process.

pub(crate) mod entry;
pub(crate) mod herd;
pub(crate) mod limit;
mod subjects;
