use extram::{M, Pool, Runtime};
use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::{c_int, c_void};
use std::ptr::{dangling_mut, null, null_mut};

/// What one M carries: an interpreter with its heap. One thread at a time has it.
struct Interpreter {
    calls: Cell<u32>,
}

/// The runtime: how interpreters are made, and what happens on the way in and out.
struct Counting;

impl Runtime for Counting {
    type Context = Interpreter;
    type Error = Infallible;

    fn new_context(&self) -> Result<Interpreter, Infallible> {
        Ok(Interpreter { calls: Cell::new(0) })
    }

    /// The thread is about to run our code: here it would wait for a collection to end.
    fn admit(&self, m: &M<Self>) {
        m.context().calls.update(|calls| calls + 1);
    }
}

static POOL: Pool<Counting> = Pool::new(Counting);

/// What foreign code is given to call. It knows nothing of Ms.
extern "C" fn callback(argument: *mut c_void) -> *mut c_void {
    let done = POOL.callback(|m| println!("call {} of M {}", m.context().calls.get(), m.id()));
    // Every failure is a value: closed, or no M could be made.
    if done.is_ok() { argument } else { null_mut() }
}

// The foreign code: threads that the C library creates.
unsafe extern "C" {
    fn pthread_create(
        thread: *mut usize, attributes: *const c_void,
        start: extern "C" fn(*mut c_void) -> *mut c_void, argument: *mut c_void,
    ) -> c_int;
    fn pthread_join(thread: usize, result: *mut *mut c_void) -> c_int;
}

fn main() {
    POOL.start().expect("one interpreter");
    let mut threads = [0; 8];
    for thread in &mut threads {
        // SAFETY: a place for the thread's name; the callback does not look at its argument.
        assert_eq!(unsafe { pthread_create(thread, null(), callback, dangling_mut()) }, 0);
    }
    for thread in threads {
        let mut result = null_mut();
        // SAFETY: created above, joined once.
        assert_eq!(unsafe { pthread_join(thread, &mut result) }, 0);
        assert!(!result.is_null(), "a callback was turned away");
    }
    POOL.close().expect("nobody is inside");
}
