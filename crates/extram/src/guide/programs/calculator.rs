//! A calculator that any thread may call. It stands for your interpreter.

use extram::{M, Pool, Runtime};
use std::cell::RefCell;
use std::collections::TryReserveError;
use std::ffi::{CStr, c_char};

/// What there is once. Yours may have settings, globals, loaded modules here.
struct Calculator;

/// What one M carries. `RefCell`, because `M::context` lends it by `&`.
struct Interpreter {
    heap: RefCell<Vec<i64>>,
}

impl Runtime for Calculator {
    type Context = Interpreter;
    type Error = TryReserveError;

    fn new_context(&self) -> Result<Interpreter, TryReserveError> {
        let mut heap = Vec::new();
        heap.try_reserve(1024)?;
        Ok(Interpreter { heap: RefCell::new(heap) })
    }

    fn failed(&self, error: TryReserveError) {
        eprintln!("no further interpreter: {error}");
    }
}

static POOL: Pool<Calculator> = Pool::new(Calculator);

/// `3 4 + 5 *` is 35. `None` if that is no program.
fn evaluate(m: &M<Calculator>, program: &str) -> Option<i64> {
    let mut heap = m.context().heap.borrow_mut();
    heap.clear();
    for word in program.split_whitespace() {
        let number = match word {
            "+" => heap.pop()?.checked_add(heap.pop()?)?,
            "*" => heap.pop()?.checked_mul(heap.pop()?)?,
            number => number.parse().ok()?,
        };
        heap.push(number);
    }
    heap.pop().filter(|_| heap.is_empty())
}

/// For any thread, in C for instance, whoever created it. -1 if there is no result.
///
/// # Safety
///
/// `program` is a string with a zero at its end.
unsafe extern "C" fn calculate(program: *const c_char) -> i64 {
    // SAFETY: by the caller's promise.
    let Ok(program) = unsafe { CStr::from_ptr(program) }.to_str() else { return -1 };
    POOL.callback(|m| evaluate(m, program)).ok().flatten().unwrap_or(-1)
}

fn main() {
    POOL.start().expect("the first interpreter");
    let calls = || {
        // SAFETY: strings.
        let call = |program: &CStr| unsafe { calculate(program.as_ptr()) };
        assert!((0..1000).all(|_| call(c"3 4 + 5 *") == 35));
        assert_eq!(call(c"+"), -1);
    };
    let threads = [(); 8].map(|()| std::thread::spawn(calls));
    threads.into_iter().for_each(|thread| thread.join().expect("the right numbers"));
    println!("8 threads, {} interpreters", POOL.stats().created);
    POOL.close().expect("nobody is inside");
}
