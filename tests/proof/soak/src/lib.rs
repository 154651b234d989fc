//! A soak: acts of a seeded plan, each on a pool of its own, with every context's owner checked at
//! every entry and everything counted at the end of every act.
//!
//! [`plan`] says what the threads do, and is the same for the same seed. [`act`](mod@act) does it.
//! [`ground`] is the runtime under the pools: it knows who has which M, and whether one is used
//! twice, or after it was dropped, or counted wrong. [`figures`] is what came of it.
#![cfg(unix)]

pub mod act;
pub mod figures;
pub mod fresh;
pub mod ground;
pub mod plan;
