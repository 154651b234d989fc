//! The fuzz target `pool_operations`.
#![cfg_attr(feature = "libfuzzer", no_main)]

extram_fuzz::target!(extram_fuzz::pool_operations::run);
