//! Stack bounds: pthread_getattr_np(3) for the thread's own stack, /proc/self/maps for others.

use core::ops::Range;
use extram_posix::errno::Preserved;

pub(crate) fn bounds(sp: usize) -> Option<Range<usize>> {
    let _errno = Preserved::new();
    own_stack().filter(|stack| stack.contains(&sp)).or_else(|| mapping(sp))
}

/// Makes system calls only: pthread_getattr_np(3) takes a lock of the thread and allocates.
pub(crate) fn bounds_in_signal(sp: usize) -> Option<Range<usize>> {
    let _errno = Preserved::new();
    mapping(sp)
}

/// The stack that the thread was created with.
fn own_stack() -> Option<Range<usize>> {
    let mut attr = core::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut low = core::ptr::null_mut();
    let mut size = 0;
    // SAFETY: `pthread_getattr_np` initialises the object, which is destroyed once.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attr.as_mut_ptr()) != 0 {
            return None;
        }
        let failed = libc::pthread_attr_getstack(attr.as_ptr(), &mut low, &mut size) != 0;
        libc::pthread_attr_destroy(attr.as_mut_ptr());
        if failed {
            return None;
        }
    }
    Some(low.addr()..low.addr().checked_add(size)?)
}

/// The mapping that holds an address: the stack of a coroutine lies within it.
fn mapping(address: usize) -> Option<Range<usize>> {
    // SAFETY: a constant path; the descriptor is closed below.
    let file = unsafe { libc::open(c"/proc/self/maps".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if file < 0 {
        return None;
    }
    let mut lines = Lines::default();
    let mut found = None;
    let mut buffer = [0u8; 1024];
    while found.is_none() {
        // SAFETY: a buffer of that size.
        let count = unsafe { libc::read(file, buffer.as_mut_ptr().cast(), buffer.len()) };
        if count <= 0 {
            break;
        }
        found = buffer[..count as usize]
            .iter()
            .filter_map(|&byte| lines.feed(byte))
            .find(|range| range.contains(&address));
    }
    // SAFETY: opened above.
    unsafe { libc::close(file) };
    found
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maps_file_is_read_across_buffers() {
        let text =
            "00400000-0040b000 r-xp 00000000 08:01 1  /bin/a-b 1\n7ffd00000000-7ffd00021000 rw-p 0 0 0\n";
        let mut lines = Lines::default();
        let mut ranges = text.bytes().filter_map(|byte| lines.feed(byte));
        assert_eq!(ranges.next(), Some(0x400000..0x40b000));
        assert_eq!(ranges.next(), Some(0x7ffd00000000..0x7ffd00021000));
        assert_eq!(ranges.next(), None);
    }

    #[test]
    fn the_mapping_of_a_local_variable_holds_it() {
        let here = 0u8;
        let address = (&raw const here).addr();
        assert!(mapping(address).is_some_and(|range| range.contains(&address)));
        assert!(bounds(address).is_some_and(|range| range.contains(&address)));
    }
}
