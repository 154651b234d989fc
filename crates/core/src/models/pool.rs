//! A pool of the models: its runtime, and a pool that is freed when the model is over.

use crate::models::port::ModelPort;
use crate::sync::{AtomicU32, Ordering};
use crate::{Binding, Event, M, Observed, Pool, Runtime, Slots};
use core::ops::Range;
use loom::cell::UnsafeCell;
use std::boxed::Box;
use std::sync::Arc;

/// What a model may do while a function of the runtime runs.
pub(super) type Foreign = Arc<dyn Fn(Moment) + Send + Sync>;

/// Which function that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Observing(Event),
    Making,
    Dropping,
}

/// Makes contexts; those of the attempts whose bits are set in `failing` cannot be made (the first M's is
/// attempt 0; the last bit stands for all that come after 31).
pub(super) struct ModelRuntime {
    foreign: Option<Foreign>,
    failing: u32,
    /// loom's, because which thread's attempt fails depends on it.
    attempts: AtomicU32,
    /// Not loom's: read at the end.
    made: std::sync::atomic::AtomicU32,
}

/// loom reports two accesses that are not ordered.
pub(super) struct Context(UnsafeCell<u32>, Option<Foreign>);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the model's question, as in `work`.
        self.0.with_mut(|payload| unsafe { *payload = 0 });
        if let Some(foreign) = &self.1 {
            foreign(Moment::Dropping);
        }
    }
}

// SAFETY: loom's cell is a pointer to what it guards, and goes where the M goes.
unsafe impl Send for Context {}

impl Runtime for ModelRuntime {
    type Context = Context;
    type Error = ();
    const SINCE: bool = true;

    fn new_context(&self) -> Result<Context, ()> {
        if let Some(foreign) = &self.foreign {
            foreign(Moment::Making);
        }
        if self.failing != 0 {
            // Relaxed: a number.
            let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
            if self.failing >> attempt.min(31) & 1 != 0 {
                return Err(());
            }
        }
        self.made.fetch_add(1, Ordering::Relaxed);
        let payload = UnsafeCell::new(0);
        // A write that loom keeps in mind: it has to happen before every read.
        // SAFETY: nobody else knows it yet.
        payload.with_mut(|payload| unsafe { *payload = 1 });
        Ok(Context(payload, self.foreign.clone()))
    }

    fn observe(&self, event: Event) {
        if let Some(foreign) = &self.foreign {
            foreign(Moment::Observing(event));
        }
    }
}

impl ModelRuntime {
    pub(super) fn new() -> Self {
        Self::with(None)
    }

    pub(super) fn with_foreign(foreign: Foreign) -> Self {
        Self::with(Some(foreign))
    }

    fn with(foreign: Option<Foreign>) -> Self {
        Self { foreign, failing: 0, attempts: AtomicU32::new(0), made: std::sync::atomic::AtomicU32::new(0) }
    }
}

/// What a callback does with its M.
pub(super) fn work(m: &M<ModelRuntime>) {
    // SAFETY: the model's question; loom panics if the answer is no.
    m.context().0.with_mut(|payload| unsafe { *payload += 1 });
}

/// Two threads that enter, work, and never leave: loom's own, whose exit does not bring their Ms home.
pub(super) fn two_that_stay(pool: &'static SharedPool) -> [loom::thread::JoinHandle<()>; 2] {
    let stay = move || {
        let inside = pool.enter().unwrap();
        work(&inside);
        core::mem::forget(inside);
    };
    [(); 2].map(|()| loom::thread::spawn(stay))
}

/// What an observer does with an M.
pub(super) fn read(m: &Observed<ModelRuntime>) {
    // SAFETY: as in `work`, and nobody drops the context.
    unsafe { (*m.context_ptr()).0.with(|payload| _ = *payload) };
}

/// What a [`ModelPool`] without a heavy barrier lends.
pub(super) type SharedPool = Pool<ModelRuntime, ModelPort<false>>;

/// A started pool.
pub(super) struct ModelPool<const BARRIER: bool>(*mut Pool<ModelRuntime, ModelPort<BARRIER>>);

// SAFETY: a pointer to a pool, which threads share; freed by the one that has this.
unsafe impl<const BARRIER: bool> Send for ModelPool<BARRIER> {}

impl<const BARRIER: bool> ModelPool<BARRIER> {
    pub(super) fn new(binding: Binding, limit: u32) -> Self {
        Self::failing_at(binding, limit, 0)
    }

    /// The attempts `failing` to make an M fail.
    pub(super) fn failing(binding: Binding, limit: u32, failing: Range<u32>) -> Self {
        let bits = (failing.start..failing.end.min(32)).map(|attempt| 1 << attempt);
        Self::failing_at(binding, limit, bits.sum())
    }

    /// Those fail whose bits are set.
    pub(super) fn failing_at(binding: Binding, limit: u32, failing: u32) -> Self {
        Self::started(
            Pool::new(ModelRuntime { failing, ..ModelRuntime::new() }).binding(binding).limit(limit),
        )
    }

    /// `foreign` runs in the functions of the runtime.
    pub(super) fn with(
        binding: Binding,
        limit: u32,
        foreign: impl Fn(Moment) + Send + Sync + 'static,
    ) -> Self {
        let runtime = ModelRuntime::with_foreign(Arc::new(foreign));
        Self::started(Pool::new(runtime).binding(binding).limit(limit))
    }

    /// At most `spare_max` Ms stay spare.
    pub(super) fn with_spare_max(binding: Binding, limit: u32, spare_max: u32) -> Self {
        let pool = Pool::new(ModelRuntime::new()).binding(binding).limit(limit);
        Self::started(pool.spare_max(spare_max))
    }

    fn started(pool: Pool<ModelRuntime, ModelPort<BARRIER>>) -> Self {
        let model = ModelPool(Box::into_raw(Box::new(pool)));
        model.get().start().expect("the first M can be made");
        model
    }

    pub(super) fn get(&self) -> &'static Pool<ModelRuntime, ModelPort<BARRIER>> {
        // SAFETY: freed by `end` alone.
        unsafe { &*self.0 }
    }

    /// How many Ms have been made.
    pub(super) fn made(&self) -> u32 {
        self.get().runtime().made.load(Ordering::Relaxed)
    }

    /// Frees the pool, when all threads of the model have ended, or by the leave of `close`. loom reports
    /// an access to a word of it that is not ordered before.
    pub(super) fn end(self) {
        // SAFETY: it came from a box; the rest is the model's question.
        drop(unsafe { Box::from_raw(self.0) });
    }

    /// The same, and the pool is at rest before: no M lost, nobody counted; `close` succeeds.
    pub(super) fn end_at_rest(self) {
        let stats = self.get().stats();
        assert_eq!((stats.waiting, stats.creating, stats.in_use), (0, 0, 0), "{stats:?}");
        assert_eq!(stats.created, stats.spare + stats.bound_idle, "{stats:?}");
        assert_eq!(self.get().close(), Ok(()), "{stats:?}");
        self.end();
    }
}

/// Slots for pools one after the other.
pub(super) struct Room<const N: usize>(*mut Slots<ModelRuntime, N>);

impl<const N: usize> Room<N> {
    pub(super) fn new() -> Self {
        Room(Box::into_raw(Box::new(Slots::new())))
    }

    /// A pool that is not started.
    pub(super) fn pool(&self, binding: Binding) -> ModelPool<false> {
        // SAFETY: freed by `end` alone.
        let slots = unsafe { &*self.0 };
        ModelPool(Box::into_raw(Box::new(Pool::with_slots(ModelRuntime::new(), slots).binding(binding))))
    }

    /// When the pools are gone.
    pub(super) fn end(self) {
        // SAFETY: made in `new`; nobody uses it any more.
        drop(unsafe { Box::from_raw(self.0) });
    }
}
