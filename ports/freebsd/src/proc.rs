//! What the kernel tells of this process: its map, by sysctl(3).

use core::ops::Range;
use core::ptr::null_mut;

/// The mapping that holds an address: the stack of a coroutine lies within it. Of a stack that was made
/// with `MAP_STACK`, and is mapped from its upper end downwards as it is used, all that it may grow to.
///
/// sysctl(3) `kern.proc.vmmap`, into pages of our own: an entry must not need the allocator of a
/// runtime that is just being entered. In capability mode, after cap_enter(2), the kernel refuses it.
pub(crate) fn mapping(address: usize) -> Option<Range<usize>> {
    // SAFETY: no arguments; never fails.
    let pid = unsafe { libc::getpid() };
    let name = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_VMMAP, pid];
    let sysctl = |buffer: *mut libc::c_void, length: &mut usize| {
        // SAFETY: four numbers; a buffer of `length` bytes, or null to ask for the length.
        unsafe { libc::sysctl(name.as_ptr(), name.len() as libc::c_uint, buffer, length, null_mut(), 0) == 0 }
    };
    let mut needed = 0;
    if !sysctl(null_mut(), &mut needed) {
        return None;
    }
    // The map may grow until the second call, by the buffer itself at least.
    let length = needed.checked_add(needed / 2)?.checked_add(64 * 1024)?;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: new pages, unmapped below.
    let buffer =
        unsafe { libc::mmap(null_mut(), length, protection, libc::MAP_PRIVATE | libc::MAP_ANON, -1, 0) };
    if buffer == libc::MAP_FAILED {
        return None;
    }
    let mut filled = length;
    let found = if sysctl(buffer, &mut filled) {
        // SAFETY: the pages hold `filled` bytes that the kernel wrote, and nobody writes to them.
        let entries = unsafe { core::slice::from_raw_parts(buffer.cast::<u8>(), filled.min(length)) };
        find(entries, address, guard())
    } else {
        None
    };
    // SAFETY: mapped above, and no reference to it is left.
    unsafe { libc::munmap(buffer, length) };
    found
}

/// How many bytes at the lower end of a stack that grows are never mapped.
fn guard() -> usize {
    let mut pages: libc::c_int = 1;
    let mut length = size_of::<libc::c_int>();
    // SAFETY: a constant name, and room for the number; it stays as it is where the kernel refuses.
    unsafe {
        let name = c"security.bsd.stack_guard_page".as_ptr();
        libc::sysctlbyname(name, (&raw mut pages).cast(), &raw mut length, null_mut(), 0);
    }
    // SAFETY: takes a number only.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(pages).unwrap_or(1).saturating_mul(usize::try_from(page).unwrap_or(4096))
}

/// An entry of the map.
struct Entry {
    range: Range<usize>,
    /// A part of a stack that grows downwards. Each growth is an entry of its own.
    grows: bool,
    /// Nobody may touch it: what such a stack may yet grow into is an entry like that, below it.
    forbidden: bool,
}

/// Reads `struct kinfo_vmentry`s, each cut off after its path and told its own length.
struct Entries<'a>(&'a [u8]);

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        const START: usize = core::mem::offset_of!(libc::kinfo_vmentry, kve_start);
        const END: usize = core::mem::offset_of!(libc::kinfo_vmentry, kve_end);
        const FLAGS: usize = core::mem::offset_of!(libc::kinfo_vmentry, kve_flags);
        const PROTECTION: usize = core::mem::offset_of!(libc::kinfo_vmentry, kve_protection);
        const LEAST: usize = PROTECTION + 4;
        let size = i32::from_ne_bytes(self.0.get(..4)?.try_into().ok()?);
        let size = usize::try_from(size).ok().filter(|&size| size >= LEAST)?;
        let entry = self.0.get(..size)?;
        self.0 = &self.0[size..];
        let word = |at: usize| -> Option<usize> {
            u64::from_ne_bytes(entry.get(at..at + 8)?.try_into().ok()?).try_into().ok()
        };
        let int = |at: usize| Some(i32::from_ne_bytes(entry.get(at..at + 4)?.try_into().ok()?));
        Some(Entry {
            range: word(START)?..word(END)?,
            grows: int(FLAGS)? & libc::KVME_FLAG_GROWS_DOWN != 0,
            forbidden: int(PROTECTION)? == 0,
        })
    }
}

/// Searches the entries, which are in the order of their addresses. `guard` bytes are left out of what a
/// stack may grow into.
fn find(entries: &[u8], address: usize, guard: usize) -> Option<Range<usize>> {
    // A stack as far as it has been read: what it may grow into, and what it has grown to.
    let mut stack = 0..0;
    for Entry { range, grows, forbidden } in Entries(entries) {
        if grows && range.start == stack.end {
            stack.end = range.end;
            continue;
        }
        if stack.contains(&address) {
            return Some(stack);
        }
        if range.contains(&address) && !grows {
            return Some(range);
        }
        stack = match (grows, forbidden) {
            (true, _) => range,
            (false, true) => range.start.saturating_add(guard).min(range.end)..range.end,
            (false, false) => 0..0,
        };
    }
    stack.contains(&address).then_some(stack)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const READ_WRITE: i32 = 3;

    fn with(size: i32, range: Range<u64>, flags: i32, protection: i32) -> Vec<u8> {
        let mut bytes = std::vec![0; size.max(60) as usize];
        bytes[..4].copy_from_slice(&size.to_ne_bytes());
        bytes[8..16].copy_from_slice(&range.start.to_ne_bytes());
        bytes[16..24].copy_from_slice(&range.end.to_ne_bytes());
        bytes[44..48].copy_from_slice(&flags.to_ne_bytes());
        bytes[56..60].copy_from_slice(&protection.to_ne_bytes());
        bytes
    }

    fn entry(size: i32, start: u64, end: u64) -> Vec<u8> {
        with(size, start..end, 0, READ_WRITE)
    }

    fn grown(start: u64, end: u64) -> Vec<u8> {
        with(144, start..end, libc::KVME_FLAG_GROWS_DOWN, READ_WRITE)
    }

    fn gap(start: u64, end: u64) -> Vec<u8> {
        with(144, start..end, 0, 0)
    }

    #[test]
    fn the_map_is_read_entry_by_entry() {
        let map = [entry(144, 0x1000, 0x2000), entry(160, 0x7000, 0x9000)].concat();
        assert_eq!(find(&map, 0x1fff, 0x1000), Some(0x1000..0x2000));
        assert_eq!(find(&map, 0x7000, 0x1000), Some(0x7000..0x9000));
        assert_eq!(find(&map, 0x2000, 0x1000), None);
    }

    #[test]
    fn a_map_that_is_cut_off_or_makes_no_sense_ends_the_search() {
        let map = [entry(144, 0x1000, 0x2000), entry(160, 0x7000, 0x9000)].concat();
        assert_eq!(find(&map[..200], 0x7000, 0), None);
        assert_eq!(find(&entry(0, 0x1000, 0x2000), 0x1000, 0), None);
        assert_eq!(find(&entry(-8, 0x1000, 0x2000), 0x1000, 0), None);
        assert_eq!(find(&[], 0, 0), None);
    }

    #[test]
    fn a_stack_that_grows_is_told_with_all_that_it_may_grow_to() {
        // Never grown, then grown twice, and then to the full.
        for parts in [
            [gap(0x10000, 0x1e000), grown(0x1e000, 0x20000), Vec::new()],
            [
                gap(0x10000, 0x1a000),
                [grown(0x1a000, 0x1c000), grown(0x1c000, 0x1e000)].concat(),
                grown(0x1e000, 0x20000),
            ],
            [gap(0x10000, 0x11000), grown(0x11000, 0x1e000), grown(0x1e000, 0x20000)],
        ] {
            // Between a mapping below and another stack above.
            let above = [gap(0x20000, 0x2e000), grown(0x2e000, 0x30000)];
            let map = [entry(144, 0xf000, 0x10000), parts.concat(), above.concat()].concat();
            for address in [0x1e000, 0x1ffff] {
                assert_eq!(find(&map, address, 0x1000), Some(0x11000..0x20000));
            }
            assert_eq!(find(&map, 0x2ffff, 0x1000), Some(0x21000..0x30000));
            assert_eq!(find(&map, 0xf000, 0x1000), Some(0xf000..0x10000), "the mapping below is none of it");
        }
    }

    #[test]
    fn a_stack_without_anything_to_grow_into_is_what_is_mapped() {
        let map = [entry(144, 0x1000, 0x2000), grown(0x2000, 0x4000), entry(144, 0x4000, 0x5000)].concat();
        assert_eq!(find(&map, 0x2000, 0x1000), Some(0x2000..0x4000));
        assert_eq!(find(&map, 0x1000, 0x1000), Some(0x1000..0x2000));
        assert_eq!(find(&map, 0x4000, 0x1000), Some(0x4000..0x5000));
        // Forbidden pages that are somebody else's, apart from it.
        let map = [gap(0x1000, 0x2000), grown(0x3000, 0x4000)].concat();
        assert_eq!(find(&map, 0x3000, 0x1000), Some(0x3000..0x4000));
    }

    #[test]
    fn the_mapping_of_a_local_variable_holds_it() {
        let here = 0u8;
        let address = (&raw const here).addr();
        assert!(mapping(address).is_some_and(|range| range.contains(&address)));
    }
}
