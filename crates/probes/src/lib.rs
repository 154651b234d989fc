#![doc = include_str!("../README.md")]
#![no_std]

use extram_core::Event;

/// Fires the probe for what [`Runtime::observe`](extram_core::Runtime::observe) was told. `pool` tells the
/// pools of a program apart: an address, a handle.
#[inline]
pub fn told<T: ?Sized>(pool: *const T, event: Event) {
    let pool = pool.addr();
    match event {
        Event::Waiting => probe::probe!(extram, waiting, pool),
        Event::Granted { m } => probe::probe!(extram, granted, pool, m),
        Event::Refused => probe::probe!(extram, refused, pool),
        Event::Entered { m } => probe::probe!(extram, entered, pool, m),
        Event::Making => probe::probe!(extram, making, pool),
        Event::Made { m } => probe::probe!(extram, made, pool, m),
        Event::Failed => probe::probe!(extram, failed, pool),
        Event::Left { m } => probe::probe!(extram, left, pool, m),
        Event::Returned { m } => probe::probe!(extram, returned, pool, m),
        Event::Discarded { m } => probe::probe!(extram, discarded, pool, m),
        _ => {}
    }
}

/// Fires the probe for a pool that has been closed to the end.
#[inline]
pub fn closed<T: ?Sized>(pool: *const T) {
    let pool = pool.addr();
    probe::probe!(extram, closed, pool);
}
