//! Stack bounds: the thread's (or its fibre's) own, and the allocation that holds an address.

use crate::error::Preserved;
use core::mem::MaybeUninit;
use core::ops::Range;
use windows_sys::Win32::System::Memory::{MEM_COMMIT, MEMORY_BASIC_INFORMATION, VirtualQuery};
use windows_sys::Win32::System::Threading::GetCurrentThreadStackLimits;

/// Takes no lock: reads the thread's block, or makes one system call.
pub(crate) fn bounds(sp: usize) -> Option<Range<usize>> {
    let _last_error = Preserved::new();
    let (mut low, mut high) = (0, 0);
    // SAFETY: places for both.
    unsafe { GetCurrentThreadStackLimits(&mut low, &mut high) };
    let own = low..high;
    if own.contains(&sp) { Some(own) } else { allocation(sp) }
}

/// From the allocation's base to the end of the region that holds the address: what lies above it
/// may have another protection, and nobody says that it belongs to the stack.
fn allocation(address: usize) -> Option<Range<usize>> {
    let mut info = MaybeUninit::<MEMORY_BASIC_INFORMATION>::uninit();
    let size = size_of::<MEMORY_BASIC_INFORMATION>();
    // SAFETY: a place for the answer, of that size; the address is not read.
    let info = unsafe {
        if VirtualQuery(core::ptr::without_provenance(address), info.as_mut_ptr(), size) < size {
            return None;
        }
        info.assume_init()
    };
    let high = info.BaseAddress.addr().checked_add(info.RegionSize)?;
    let bounds = info.AllocationBase.addr()..high;
    (info.State == MEM_COMMIT && bounds.contains(&address)).then_some(bounds)
}
