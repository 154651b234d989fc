//! The fuzz target `c_face`.
#![cfg_attr(feature = "libfuzzer", no_main)]

extram_fuzz::target!(extram_fuzz::c_face::run);
