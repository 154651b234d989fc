//! One thread-local value per pool, under an index of `TlsAlloc`.
//!
//! **Of the thread, not of the fibre.** An M belongs to a thread, so the index is not one of
//! `FlsAlloc`: a fibre that goes on on another thread must find that thread's M, and `FlsFree` would
//! call the hooks of every thread on the one that closes the pool.
//!
//! **Nothing is left behind.** `TlsFree` empties the slot on every thread, so an index that is had again
//! begins with null.

use crate::end;
use crate::error::Preserved;
use crate::slot::Slot;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use extram_core::{Hooks, Refused};
use windows_sys::Win32::System::Threading::{
    TLS_OUT_OF_INDEXES, TlsAlloc, TlsFree, TlsGetValue, TlsSetValue,
};

/// A pool's thread-local value.
#[derive(Debug)]
pub struct Local {
    /// The index plus one; 0 if it is not open.
    key: AtomicU32,
    slot: AtomicPtr<Slot>,
}

/// An index of the process, freed when it is dropped.
pub(crate) struct Index(u32);

impl Index {
    pub(crate) fn new() -> Result<Index, Refused> {
        // SAFETY: no arguments.
        match unsafe { TlsAlloc() } {
            TLS_OUT_OF_INDEXES => Err(Refused),
            index => Ok(Index(index)),
        }
    }

    /// One that was kept.
    pub(crate) fn again(index: u32) -> Index {
        Index(index)
    }

    /// Its number, which is the caller's to free.
    pub(crate) fn keep(self) -> u32 {
        let index = self.0;
        core::mem::forget(self);
        index
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // SAFETY: made by `new`, freed once.
        unsafe { TlsFree(self.0) };
    }
}

/// The calling thread's value under an index that is in use.
#[inline(always)]
pub(crate) fn value(index: u32) -> *mut () {
    // It sets the last error to 0 when there is none.
    let _last_error = Preserved::new();
    // SAFETY: checks the index; reads the thread's block.
    unsafe { TlsGetValue(index) }.cast()
}

/// Stores it.
pub(crate) fn set_value(index: u32, value: *mut ()) -> Result<(), Refused> {
    let _last_error = Preserved::new();
    // SAFETY: checks the index; the value is stored, not read.
    match unsafe { TlsSetValue(index, value.cast()) } {
        0 => Err(Refused),
        _ => Ok(()),
    }
}

impl Local {
    /// Not open yet.
    pub const fn closed() -> Self {
        Local { key: AtomicU32::new(0), slot: AtomicPtr::new(core::ptr::null_mut()) }
    }

    pub(crate) fn open(&'static self, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        let _last_error = Preserved::new();
        end::prepare()?;
        let index = Index::new()?;
        let slot = Slot::open(index.0, pool, hooks)?;
        // Relaxed, here and below: opened and closed by one thread at a time, and published by the pool's
        // opening of its list. A thread that comes earlier finds no index, or an empty value.
        self.slot.store(core::ptr::from_ref(slot).cast_mut(), Ordering::Relaxed);
        self.key.store(index.keep() + 1, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn close(&'static self) -> bool {
        let key = self.key.load(Ordering::Relaxed);
        if key == 0 {
            return true;
        }
        let _last_error = Preserved::new();
        // SAFETY: what `open` stored, a static.
        let slot = unsafe { &*self.slot.load(Ordering::Relaxed) };
        if !slot.shut() {
            return false;
        }
        self.key.store(0, Ordering::Relaxed);
        // Before the slot is: whoever has it next has another index.
        drop(Index(key - 1));
        slot.free();
        true
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> *mut () {
        match self.key.load(Ordering::Relaxed) {
            0 => core::ptr::null_mut(),
            key => value(key - 1),
        }
    }

    #[inline(always)]
    pub(crate) fn set(&self, value: *mut ()) -> Result<(), Refused> {
        match self.key.load(Ordering::Relaxed) {
            0 if value.is_null() => Ok(()),
            0 => Err(Refused),
            // Null where there never was a value may want memory for the slot, and be refused.
            _ if value.is_null() && self.get().is_null() => Ok(()),
            key => set_value(key - 1, value),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.key.load(Ordering::Relaxed) != 0
    }
}
