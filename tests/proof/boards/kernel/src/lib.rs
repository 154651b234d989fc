//! A small kernel for the tests: contexts with stacks of their own, on one core or several, and the
//! port's [`System`](extram_port_bare_metal::System) on top of them.
//!
//! On Cortex-M contexts are preempted by the system timer and stay on the core they began on;
//! elsewhere they run until they wait or yield, and go on on any core.
#![no_std]

mod context;
#[cfg(not(target_arch = "arm"))]
#[path = "switch/cooperative.rs"]
mod cooperative;
mod critical;
mod schedule;
#[cfg_attr(target_arch = "aarch64", path = "switch/aarch64.rs")]
#[cfg_attr(target_arch = "arm", path = "switch/cortex_m.rs")]
#[cfg_attr(any(target_arch = "riscv32", target_arch = "riscv64"), path = "switch/riscv.rs")]
mod switch;
mod system;

pub use context::{Room, Stacks};
pub use schedule::{Machine, join, reap_all, run};
pub use system::{Context, Kernel};

#[cfg(target_arch = "arm")]
pub use switch::on_timer;
