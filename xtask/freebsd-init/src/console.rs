//! The console: frames for xtask, plain lines for what cannot be said in frames.

use freebsd_init::frame::{Event, Writer};
use freebsd_init::plan::Nonce;
use std::fs::File;
use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

pub(crate) struct Console {
    file: File,
    writer: Writer,
}

impl Console {
    /// Opens the console and has it pass bytes on as they are.
    pub(crate) fn open() -> io::Result<Console> {
        let file = File::options().read(true).write(true).open("/dev/console")?;
        let mut modes = MaybeUninit::uninit();
        // SAFETY: the descriptor is open, and the room is that of a `termios`.
        if unsafe { libc::tcgetattr(file.as_raw_fd(), modes.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: tcgetattr has succeeded, so it has filled the room.
        let mut modes: libc::termios = unsafe { modes.assume_init() };
        // SAFETY: both get a valid `termios`, and the descriptor is open.
        let set = unsafe {
            libc::cfmakeraw(&mut modes);
            // There is no modem to wait for.
            modes.c_cflag |= libc::CLOCAL;
            libc::tcsetattr(file.as_raw_fd(), libc::TCSANOW, &modes)
        };
        if set != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Console { file, writer: Writer::new([0; 16]) })
    }

    /// The frames from here on carry this nonce.
    pub(crate) fn begin(&mut self, nonce: Nonce) {
        self.writer = Writer::new(nonce);
    }

    pub(crate) fn tell(&mut self, event: &Event) -> io::Result<()> {
        self.file.write_all(&self.writer.frame(event))
    }

    /// A plain line, for people: it is seen at the end of the console when a run fails.
    pub(crate) fn complain(&mut self, line: &str) {
        // There is nobody else to tell.
        let _ = write!(self.file, "\r\n{line}\r\n");
    }

    /// Returns when all has left the machine.
    pub(crate) fn drain(&mut self) {
        // SAFETY: the descriptor is open. A failure leaves what can be done anyway: to wait a bit.
        unsafe { libc::tcdrain(self.file.as_raw_fd()) };
        // The emulator hands on what its serial line has taken.
        std::thread::sleep(Duration::from_millis(100));
    }
}
