//! Values that are never freed, and are no leaks (pools above all, to which threads refer for ever), and sizes.
//! The tests of other packages in the repository have it as `extram-kept`; here it belongs to the package.
#![allow(dead_code, unreachable_pub)] // each test takes what it needs

use std::any::Any;
use std::sync::{Mutex, PoisonError};

/// Everything that was kept. LeakSanitizer takes memory for lost that cannot be reached from a static.
static KEPT: Mutex<Vec<&'static (dyn Any + Sync)>> = Mutex::new(Vec::new());

/// Keeps `value` until the process ends.
pub fn keep<T: Any + Sync>(value: T) -> &'static T {
    let kept: &'static T = Box::leak(Box::new(value));
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
    kept
}

/// `count`, times the factor in `EXTRAM_SCALE` (1 if it is not set), but 1 at least. It is
/// less than 1 under an emulator or a sanitizer, where each thread costs many times as much.
pub fn scaled(count: u32) -> u32 {
    let factor =
        std::env::var("EXTRAM_SCALE").map_or(1.0, |factor| factor.parse().expect("EXTRAM_SCALE is a number"));
    ((f64::from(count) * factor) as u32).max(1)
}
