//! The runtime: each M carries a page of calls, which only its holder writes on.

use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use extram_core::{M, Runtime};
use extram_port_bare_metal::arch::cortex_m::in_handler;

/// What an M carries.
#[derive(Debug)]
pub struct Page {
    held: AtomicBool,
    /// Not an atomic: a page that two hold at once loses calls.
    calls: Cell<u32>,
}

/// Calls on all pages that are gone.
static ON_PAGES: AtomicU32 = AtomicU32::new(0);

pub(crate) fn on_pages() -> u32 {
    ON_PAGES.load(SeqCst)
}

impl Drop for Page {
    fn drop(&mut self) {
        ON_PAGES.fetch_add(self.calls.get(), SeqCst);
    }
}

/// The runtime.
#[derive(Debug)]
pub struct Ledger {
    pub(crate) made: AtomicU32,
    pub(crate) made_in_handler: AtomicU32,
    /// Pages that two held at once.
    pub(crate) double: AtomicU32,
}

impl Ledger {
    pub(crate) const fn new() -> Self {
        Ledger { made: AtomicU32::new(0), made_in_handler: AtomicU32::new(0), double: AtomicU32::new(0) }
    }

    /// Takes the M's page, which nobody else has.
    pub fn take(&self, m: &M<Ledger>) {
        let taken = m.context().held.swap(true, SeqCst);
        self.double.fetch_add(taken.into(), SeqCst);
    }

    /// Gives it back, with one call more on it.
    pub fn give(&self, m: &M<Ledger>) {
        self.note(m);
        let taken = m.context().held.swap(false, SeqCst);
        self.double.fetch_add((!taken).into(), SeqCst);
    }

    /// One call more on a page that the caller has, or somebody around it.
    pub fn note(&self, m: &M<Ledger>) {
        let calls = &m.context().calls;
        calls.set(calls.get() + 1);
    }
}

impl Runtime for Ledger {
    type Context = Page;
    type Error = core::convert::Infallible;

    fn new_context(&self) -> Result<Page, Self::Error> {
        self.made.fetch_add(1, SeqCst);
        self.made_in_handler.fetch_add(in_handler().into(), SeqCst);
        Ok(Page { held: AtomicBool::new(false), calls: Cell::new(0) })
    }
}
