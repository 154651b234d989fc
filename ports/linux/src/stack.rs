//! Stack bounds: pthread_getattr_np(3) for the thread's own stack, once, and the process's map for
//! others.

use core::ops::Range;
use extram_posix::errno::Preserved;
use extram_posix::stack;

pub(crate) fn bounds(sp: usize) -> Option<Range<usize>> {
    let _errno = Preserved::new();
    if cfg!(miri) {
        // Miri has neither.
        return None;
    }
    stack::own(ask).filter(|stack| stack.contains(&sp)).or_else(|| crate::proc::mapping(sp))
}

/// Makes system calls only: pthread_getattr_np(3) takes a lock of the thread and allocates.
pub(crate) fn bounds_in_signal(sp: usize) -> Option<Range<usize>> {
    let _errno = Preserved::new();
    stack::known().filter(|stack| stack.contains(&sp)).or_else(|| crate::proc::mapping(sp))
}

/// The stack that the thread was created with.
fn ask() -> Option<Range<usize>> {
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

#[cfg(all(test, not(miri)))]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn the_stack_of_a_local_variable_holds_it() {
        let here = 0u8;
        let address = (&raw const here).addr();
        assert!(bounds_in_signal(address).is_some_and(|range| range.contains(&address)));
        assert!(bounds(address).is_some_and(|range| range.contains(&address)));
        assert_eq!(bounds(address), ask());
        assert_eq!(bounds_in_signal(address), ask());
    }

    #[test]
    fn another_stack_is_told_by_its_mapping() {
        let heap = std::vec![0u8; 1 << 20];
        let address = heap.as_ptr().addr() + heap.len() / 2;
        let told = bounds(address).unwrap();
        assert!(told.contains(&address) && Some(&told) != ask().as_ref());
        assert_eq!(bounds_in_signal(address), Some(told));
    }

    #[test]
    fn a_new_threads_stack_is_told() {
        let told = std::thread::spawn(|| {
            let here = 0u8;
            ask().map(|range| range.contains(&(&raw const here).addr()))
        });
        assert_eq!(told.join().unwrap(), Some(true));
    }
}
