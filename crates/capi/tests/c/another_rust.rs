//! A second Rust library, by itself: its archive has the standard library in it as libextram.a has.
//! `cargo xtask test --embed` links both into one program (`two_rusts.c`).

use std::collections::HashMap;

/// Takes the allocator, a thread and a panic that is caught.
///
/// # Safety
///
/// Any caller is a right one.
#[unsafe(no_mangle)]
pub extern "C" fn another_rust(by: u32) -> u32 {
    std::panic::set_hook(Box::new(|_| {}));
    let caught = std::panic::catch_unwind(|| panic!("on purpose")).is_err();
    let threads = (0..by).map(|n| std::thread::spawn(move || HashMap::from([(n, n * 2)])));
    let sum = threads.map(|thread| thread.join().unwrap().values().sum::<u32>()).sum::<u32>();
    sum + u32::from(caught)
}

/// A panic that leaves this library.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn another_rust_panics() {
    panic!("in another Rust, on purpose");
}
