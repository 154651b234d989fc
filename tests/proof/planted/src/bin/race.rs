//! Two threads write to one word, and nothing orders the writes: ThreadSanitizer has to see it.
//! A bug on purpose; never run it for anything else.

use std::cell::UnsafeCell;

struct Shared(UnsafeCell<u64>);

// SAFETY: none. That is the bug.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared(UnsafeCell::new(0));

fn main() {
    let write = |value| {
        // SAFETY: none, as above.
        unsafe { SHARED.0.get().write_volatile(value) };
    };
    let other = std::thread::spawn(move || write(1));
    write(2);
    other.join().expect("no panic");
    println!("both have written");
}
