//! The herd: contexts far above the number of cores, and the handlers that interrupt them.

use crate::ledger::Ledger;
use crate::{Plan, Port};
use core::fmt::Write;
use core::time::Duration;
use extram_core::sync::{AtomicBool, AtomicPtr, AtomicU32, Ordering::SeqCst};
use extram_core::{Binding, M, Pool, Port as _, Slots, Threads as _, raw};

type LedgerPool = Pool<Ledger, Port>;

/// The herd's pools and counters.
pub struct Herd {
    by_call: LedgerPool,
    bound: LedgerPool,
    /// Contexts that take part now.
    crew: AtomicU32,
    /// Entries of each.
    entries: AtomicU32,
    inside: AtomicU32,
    served: AtomicU32,
    finished: AtomicU32,
    /// Ms that were in two hands.
    double: AtomicU32,
    refused: AtomicU32,
    from_handlers: AtomicU32,
    /// Of those: while the interrupted context was inside itself.
    on_top: AtomicU32,
    stop: AtomicBool,
}

/// The pool that handlers enter now, in its herd; null for none.
static FOR_HANDLERS: AtomicPtr<Herd> = AtomicPtr::new(core::ptr::null_mut());

/// For a board's interrupt handlers: enters the herd's pool, as a foreign thread does.
pub fn from_interrupt() {
    // SAFETY: null, or stored from a `&'static Herd` by `interrupts`.
    let Some(herd) = (unsafe { FOR_HANDLERS.load(SeqCst).as_ref() }) else { return };
    match herd.by_call.enter_from_signal() {
        Ok(m) => {
            herd.from_handlers.fetch_add(1, SeqCst);
            // SAFETY: the M is not looked at.
            if unsafe { raw::inside(&herd.by_call) }.is_some() {
                herd.on_top.fetch_add(1, SeqCst);
            }
            herd.alone(&m, || ());
        }
        Err(_) => _ = herd.refused.fetch_add(1, SeqCst),
    }
}

extern "C" fn holds(herd: *mut ()) {
    Herd::of(herd).hold_until_all_are_inside();
}

extern "C" fn comes_and_goes(herd: *mut ()) {
    Herd::of(herd).come_and_go();
}

extern "C" fn stays_busy(herd: *mut ()) {
    Herd::of(herd).stay_busy();
}

impl Herd {
    /// For a `static`.
    pub const fn new<const N: usize>(slots: &'static Slots<Ledger, N>) -> Self {
        Herd {
            by_call: Pool::with_slots(Ledger::new(), slots).binding(Binding::Call),
            bound: Pool::with_slots(Ledger::new(), slots).binding(Binding::Thread),
            crew: AtomicU32::new(0),
            entries: AtomicU32::new(0),
            inside: AtomicU32::new(0),
            served: AtomicU32::new(0),
            finished: AtomicU32::new(0),
            double: AtomicU32::new(0),
            refused: AtomicU32::new(0),
            from_handlers: AtomicU32::new(0),
            on_top: AtomicU32::new(0),
            stop: AtomicBool::new(false),
        }
    }

    fn of(herd: *mut ()) -> &'static Herd {
        // SAFETY: what `crew` handed over, which is static.
        unsafe { &*herd.cast::<Herd>() }
    }

    /// Runs `f` while nobody else has the M, not even a handler that interrupts `f`.
    fn alone(&self, m: &M<Ledger>, f: impl FnOnce()) {
        let me = Port::thread_token();
        let before = m.context().sign(me);
        f();
        if m.context().sign(0) != me || before != 0 || m.depth() != 1 {
            self.double.fetch_add(1, SeqCst);
        }
    }

    fn hold_until_all_are_inside(&'static self) {
        if let Ok(m) = self.by_call.enter() {
            self.alone(&m, || {
                self.inside.fetch_add(1, SeqCst);
                while self.inside.load(SeqCst) < self.crew.load(SeqCst) && !self.stop.load(SeqCst) {
                    Port::usleep(200);
                }
                self.served.fetch_add(1, SeqCst);
            });
        }
        self.finished.fetch_add(1, SeqCst);
    }

    fn come_and_go(&'static self) {
        for pool in [&self.by_call, &self.bound] {
            for entry in 0..self.entries.load(SeqCst) {
                match pool.enter() {
                    Ok(m) => self.alone(&m, || {
                        // Without preemption nobody else on this core would ever find it inside.
                        if entry % 64 == 0 {
                            Port::osyield();
                        }
                    }),
                    // One of the two pools is closed.
                    Err(_) => break,
                }
                self.served.fetch_add(1, SeqCst);
            }
        }
        self.finished.fetch_add(1, SeqCst);
    }

    fn stay_busy(&'static self) {
        while !self.stop.load(SeqCst) {
            for _ in 0..64 {
                if let Ok(m) = self.by_call.enter() {
                    self.alone(&m, || (0..50).for_each(|_| core::hint::spin_loop()));
                }
            }
            // Without preemption nobody else on this core would run.
            Port::osyield();
        }
        self.finished.fetch_add(1, SeqCst);
    }

    /// Starts `count` contexts and waits for them; `false` if they are not all there, or do not end.
    fn crew(
        &'static self,
        count: u32,
        entry: extern "C" fn(*mut ()),
        patience: Duration,
        meanwhile: impl FnOnce(),
    ) -> bool {
        for counter in [&self.inside, &self.served, &self.finished, &self.double, &self.refused] {
            counter.store(0, SeqCst);
        }
        self.stop.store(false, SeqCst);
        self.crew.store(count, SeqCst);
        let mut started = 0;
        let arg = core::ptr::from_ref(self).cast_mut().cast();
        while started < count {
            match Port::newosproc(entry, arg, 0) {
                // Waited for below, all together: there is no room for so many handles.
                Ok(context) => core::mem::forget(context),
                Err(_) => break,
            }
            started += 1;
        }
        meanwhile();
        let begin = Port::now();
        let late = || match (begin, Port::now()) {
            (Some(begin), Some(now)) => now.saturating_sub(begin) > patience,
            _ => false,
        };
        while self.finished.load(SeqCst) < started && !late() {
            Port::usleep(1000);
        }
        self.stop.store(true, SeqCst);
        let ended = extram_test_kernel::reap_all(|| !late());
        started == count && ended
    }

    /// All checks; how many passed, failed, and were skipped.
    pub(crate) fn run(&'static self, plan: &Plan, report: &mut dyn Write) -> (u32, u32, u32) {
        let mut tally = (0, 0, 0);
        let mut check = |report: &mut dyn Write, good: bool| {
            let _ = writeln!(report, "{}", if good { "ok" } else { "FAILED" });
            if good { tally.0 += 1 } else { tally.1 += 1 }
        };
        let contexts = plan.contexts;
        let patience = plan.config.patience;

        let pool = &self.by_call;
        let made = &pool.runtime().made;
        let mut good = pool.start().is_ok();
        pool.runtime().logs.store(contexts <= 32, SeqCst);
        good &= self.crew(contexts, holds, patience, || ());
        pool.runtime().logs.store(false, SeqCst);
        let (made, served, double) = (made.load(SeqCst), self.served.load(SeqCst), self.double.load(SeqCst));
        let _ = write!(
            report,
            "herd of {contexts} contexts, all inside at once: {served} served, {made} Ms made, {double} in two hands: "
        );
        check(report, good && served == contexts && made <= contexts + 1 && double == 0);

        let each = plan.entries / contexts;
        self.entries.store(each, SeqCst);
        for (pool, how) in
            [(&self.by_call, "given back after each call"), (&self.bound, "kept between calls")]
        {
            // The other one is closed; they share their slots.
            let mut good = pool.start().is_ok() || pool.stats().created > 0;
            good &= self.crew(contexts, comes_and_goes, patience, || ());
            let (served, double) = (self.served.load(SeqCst), self.double.load(SeqCst));
            let stats = pool.stats();
            let _ = write!(
                report,
                "{served} entries of {contexts} contexts, Ms {how}: {} Ms made, {double} issued twice: ",
                stats.created
            );
            good &= served == each * contexts && double == 0 && stats.waiting == 0;
            good &= pool.close().is_ok();
            check(report, good);
        }

        if plan.interrupts == 0 {
            let _ =
                writeln!(report, "entries from interrupt handlers: skipped: the board has no such handler");
            tally.2 += 1;
        } else {
            let mut good = self.by_call.start().is_ok();
            self.from_handlers.store(0, SeqCst);
            self.on_top.store(0, SeqCst);
            good &= self.crew(contexts.min(4), stays_busy, patience, || self.interrupts(plan));
            let (entries, on_top) = (self.from_handlers.load(SeqCst), self.on_top.load(SeqCst));
            let (refused, double) = (self.refused.load(SeqCst), self.double.load(SeqCst));
            let _ = write!(
                report,
                "{entries} entries from interrupt handlers, {on_top} of them on top of a call, {refused} refused, {double} issued twice: "
            );
            // Both kinds are seen: a handler that finds the context inside, and one that does not.
            good &= entries >= plan.interrupts && on_top > 0 && on_top < entries && double == 0;
            good &= self.by_call.close().is_ok();
            check(report, good);
        }
        tally
    }

    /// Lets handlers in until as many have entered as the plan wants.
    fn interrupts(&'static self, plan: &Plan) {
        let begin = Port::now().unwrap_or_default();
        FOR_HANDLERS.store(core::ptr::from_ref(self).cast_mut(), SeqCst);
        while self.from_handlers.load(SeqCst) < plan.interrupts
            && Port::now().unwrap_or_default().saturating_sub(begin) < plan.config.patience
        {
            Port::usleep(1000);
        }
        FOR_HANDLERS.store(core::ptr::null_mut(), SeqCst);
        self.stop.store(true, SeqCst);
    }
}
