//! The server: a process of its own for each variant, so that its peak of memory is its own.
//!
//! It prints its port, serves until its standard input ends, and prints what it came to.

use crate::busiest::{Busiest, Going};
use crate::variant::{Service, Variant, answer};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::error::Error;
use std::ffi::{c_char, c_uint, c_void};
use std::io::{self, Read, Write};
use std::sync::OnceLock;

/// What a server came to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Served {
    pub(crate) states_made: u32,
    /// How many calls, or for a variant in which threads keep their states how many threads with a
    /// state, there were at once at most.
    pub(crate) busiest_moment: u32,
    pub(crate) peak_resident_kib: u64,
}

struct Serving {
    service: &'static Service,
    keeps: bool,
}

static SERVING: OnceLock<Serving> = OnceLock::new();
static CALLS: Busiest = Busiest::new();
static THREADS: Busiest = Busiest::new();

thread_local! {
    static THREAD: RefCell<Option<Going<'static>>> = const { RefCell::new(None) };
}

unsafe extern "C" {
    // In `server.c`.
    fn server_start(connections: c_uint, port: *mut u16) -> *mut c_void;
    fn server_stop(server: *mut c_void);
}

/// The exported function, which the web server's threads call.
///
/// # Safety
///
/// `place` points to `capacity` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn http_answer(number: u32, place: *mut c_char, capacity: usize) -> usize {
    let Some(serving) = SERVING.get() else { return 0 };
    let call = CALLS.begin();
    if serving.keeps {
        THREAD.with_borrow_mut(|thread| {
            thread.get_or_insert_with(|| THREADS.begin());
        });
    }
    let text = answer(serving.service, number);
    drop(call);
    match text {
        Ok(text) if text.len() <= capacity => {
            // SAFETY: `place` has room for `capacity` bytes, and the text is no longer.
            unsafe { place.copy_from_nonoverlapping(text.as_ptr().cast(), text.len()) };
            text.len()
        }
        Ok(text) => {
            eprintln!("http: an answer of {} bytes is too long", text.len());
            0
        }
        Err(error) => {
            eprintln!("http: {error}");
            0
        }
    }
}

pub(crate) fn serve(variant: Variant, connections: u32) -> Result<(), Box<dyn Error>> {
    let service = variant.service()?;
    let serving = SERVING.get_or_init(|| Serving { service, keeps: variant.keeps() });
    let mut port = 0;
    // SAFETY: the port is written before the call returns.
    let server = unsafe { server_start(connections, &raw mut port) };
    if server.is_null() {
        return Err(format!("the web server cannot start: {}", io::Error::last_os_error()).into());
    }
    println!("{port}");
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    // SAFETY: started above, and stopped once.
    unsafe { server_stop(server) };
    let served = Served {
        states_made: service.made().unwrap_or(0),
        busiest_moment: if serving.keeps { THREADS.most() } else { CALLS.most() },
        peak_resident_kib: peak_resident_kib()?,
    };
    println!("{}", serde_json::to_string(&served)?);
    Ok(())
}

/// Of this process. Not `getrusage`'s: on Linux that one begins with the parent's.
fn peak_resident_kib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    Ok(number.ok_or("no VmHWM in /proc/self/status")?)
}
