//! The ABI check.
