//! Errors: what a caller can be told, and nothing that a caller could not act on.

use core::fmt;

macro_rules! errors {
    ($($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $text),+ })
            }
        }

        impl core::error::Error for $name {}
    )+};
}

errors! {
    /// Why a thread did not get an M.
    EnterError {
        /// The pool has not been started.
        NotStarted = "the pool has not been started",
        /// No M is spare right now (or admission would block), and the call may not wait.
        WouldBlock = "no M is spare and the call may not wait",
        /// The time ran out.
        TimedOut = "no M became free in time",
        /// No M is spare, and the pool's limit allows no more of them.
        Exhausted = "all Ms that the limit allows are in use",
        /// The runtime could not make another M (or there was no memory for it): an attempt failed while
        /// this thread waited, or the latest one had failed when it came. In the second case nothing is
        /// tried on its behalf: newcomers get this until an M comes back or
        /// [`prewarm`](crate::Pool::prewarm) makes one.
        CreationFailed = "the runtime could not make another M",
        /// More nested calls of this thread, or more waiting threads, than can be counted.
        TooMany = "more calls or waiting threads than can be counted",
        /// The pool has been closed.
        Closed = "the pool is closed",
    }

    /// Why a pool did not start, was not reopened, or could not be warmed up.
    StartError {
        /// It is open already, or somebody else is starting or closing it.
        AlreadyStarted = "the pool is already started",
        /// There is no memory for an M.
        NoMemory = "there is no memory for an M",
        /// The runtime could not make the M.
        CreationFailed = "the runtime could not make an M",
        /// The limit (or the number of slots) allows no more Ms; from `prewarm` also where
        /// [`enter`](crate::Pool::enter) says [`TooMany`](EnterError::TooMany).
        Exhausted = "the limit allows no more Ms",
        /// The slots belong to another pool.
        SlotsInUse = "the slots belong to another pool",
        /// `prewarm` or `reopen` on a pool that is not running.
        NotStarted = "the pool is not running",
        /// The system has no thread-local storage left.
        NoThreadLocal = "the system has no thread-local storage left",
    }

    /// Why a call that has no guard, one from C, was not left. Nothing has changed.
    LeaveError {
        /// The calling thread is in no such call with this M.
        NotHeld = "the calling thread is in no such call with this M",
    }
}

/// An M is in use, being made or waited for (or see [`close`](crate::Pool::close)): the pool cannot be
/// closed to the end yet. It refuses newcomers from now on; call `close` again, or `reopen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an M is still in use")
    }
}

impl core::error::Error for Busy {}
