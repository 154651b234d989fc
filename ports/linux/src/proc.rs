//! What the kernel tells of this process under /proc, by system calls alone: the C library's `open`
//! and `read` are points at which a thread may be cancelled, and its directory streams allocate.

use core::ops::Range;

/// A file that is open for reading.
struct File(libc::c_long);

impl File {
    fn open(path: &core::ffi::CStr, flags: libc::c_int) -> Option<File> {
        // SAFETY: a path; what is opened is closed when dropped.
        let file = unsafe {
            libc::syscall(
                libc::SYS_openat,
                libc::AT_FDCWD,
                path.as_ptr(),
                flags | libc::O_RDONLY | libc::O_CLOEXEC,
            )
        };
        (file >= 0).then_some(File(file))
    }

    /// Fills a part of the buffer by read(2) or getdents64(2); how much, 0 at the end. `None` after an error.
    fn fill(&self, call: libc::c_long, buffer: &mut [u8]) -> Option<usize> {
        // SAFETY: a buffer of that size.
        let count = unsafe { libc::syscall(call, self.0, buffer.as_mut_ptr(), buffer.len()) };
        usize::try_from(count).ok()
    }
}

impl File {
    /// How many directories there are in this one.
    fn subdirectories(&self) -> Option<usize> {
        let mut stat = core::mem::MaybeUninit::<libc::stat>::uninit();
        // SAFETY: a place for the answer, which is written if there is one.
        let known = unsafe { libc::fstat(self.0 as libc::c_int, stat.as_mut_ptr()) == 0 };
        // SAFETY: as above. Each has a link to its parent, which has two of its own.
        known.then(|| unsafe { stat.assume_init() }.st_nlink as usize).map(|links| links.saturating_sub(2))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: opened by `open`, closed once.
        unsafe { libc::syscall(libc::SYS_close, self.0) };
    }
}

/// The mapping that holds an address: the stack of a coroutine lies within it.
pub(crate) fn mapping(address: usize) -> Option<Range<usize>> {
    if cfg!(miri) {
        // Miri has no such file.
        return None;
    }
    let file = File::open(c"/proc/self/maps", 0)?;
    let mut lines = Lines::default();
    let mut buffer = [0u8; 1024];
    loop {
        let count = file.fill(libc::SYS_read, &mut buffer).filter(|&count| count > 0)?;
        let mut ranges = buffer[..count].iter().filter_map(|&byte| lines.feed(byte));
        if let Some(found) = ranges.find(|range| range.contains(&address)) {
            return Some(found);
        }
    }
}

/// What is known of a list of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Lists of the same threads have the same.
    pub(crate) sum: u64,
    /// Whether there were as many as the process had afterwards.
    pub(crate) all: bool,
}

/// The numbers of the process's threads; `None` if they are not told.
///
/// When a thread ends meanwhile, the kernel may pass another one over, or end the list. If it had listed the
/// one that ended, that is not on the next list; if not, there are fewer on this one than the process has: so a
/// list that is whole by its number, and the same as the one before, lacks nobody.
pub(crate) fn threads(mut f: impl FnMut(libc::c_long)) -> Option<Listed> {
    let directory = File::open(c"/proc/self/task", libc::O_DIRECTORY)?;
    // Aligned as the kernel's entries are, though they are read a byte at a time.
    let mut buffer = [0u8; 1024];
    let (mut sum, mut number_of) = (0, 0);
    loop {
        let count = directory.fill(libc::SYS_getdents64, &mut buffer)?;
        if count == 0 {
            return Some(Listed { sum, all: directory.subdirectories()? == number_of });
        }
        for thread in entries(&buffer[..count]).filter_map(number) {
            // FNV-1a, by numbers.
            sum = (sum ^ thread as u64).wrapping_mul(0x0100_0000_01b3);
            number_of += 1;
            f(thread);
        }
    }
}

/// Whether the numbers under /proc are those by which this process calls its threads. In a namespace that
/// has been made without a /proc of its own they are not.
pub(crate) fn is_ours() -> bool {
    let Some(file) = File::open(c"/proc/self/status", 0) else { return false };
    let (mut buffer, mut lines) = ([0u8; 1024], StatusLines::default());
    while let Some(count @ 1..) = file.fill(libc::SYS_read, &mut buffer) {
        if let Some(numbers) = buffer[..count].iter().find_map(|&byte| lines.feed(byte)) {
            return numbers == 1;
        }
    }
    false
}

/// Reads /proc/self/status a byte at a time, for the line `NSpid:`, which Linux 4.1 and later have: the numbers
/// by which the process is known, from the namespace to which /proc belongs to its own.
#[derive(Default)]
struct StatusLines {
    /// How much of the name the line has shown; `OTHER` if it is another one.
    shown: usize,
    numbers: usize,
    in_number: bool,
}

const NAME: &[u8] = b"NSpid:";
const OTHER: usize = usize::MAX;

impl StatusLines {
    /// How many numbers the line has, at its end.
    fn feed(&mut self, byte: u8) -> Option<usize> {
        if byte == b'\n' {
            let line = core::mem::take(self);
            return (line.shown == NAME.len()).then_some(line.numbers);
        }
        match NAME.get(self.shown) {
            Some(&next) => self.shown = if byte == next { self.shown + 1 } else { OTHER },
            None => {
                let digit = byte.is_ascii_digit();
                self.numbers += usize::from(digit && !self.in_number);
                self.in_number = digit;
            }
        }
        None
    }
}

/// The names in what getdents64(2) has filled: 8 bytes, 8 bytes, the entry's length in 2, 1 byte, and
/// the name up to its zero.
fn entries(mut filled: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let length = u16::from_ne_bytes(filled.get(16..18)?.try_into().ok()?);
        let (entry, rest) = filled.split_at_checked(length.into())?;
        filled = rest;
        entry.get(19..)?.split(|&byte| byte == 0).next()
    })
}

/// `.` and `..` are none.
fn number(name: &[u8]) -> Option<libc::c_long> {
    core::str::from_utf8(name).ok()?.parse().ok()
}

/// Reads `7f1200000000-7f1200021000 rw-p …` lines a byte at a time.
#[derive(Default)]
struct Lines {
    low: usize,
    number: usize,
    in_text: bool,
}

impl Lines {
    /// The range of a line, at the byte after its second number.
    fn feed(&mut self, byte: u8) -> Option<Range<usize>> {
        match (byte, self.in_text) {
            (b'\n', _) => *self = Lines::default(),
            (_, true) => {}
            (b'-', _) => {
                self.low = self.number;
                self.number = 0;
            }
            (b' ', _) => {
                self.in_text = true;
                return Some(self.low..self.number);
            }
            _ => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                self.number = (self.number << 4) | digit as usize;
            }
        }
        None
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn a_maps_file_is_read_across_buffers() {
        let text = "00400000-0040b000 r-xp 00000000 08:01 1  /bin/a-b 1\n7ffd0000-7ffd2100 rw-p 0 0 0\n";
        let mut lines = Lines::default();
        let mut ranges = text.bytes().filter_map(|byte| lines.feed(byte));
        assert_eq!(ranges.next(), Some(0x400000..0x40b000));
        assert_eq!(ranges.next(), Some(0x7ffd0000..0x7ffd2100));
        assert_eq!(ranges.next(), None);
    }

    #[test]
    fn the_numbers_of_a_process_are_counted_once_their_line_has_ended() {
        let read = |text: &str| {
            let mut lines = StatusLines::default();
            text.bytes().find_map(|byte| lines.feed(byte))
        };
        let before = std::format!("Name:\ta NSpid:\nGroups:\t{}\n", "1000 ".repeat(2000));
        assert_eq!(read(&std::format!("{before}NStgid:\t1\nNSpid:\t4711\nNSpgid:\t1\t1\n")), Some(1));
        assert_eq!(read(&std::format!("{before}NSpid:\t4711\t1\n")), Some(2));
        assert_eq!(read(&std::format!("{before}NSpid:\t4711")), None);
        assert_eq!(read(&before), None);
        assert!(is_ours());
    }

    #[test]
    fn the_mapping_of_a_local_variable_holds_it() {
        let here = 0u8;
        let address = (&raw const here).addr();
        assert!(mapping(address).is_some_and(|range| range.contains(&address)));
    }

    #[test]
    fn every_thread_is_told() {
        let (tell, told) = std::sync::mpsc::channel();
        let (stay, stays) = std::sync::mpsc::channel();
        let (finish, finished) = std::sync::mpsc::channel::<()>();
        let others: std::vec::Vec<_> = (0..100)
            .map(|_| {
                let tell = tell.clone();
                // SAFETY: no arguments.
                std::thread::spawn(move || tell.send(unsafe { libc::syscall(libc::SYS_gettid) }).unwrap())
            })
            .collect();
        // One that stays, whose entry is not in the first buffer.
        let last = std::thread::spawn(move || {
            // SAFETY: no arguments.
            stay.send(unsafe { libc::syscall(libc::SYS_gettid) }).unwrap();
            let _ = finished.recv();
        });
        others.into_iter().for_each(|other| other.join().unwrap());
        drop(tell);
        assert_eq!(told.iter().count(), 100);
        let stays = stays.recv().unwrap();
        let mut found = false;
        threads(|thread| found |= thread == stays).unwrap();
        assert!(found);
        drop(finish);
        last.join().unwrap();
    }

    #[test]
    fn names_that_are_no_numbers_and_entries_that_are_cut_off_are_left_out() {
        assert_eq!((number(b"."), number(b".."), number(b"4711")), (None, None, Some(4711)));
        let mut entry = [0u8; 24];
        entry[16..18].copy_from_slice(&24u16.to_ne_bytes());
        entry[19..21].copy_from_slice(b"12");
        assert!(entries(&entry).eq([&b"12"[..]]));
        assert!(entries(&entry[..20]).eq(core::iter::empty::<&[u8]>()));
        entry[16] = 0;
        assert!(entries(&entry).take(2).eq(core::iter::empty::<&[u8]>()));
    }
}
