//! The wire: defmt frames to the emulator's standard output by semihosting, and the exit code.
//!
//! A frame is put together inside of one critical section and sent in one piece, so frames of
//! several cores and of interrupt handlers do not mix.

use core::cell::UnsafeCell;
use core::fmt::Write as _;
use critical_section::RestoreState;
use semihosting::fd::BorrowedFd;
use semihosting::sys::arm_compat::{OpenMode, sys_open};

/// Frames longer than this are sent in several pieces.
const BYTES: usize = 256;

struct Wire {
    encoder: defmt::Encoder,
    output: Output,
    restore: RestoreState,
    taken: bool,
}

struct Output {
    fd: Option<semihosting::fd::OwnedFd>,
    bytes: [u8; BYTES],
    len: usize,
}

impl Output {
    fn put(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.len == BYTES {
                self.send();
            }
            self.bytes[self.len] = byte;
            self.len += 1;
        }
    }

    fn send(&mut self) {
        use semihosting::fd::AsFd as _;
        let mut rest = &self.bytes[..self.len];
        while let Some(fd) = &self.fd
            && !rest.is_empty()
        {
            let fd: BorrowedFd<'_> = fd.as_fd();
            match semihosting::sys::write(fd, rest) {
                Ok(sent) if sent > 0 => rest = &rest[sent.min(rest.len())..],
                // Nobody listens; who judges the run misses the closing line.
                _ => break,
            }
        }
        self.len = 0;
    }
}

struct Cell(UnsafeCell<Wire>);

// SAFETY: used between `acquire` and `release` alone, which is inside of a critical section, and in
// `open`, before there is a second context.
unsafe impl Sync for Cell {}

static WIRE: Cell = Cell(UnsafeCell::new(Wire {
    encoder: defmt::Encoder::new(),
    output: Output { fd: None, bytes: [0; BYTES], len: 0 },
    restore: RestoreState::invalid(),
    taken: false,
}));

/// Opens the wire. Called once, first of all.
pub fn open() {
    let fd = sys_open(c":tt", OpenMode::WRONLY_TRUNC).ok();
    // SAFETY: see `Cell`.
    unsafe { (*WIRE.0.get()).output.fd = fd };
}

/// Ends the program with this code.
pub(crate) fn exit(code: i32) -> ! {
    semihosting::process::exit(code)
}

/// Tells of a panic and ends the program.
pub fn broken_down(info: &core::panic::PanicInfo<'_>) -> ! {
    let mut report = crate::report::Report::new();
    let _ = writeln!(report, "{info}");
    exit(2)
}

#[defmt::global_logger]
struct Logger;

// SAFETY: `acquire` is a critical section until `release`, so nobody else is in between.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        // SAFETY: released by `release`, which defmt calls once for each `acquire`.
        let restore = unsafe { critical_section::acquire() };
        // SAFETY: see `Cell`.
        let wire = unsafe { &mut *WIRE.0.get() };
        if wire.taken {
            // A value that logs while it is being logged. There is no way to tell but this.
            exit(3);
        }
        wire.taken = true;
        wire.restore = restore;
        wire.encoder.start_frame(|bytes| wire.output.put(bytes));
    }

    unsafe fn flush() {}

    unsafe fn release() {
        // SAFETY: see `Cell`; after `acquire`.
        let wire = unsafe { &mut *WIRE.0.get() };
        wire.encoder.end_frame(|bytes| wire.output.put(bytes));
        wire.output.send();
        wire.taken = false;
        let restore = wire.restore;
        // SAFETY: acquired by `acquire`.
        unsafe { critical_section::release(restore) };
    }

    unsafe fn write(bytes: &[u8]) {
        // SAFETY: see `Cell`; after `acquire`.
        let wire = unsafe { &mut *WIRE.0.get() };
        wire.encoder.write(bytes, |bytes| wire.output.put(bytes));
    }
}
