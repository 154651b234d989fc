//! Who is called where nobody is in the way.

use crate::context::{Making, Owned};
use extram::{Binding, M, Native, Pool};
use extram_baselines::{OneAtATime, WaiterCounting};
use extram_capi::{
    EXTRAM_BIND_CALL, EXTRAM_BIND_THREAD, extram_config, extram_enter, extram_leave, extram_m, extram_pool,
    extram_pool_new,
};
use extram_contest::Limited;
use extram_core::StartError;
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

/// Somebody who can be called: makes as many calls as it is told.
pub(crate) type Work = Arc<dyn Fn(u32) + Send + Sync>;

/// Who there is, in the order of the table.
pub(crate) const NAMES: [&str; 14] = [
    "thread-local read",
    "thread_local! context",
    "extram bound",
    "extram nested",
    "extram per call",
    "extram C face, bound",
    "extram C face, per call",
    "one-at-a-time",
    "waiter-counting",
    "mutex",
    "parking-lot",
    "channel",
    "array-queue",
    "r2d2",
];

fn again(call: impl Fn() + Send + Sync + 'static) -> Work {
    Arc::new(move |calls| {
        for _ in 0..calls {
            call();
        }
    })
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

/// A context that goes when its thread does, as an M comes home then.
struct Kept(Owned);

impl Drop for Kept {
    fn drop(&mut self) {
        black_box(&self.0);
    }
}

thread_local! {
    static WORD: Cell<usize> = const { Cell::new(5) };
    static CONTEXT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// One of [`NAMES`], warm.
pub(crate) fn work(name: &str) -> Result<Work, String> {
    let started = |pool: Result<(), StartError>| pool.map_err(|error| error.to_string());
    Ok(match name {
        "thread-local read" => again(|| _ = black_box(WORD.get())),
        "thread_local! context" => again(|| {
            CONTEXT
                .with_borrow_mut(|context| _ = black_box(context.get_or_insert_with(|| Kept(Owned::new()))));
        }),
        "extram bound" => {
            let pool = pool(Binding::Thread)?;
            again(move || _ = black_box(pool.callback(M::id)))
        }
        "extram nested" => {
            let pool = pool(Binding::Thread)?;
            Arc::new(move |calls| {
                let outer = black_box(pool.enter());
                (0..calls).for_each(|_| _ = black_box(pool.callback(M::id)));
                drop(outer);
            })
        }
        "extram per call" => {
            let pool = pool(Binding::Call)?;
            again(move || _ = black_box(pool.callback(M::id)))
        }
        "extram C face, bound" => {
            let face = Face::new(EXTRAM_BIND_THREAD)?;
            again(move || face.call())
        }
        "extram C face, per call" => {
            let face = Face::new(EXTRAM_BIND_CALL)?;
            again(move || face.call())
        }
        "one-at-a-time" => {
            let pool: &OneAtATime<Making, Native> = leak(OneAtATime::new(FREE));
            started(pool.start())?;
            again(move || _ = black_box(pool.callback(M::id)))
        }
        "waiter-counting" => {
            let pool: &WaiterCounting<Making, Native> = leak(WaiterCounting::new(FREE));
            started(pool.start())?;
            again(move || _ = black_box(pool.callback(M::id)))
        }
        name => {
            let limited = Limited::ALL.into_iter().find(|limited| limited.name() == name);
            let limited = limited.ok_or_else(|| format!("{name}: nobody here is called so"))?;
            let pool = limited.full(FREE, 2).map_err(|error| error.to_string())?;
            again(move || _ = black_box(pool.callback(&mut |number, _| _ = black_box(number))))
        }
    })
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
