//! What the kernel tells of this process: its map, by sysctl(3).

use core::ops::Range;
use core::ptr::null_mut;

/// The mapping that holds an address: the stack of a coroutine lies within it.
///
/// sysctl(3) `kern.proc.vmmap`, into pages of our own: an entry must not need the allocator of a
/// runtime that is just being entered.
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
        find(entries, address)
    } else {
        None
    };
    // SAFETY: mapped above, and no reference to it is left.
    unsafe { libc::munmap(buffer, length) };
    found
}

/// Searches `struct kinfo_vmentry`s, each cut off after its path and told its own length.
fn find(mut entries: &[u8], address: usize) -> Option<Range<usize>> {
    const START: usize = core::mem::offset_of!(libc::kinfo_vmentry, kve_start);
    const END: usize = core::mem::offset_of!(libc::kinfo_vmentry, kve_end);
    const LEAST: usize = END + 8;
    loop {
        let size = i32::from_ne_bytes(entries.get(..4)?.try_into().ok()?);
        let size = usize::try_from(size).ok().filter(|&size| size >= LEAST)?;
        let entry = entries.get(..size)?;
        let word = |at: usize| -> Option<usize> {
            u64::from_ne_bytes(entry.get(at..at + 8)?.try_into().ok()?).try_into().ok()
        };
        let range = word(START)?..word(END)?;
        if range.contains(&address) {
            return Some(range);
        }
        entries = &entries[size..];
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn entry(size: i32, start: u64, end: u64) -> Vec<u8> {
        let mut bytes = size.to_ne_bytes().to_vec();
        bytes.extend([0; 4]);
        bytes.extend(start.to_ne_bytes());
        bytes.extend(end.to_ne_bytes());
        bytes.resize(size.max(24) as usize, 0);
        bytes
    }

    #[test]
    fn the_map_is_read_entry_by_entry() {
        let map = [entry(144, 0x1000, 0x2000), entry(160, 0x7000, 0x9000)].concat();
        assert_eq!(find(&map, 0x1fff), Some(0x1000..0x2000));
        assert_eq!(find(&map, 0x7000), Some(0x7000..0x9000));
        assert_eq!(find(&map, 0x2000), None);
    }

    #[test]
    fn a_map_that_is_cut_off_or_makes_no_sense_ends_the_search() {
        let map = [entry(144, 0x1000, 0x2000), entry(160, 0x7000, 0x9000)].concat();
        assert_eq!(find(&map[..200], 0x7000), None);
        assert_eq!(find(&entry(0, 0x1000, 0x2000), 0x1000), None);
        assert_eq!(find(&entry(-8, 0x1000, 0x2000), 0x1000), None);
        assert_eq!(find(&[], 0), None);
    }

    #[test]
    fn the_mapping_of_a_local_variable_holds_it() {
        let here = 0u8;
        let address = (&raw const here).addr();
        assert!(mapping(address).is_some_and(|range| range.contains(&address)));
    }
}
