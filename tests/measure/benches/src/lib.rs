//! Benchmarks only: `cargo bench -p extram-benches`.
