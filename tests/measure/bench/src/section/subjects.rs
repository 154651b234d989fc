//! Who is called where nobody is in the way.

use crate::context::{Making, Owned};
use extram::{Binding, M, Native, Pool};
use extram_baselines::{OneAtATime, WaiterCounting};
use extram_capi::{
    EXTRAM_BIND_CALL, EXTRAM_BIND_THREAD, extram_config, extram_enter, extram_leave, extram_m, extram_pool,
    extram_pool_new,
};
use extram_contest::Limited;
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

/// Somebody who can be called: `run` makes as many calls as it is told.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) run: Arc<dyn Fn(u32) + Send + Sync>,
}

fn work(name: &'static str, call: impl Fn() + Send + Sync + 'static) -> Work {
    let run = move |calls| {
        for _ in 0..calls {
            call();
        }
    };
    Work { name, run: Arc::new(run) }
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

const FREE: Making = Making(Duration::ZERO);

fn pool(binding: Binding) -> Result<&'static Pool<Making, Native>, String> {
    let pool: &Pool<Making, Native> = leak(Pool::new(FREE).binding(binding));
    pool.start().and_then(|()| pool.prewarm(2)).map_err(|error| error.to_string())?;
    Ok(pool)
}

thread_local! {
    static WORD: Cell<usize> = const { Cell::new(5) };
    static CONTEXT: RefCell<Option<Owned>> = const { RefCell::new(None) };
}

/// All of them, warm.
pub(crate) fn works() -> Result<Vec<Work>, String> {
    let (bound, nested, per_call) = (pool(Binding::Thread)?, pool(Binding::Thread)?, pool(Binding::Call)?);
    let one_at_a_time: &OneAtATime<Making, Native> = leak(OneAtATime::new(FREE));
    let counting: &WaiterCounting<Making, Native> = leak(WaiterCounting::new(FREE));
    one_at_a_time.start().map_err(|error| error.to_string())?;
    counting.start().map_err(|error| error.to_string())?;
    let (c_bound, c_per_call) = (Face::new(EXTRAM_BIND_THREAD)?, Face::new(EXTRAM_BIND_CALL)?);
    let mut works = vec![
        work("thread-local read", || _ = black_box(WORD.get())),
        work("thread_local! context", || {
            CONTEXT.with_borrow_mut(|context| _ = black_box(context.get_or_insert_with(Owned::new)));
        }),
        work("extram bound", move || _ = black_box(bound.callback(M::id))),
        Work {
            name: "extram nested",
            run: Arc::new(move |calls| {
                let outer = black_box(nested.enter());
                (0..calls).for_each(|_| _ = black_box(nested.callback(M::id)));
                drop(outer);
            }),
        },
        work("extram per call", move || _ = black_box(per_call.callback(M::id))),
        work("extram C face, bound", move || c_bound.call()),
        work("extram C face, per call", move || c_per_call.call()),
        work("one-at-a-time", move || _ = black_box(one_at_a_time.callback(M::id))),
        work("waiter-counting", move || _ = black_box(counting.callback(M::id))),
    ];
    for limited in Limited::ALL.into_iter().filter(|limited| !limited.is_extram()) {
        let pool = limited.full(FREE, 2).map_err(|error| error.to_string())?;
        works.push(work(limited.name(), move || {
            _ = black_box(pool.callback(&mut |number, _| _ = black_box(number)));
        }));
    }
    Ok(works)
}

/// A pool of the C face.
#[derive(Clone, Copy)]
struct Face(*mut extram_pool);

// SAFETY: a handle, which any thread may use.
unsafe impl Send for Face {}
// SAFETY: as above.
unsafe impl Sync for Face {}

unsafe extern "C-unwind" fn new_context(_: *mut c_void, context: *mut *mut c_void) -> c_int {
    // SAFETY: the library hands over a place for it.
    unsafe { *context = ptr::dangling_mut::<u8>().cast() };
    0
}

impl Face {
    fn new(binding: u32) -> Result<Face, String> {
        let config = extram_config {
            size: size_of::<extram_config>(),
            runtime: ptr::null_mut(),
            new_context: Some(new_context),
            free_context: None,
            admit: None,
            retire: None,
            max_ms: 0,
            binding,
            try_admit: None,
            observe: None,
            spare_max: 0,
            stacks: 0,
        };
        let mut pool = ptr::null_mut();
        // SAFETY: the configuration is whole and the place for the pool is there.
        match unsafe { extram_pool_new(&raw const config, &raw mut pool) } {
            0 => Ok(Face(pool)),
            code => Err(format!("the C face makes no pool: code {code}")),
        }
    }

    fn call(self) {
        let mut m: *mut extram_m = ptr::null_mut();
        // SAFETY: the place for the M is there; the pool is a handle that may be anything.
        let entered = unsafe { extram_enter(self.0, &raw mut m) };
        assert_eq!(entered, 0, "the C face refuses a call");
        black_box(m);
        extram_leave(self.0, m);
    }
}
