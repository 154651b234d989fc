//! Values that are never freed, and are no leaks: pools above all, to which threads refer for ever.

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
