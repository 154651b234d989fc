//! Reads memory that was freed: AddressSanitizer and valgrind have to see it.
//! A bug on purpose; never run it for anything else.

fn main() {
    let freed = Box::into_raw(Box::new(7u64));
    // SAFETY: made above.
    drop(unsafe { Box::from_raw(freed) });
    // SAFETY: none. That is the bug.
    let read = unsafe { freed.read_volatile() };
    println!("read {read:#x}");
}
