//! A fake port: threads are puppets that do one thing at a time, sleep until they are let look, and
//! live in a time that passes on command.

use core::ops::Range;
use extram_core::sync::AtomicU32;
use extram_core::{EnterError, Entered, Hooks, M, Pool, Port, Refused, Runtime, StartError, raw};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What the world grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grants {
    /// Thread-local storage.
    pub storage: bool,
    /// Exit hooks.
    pub exit_hook: bool,
    /// The heavy barrier.
    pub barrier: bool,
}

/// The pool in this world.
pub type Yard = &'static Pool<Brittle, World>;

/// What a puppet is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Start the pool.
    Start,
    /// Enter and wait.
    Enter,
    /// Enter and wait for a second at most.
    Timed,
    /// Enter without waiting.
    Try,
    /// Enter as a signal handler does.
    Signal,
    /// Leave the innermost call.
    Leave,
    /// Give the idle M back.
    Unbind,
    /// Drop contexts until so many are spare.
    Trim(u32),
    /// Exit, inside or not; another thread takes the puppet's place.
    Exit,
    /// Close the pool.
    Close,
}

/// As often as the core gives way before it makes an M.
const MOST_YIELDS: u32 = 16;

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It sleeps.
    Asleep,
    /// It is in, on this M, so many calls deep.
    In(u32, u32),
    /// It is not.
    Not(EnterError),
    /// The pool did not start.
    NoStart(StartError),
    /// Whether it could.
    Did(bool),
    /// How many.
    Count(u32),
}

/// A puppet as the world sees it.
#[derive(Debug)]
struct Puppet {
    token: usize,
    /// Thread-local values, by the address of their place.
    values: HashMap<usize, usize>,
    hooked: bool,
    asleep: bool,
    /// It may look whether it has been woken.
    let_look: bool,
    /// How often it gave way since it was last set going.
    yields: u32,
    /// What came of the last order.
    reply: Option<Reply>,
}

#[derive(Debug)]
struct State {
    puppets: Vec<Puppet>,
    grants: Grants,
    next_token: usize,
    time: Duration,
    failing: u32,
    admits: bool,
    made: u32,
    dropped: u32,
    wakes: u32,
}

/// Everything that the threads of one world share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

thread_local! {
    static HERE: RefCell<Option<(Arc<Shared>, usize)>> = const { RefCell::new(None) };
}

/// Reaches into the world of the calling puppet.
fn here<T>(f: impl FnOnce(&mut State, usize) -> T) -> T {
    HERE.with_borrow(|here| {
        let (shared, index) = here.as_ref().expect("a thread of a world");
        f(&mut shared.state.lock().unwrap(), *index)
    })
}

/// The port.
#[derive(Clone, Copy, Debug)]
pub enum World {}

/// Where a pool's thread-local values are, by its address.
#[derive(Debug)]
pub struct Place {
    hooks: AtomicPtr<Hooks>,
    pool: AtomicPtr<()>,
}

impl Place {
    fn key(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
}

// SAFETY: Own thread: values are kept by puppet, and a puppet is one thread. Token: each new thread
// gets a number of its own. Exit hook: `Order::Exit` runs it on that very thread. Barrier: puppets
// run one at a time and hand over through a mutex. Wake: looks at no memory. Signal: there are none.
unsafe impl Port for World {
    fn osyield() {
        // Threads that run one at a time have nothing to wait for: to give way is allowed, for a
        // while.
        here(|state, index| {
            let yields = &mut state.puppets[index].yields;
            *yields += 1;
            assert!(*yields <= MOST_YIELDS, "puppet {index} polls");
        });
    }

    type Local = Place;
    #[allow(clippy::declare_interior_mutable_const)]
    const LOCAL: Place =
        Place { hooks: AtomicPtr::new(core::ptr::null_mut()), pool: AtomicPtr::new(core::ptr::null_mut()) };

    fn tls_open(local: &'static Place, pool: *mut (), hooks: &'static Hooks) -> Result<(), Refused> {
        here(|state, _| {
            state.puppets.iter_mut().for_each(|puppet| _ = puppet.values.remove(&local.key()));
            local.pool.store(pool, SeqCst);
            local.hooks.store((&raw const *hooks).cast_mut(), SeqCst);
            Ok(())
        })
    }

    fn tls_close(local: &'static Place) -> bool {
        local.hooks.store(core::ptr::null_mut(), SeqCst);
        true
    }

    fn tls_get(local: &'static Place) -> *mut () {
        if local.hooks.load(SeqCst).is_null() {
            return core::ptr::null_mut();
        }
        let value = here(|state, index| state.puppets[index].values.get(&local.key()).copied().unwrap_or(0));
        core::ptr::with_exposed_provenance_mut(value)
    }

    fn tls_look(local: &'static Place) -> (*mut (), bool) {
        (Self::tls_get(local), false)
    }

    fn tls_set(local: &'static Place, value: *mut ()) -> Result<(), Refused> {
        if local.hooks.load(SeqCst).is_null() {
            return Err(Refused);
        }
        here(|state, index| {
            if !state.grants.storage && !value.is_null() {
                return Err(Refused);
            }
            state.puppets[index].values.insert(local.key(), value.expose_provenance());
            Ok(())
        })
    }

    const HAS_EXIT_HOOK: bool = true;

    fn exit_hook(local: &'static Place) -> bool {
        here(|state, index| {
            let hooked = state.grants.exit_hook && !local.hooks.load(SeqCst).is_null();
            state.puppets[index].hooked |= hooked;
            hooked
        })
    }

    fn thread_token() -> usize {
        here(|state, index| state.puppets[index].token)
    }

    fn thread_id() -> u64 {
        Self::thread_token() as u64 >> 4
    }

    fn wait(word: &AtomicU32, expected: u32, _: Option<Duration>) {
        let (shared, index) = HERE.with_borrow(|here| here.clone()).expect("a thread of a world");
        let mut state = shared.state.lock().unwrap();
        if word.load(SeqCst) != expected {
            return;
        }
        state.puppets[index].asleep = true;
        shared.changed.notify_all();
        let mut state = shared.changed.wait_while(state, |state| !state.puppets[index].let_look).unwrap();
        state.puppets[index].let_look = false;
        state.puppets[index].asleep = false;
    }

    fn wake(_: *const AtomicU32, count: u32) {
        // Nobody wakes by himself: the test lets them look, late or in vain.
        here(|state, _| state.wakes += count);
    }

    fn now() -> Option<Duration> {
        Some(here(|state, _| state.time))
    }

    fn stack_bounds(_: usize) -> Option<Range<usize>> {
        None
    }

    fn stack_bounds_in_signal(_: usize) -> Option<Range<usize>> {
        None
    }

    const FORKS: bool = true;

    fn forks() -> usize {
        0
    }

    const HAS_HEAVY_BARRIER: bool = true;

    fn heavy_barrier_init() -> bool {
        here(|state, _| state.grants.barrier)
    }

    fn heavy_barrier() -> bool {
        true
    }

    fn in_handler() -> bool {
        false
    }

    fn brief<T>(f: impl FnOnce() -> T) -> T {
        f()
    }
}

/// The runtime: fails when it is told to.
#[derive(Debug)]
pub struct Brittle(Arc<Shared>);

/// What an M carries.
#[derive(Debug)]
pub struct Context(Arc<Shared>);

impl Drop for Context {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().dropped += 1;
    }
}

impl Runtime for Brittle {
    type Context = Context;
    type Error = ();

    fn new_context(&self) -> Result<Context, ()> {
        let mut state = self.0.state.lock().unwrap();
        if state.failing > 0 {
            state.failing -= 1;
            return Err(());
        }
        state.made += 1;
        Ok(Context(self.0.clone()))
    }

    fn try_admit(&self, _: &M<Self>) -> bool {
        self.0.state.lock().unwrap().admits
    }
}

/// A world with its pool and its puppets.
#[allow(missing_debug_implementations)] // a pool has none
pub struct Theatre {
    shared: Arc<Shared>,
    orders: Vec<Sender<Order>>,
    /// The pool.
    pub pool: Yard,
}

impl Theatre {
    /// So many puppets, and a pool that is not started.
    pub fn new(
        puppets: usize,
        grants: Grants,
        shape: impl FnOnce(Pool<Brittle, World>) -> Pool<Brittle, World>,
    ) -> Self {
        let puppet = |index| Puppet {
            token: (index + 1) << 4,
            values: HashMap::new(),
            hooked: false,
            asleep: false,
            let_look: false,
            yields: 0,
            reply: None,
        };
        let state = State {
            puppets: (0..puppets).map(puppet).collect(),
            grants,
            next_token: puppets + 1,
            time: Duration::ZERO,
            failing: 0,
            admits: true,
            made: 0,
            dropped: 0,
            wakes: 0,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let pool: Yard = extram_kept::keep(shape(Pool::new(Brittle(shared.clone()))));
        let orders = (0..puppets).map(|index| play(shared.clone(), index, pool)).collect();
        Theatre { shared, orders, pool }
    }

    /// Gives an order to a puppet that is awake, and waits until it has done so or sleeps.
    pub fn order(&self, index: usize, order: Order) -> Reply {
        self.shared.state.lock().unwrap().puppets[index].yields = 0;
        self.orders[index].send(order).expect("the puppet lives");
        self.settle(index)
    }

    /// Lets a sleeping puppet look whether it has been woken.
    pub fn look(&self, index: usize) -> Reply {
        let mut state = self.shared.state.lock().unwrap();
        assert!(state.puppets[index].asleep);
        state.puppets[index].let_look = true;
        state.puppets[index].yields = 0;
        state.puppets[index].asleep = false;
        drop(state);
        self.shared.changed.notify_all();
        self.settle(index)
    }

    fn settle(&self, index: usize) -> Reply {
        let state = self.shared.state.lock().unwrap();
        let busy = |state: &mut State| {
            let puppet = &state.puppets[index];
            !puppet.asleep && puppet.reply.is_none()
        };
        let (mut state, late) =
            self.shared.changed.wait_timeout_while(state, Duration::from_secs(60), busy).unwrap();
        assert!(!late.timed_out(), "puppet {index} neither comes back nor sleeps");
        state.puppets[index].reply.take().unwrap_or(Reply::Asleep)
    }

    /// Time passes: more than any time-out.
    pub fn pass_time(&self) {
        self.shared.state.lock().unwrap().time += Duration::from_secs(2);
    }

    /// The next so many creations fail.
    pub fn fail(&self, creations: u32) {
        self.shared.state.lock().unwrap().failing = creations;
    }

    /// Whether the runtime admits those who cannot be kept waiting.
    pub fn admit(&self, admits: bool) {
        self.shared.state.lock().unwrap().admits = admits;
    }

    /// Contexts made and dropped so far.
    pub fn contexts(&self) -> (u32, u32) {
        let state = self.shared.state.lock().unwrap();
        (state.made, state.dropped)
    }

    /// Wake-ups so far, for nobody in particular.
    pub fn wakes(&self) -> u32 {
        self.shared.state.lock().unwrap().wakes
    }
}

fn play(shared: Arc<Shared>, index: usize, pool: Yard) -> Sender<Order> {
    let (sender, orders) = channel();
    std::thread::spawn(move || {
        HERE.set(Some((shared.clone(), index)));
        let mut calls: Vec<Entered<Brittle, World>> = Vec::new();
        for order in orders {
            let reply = obey(pool, &shared, index, &mut calls, order);
            shared.state.lock().unwrap().puppets[index].reply = Some(reply);
            shared.changed.notify_all();
        }
        // The test is over, in the middle of something if it has failed.
        calls.into_iter().for_each(core::mem::forget);
    });
    sender
}

fn obey(
    pool: Yard,
    shared: &Arc<Shared>,
    index: usize,
    calls: &mut Vec<Entered<Brittle, World>>,
    order: Order,
) -> Reply {
    let entered = match order {
        Order::Enter => pool.enter(),
        Order::Timed => pool.enter_timeout(Duration::from_secs(1)),
        Order::Try => pool.try_enter(),
        Order::Signal => pool.enter_from_signal(),
        Order::Start => return pool.start().map_or_else(Reply::NoStart, |()| Reply::Did(true)),
        Order::Leave => return Reply::Did(calls.pop().is_some()),
        Order::Unbind => return Reply::Did(pool.unbind()),
        Order::Trim(keep) => return Reply::Count(pool.trim(keep)),
        Order::Close => return Reply::Did(pool.close().is_ok()),
        Order::Exit => {
            for call in calls.drain(..) {
                // SAFETY: nobody uses the M of this call any more.
                unsafe { raw::keep(pool, call) };
            }
            exit(shared, index);
            return Reply::Did(true);
        }
    };
    match entered {
        Ok(call) => {
            let reply = Reply::In(call.id(), call.depth());
            calls.push(call);
            reply
        }
        Err(error) => Reply::Not(error),
    }
}

/// The hook runs as it would on the thread's exit, and a thread that nobody knows takes its place.
fn exit(shared: &Arc<Shared>, index: usize) {
    let values: Vec<(usize, usize)> = {
        let state = shared.state.lock().unwrap();
        let puppet = &state.puppets[index];
        if puppet.hooked {
            puppet.values.iter().map(|(key, value)| (*key, *value)).collect()
        } else {
            Vec::new()
        }
    };
    for (key, value) in values.into_iter().filter(|(_, value)| *value != 0) {
        // SAFETY: the places of pools, which are kept.
        let place = unsafe { &*core::ptr::with_exposed_provenance::<Place>(key) };
        let hooks = place.hooks.load(SeqCst);
        if !hooks.is_null() {
            // SAFETY: what `tls_open` stored, on the thread whose value it is.
            unsafe {
                ((*hooks).at_exit)(place.pool.load(SeqCst), core::ptr::with_exposed_provenance_mut(value));
            }
        }
    }
    let mut state = shared.state.lock().unwrap();
    let token = state.next_token << 4;
    state.next_token += 1;
    let puppet = &mut state.puppets[index];
    puppet.token = token;
    puppet.values.clear();
    puppet.hooked = false;
}
