//! The bounds of the stack that a thread was created with: pthread_getattr_np(3), which takes a lock of
//! the thread and allocates.

use core::ops::Range;

pub(crate) fn own() -> Option<Range<usize>> {
    if cfg!(miri) {
        // Miri has no such thing.
        return None;
    }
    extram_posix::attributes::own_stack()
}

#[cfg(all(test, not(miri)))]
mod tests {
    extern crate std;

    use super::own;
    use crate::Native;
    use extram_core::Port as _;

    #[test]
    fn the_stack_of_a_local_variable_holds_it() {
        let here = 0u8;
        let address = (&raw const here).addr();
        assert!(Native::stack_bounds_in_signal(address).is_some_and(|range| range.contains(&address)));
        assert!(Native::stack_bounds(address).is_some_and(|range| range.contains(&address)));
        assert_eq!(Native::stack_bounds(address), own());
        assert_eq!(Native::stack_bounds_in_signal(address), own());
    }

    #[test]
    fn another_stack_is_told_by_its_mapping() {
        let heap = std::vec![0u8; 1 << 20];
        let address = heap.as_ptr().addr() + heap.len() / 2;
        // The system joins neighbouring mappings, and others come and go meanwhile; an emulator's list may
        // lack some then.
        let agree = || {
            let told = Native::stack_bounds(address)?;
            let is_it = told.contains(&address) && Some(&told) != own().as_ref();
            (is_it && Native::stack_bounds_in_signal(address) == Some(told)).then_some(())
        };
        assert!((0..1000).any(|_| agree().is_some()));
    }

    #[test]
    fn a_new_threads_stack_is_told() {
        let told = std::thread::spawn(|| {
            let here = 0u8;
            own().map(|range| range.contains(&(&raw const here).addr()))
        });
        assert_eq!(told.join().unwrap(), Some(true));
    }
}
