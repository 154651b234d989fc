//! What xtask and the FreeBSD guest's process 1 have to agree on: the [plan] that xtask puts
//! on the guest's disk, and the [frames](frame) that come back over its serial console,
//! the [files] that its programs write among them.

pub mod files;
pub mod frame;
pub mod plan;

/// The port of QEMU's `isa-debug-exit` device, as the machine is started with it.
pub const EXIT_PORT: u16 = 0x501;
/// What process 1 writes to the port when all was well, and what otherwise. QEMU's exit status is
/// twice that and one.
pub const WELL: u8 = 0x2A;
/// See [`WELL`].
pub const UNWELL: u8 = 0x2B;
