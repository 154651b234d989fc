//! The fuzz target that has to fail.
#![cfg_attr(feature = "libfuzzer", no_main)]

extram_fuzz::target!(extram_fuzz::planted);
