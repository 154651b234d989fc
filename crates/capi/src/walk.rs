//! What any thread may know of a pool: the walk over its Ms, the dump, the version.

use crate::Native;
use crate::boundary::guarded;
use crate::code::extram_code::EXTRAM_INVALID;
use crate::config::extram_m_info;
use crate::config::extram_state::{EXTRAM_BOUND_IDLE, EXTRAM_IN_USE, EXTRAM_SPARE};
use crate::handle::extram_pool;
use crate::pool::find;
use crate::runtime::Foreign;
use core::ffi::{c_char, c_int, c_void};
use core::fmt;
use extram_core::sync::Ordering;
use extram_core::{MState, Observed, Port, raw};

/// The version of the header that a program was compiled with; extram_version returns that of the library.
pub const EXTRAM_VERSION_MAJOR: u32 = 0;
/// See EXTRAM_VERSION_MAJOR.
pub const EXTRAM_VERSION_MINOR: u32 = 1;
/// See EXTRAM_VERSION_MAJOR.
pub const EXTRAM_VERSION_PATCH: u32 = 0;

/// The library's version: major << 16 | minor << 8 | patch, as EXTRAM_VERSION has that of the header. From
/// any context.
#[unsafe(no_mangle)]
pub extern "C" fn extram_version() -> u32 {
    EXTRAM_VERSION_MAJOR << 16 | EXTRAM_VERSION_MINOR << 8 | EXTRAM_VERSION_PATCH
}

/// Calls visit with every M that exists, for collectors and debuggers: complete ones only. Other threads
/// come and go meanwhile. visit may call every function of this header that its context allows. Stops
/// when visit returns anything but 0, and returns that: a negative number is told from the codes. From any
/// context.
///
/// EXTRAM_INVALID also if visit is NULL.
///
/// # Safety
///
/// `visit` may be called with `arg`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_each_m(
    pool: *mut extram_pool,
    visit: Option<unsafe extern "C-unwind" fn(arg: *mut c_void, info: *const extram_m_info) -> c_int>,
    arg: *mut c_void,
) -> c_int {
    guarded(EXTRAM_INVALID as c_int, || {
        let (Ok(at_work), Some(visit)) = (find(pool), visit) else { return EXTRAM_INVALID as c_int };
        let now = Native::now();
        // SAFETY: by the caller's promise.
        let visited = at_work.pool.ms().map(|m| unsafe { visit(arg, &info(&m, now)) });
        visited.into_iter().find(|code| *code != 0).unwrap_or(0)
    })
}

fn info(m: &Observed<Foreign>, now: Option<core::time::Duration>) -> extram_m_info {
    let stack = m.stack.clone().unwrap_or(0..0);
    let since = now.zip(m.held_for).map_or(0, |(now, held)| now.saturating_sub(held).as_nanos() as u64);
    // SAFETY: the M's memory is there as long as the pool is, and the two fields are read as what they
    // are only ever written as (Seen).
    let (context, user) = unsafe {
        let context = m.context_ptr();
        ((*context).pointer.load(Ordering::Relaxed), (*context).user.load(Ordering::Relaxed))
    };
    extram_m_info {
        size: size_of::<extram_m_info>(),
        id: m.id,
        state: match m.state {
            MState::InUse => EXTRAM_IN_USE,
            MState::BoundIdle => EXTRAM_BOUND_IDLE,
            _ => EXTRAM_SPARE,
        } as u32,
        depth: m.depth,
        thread_id: m.thread_id,
        since_ns: since,
        stack_low: stack.start,
        stack_high: stack.end,
        context,
        user,
    }
}

/// Writes what there is to know of the pool, for a person to read: its figures, how many wait, up to eight
/// of those by thread and time, and each M with its number, state, thread, depth and stack. write gets it
/// in pieces: length bytes of text, without a zero at the end. Stops when write returns anything but 0, and
/// returns that. The text may change with every version. From any context, as far as write may be called
/// there.
///
/// EXTRAM_INVALID also if write is NULL.
///
/// # Safety
///
/// `write` may be called with `arg`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn extram_dump(
    pool: *mut extram_pool,
    write: Option<unsafe extern "C-unwind" fn(arg: *mut c_void, text: *const c_char, length: usize) -> c_int>,
    arg: *mut c_void,
) -> c_int {
    guarded(EXTRAM_INVALID as c_int, || {
        let (Ok(at_work), Some(write)) = (find(pool), write) else { return EXTRAM_INVALID as c_int };
        let mut code = 0;
        let mut piece = |text: &str| {
            // SAFETY: by the caller's promise.
            code = unsafe { write(arg, text.as_ptr().cast(), text.len()) };
            if code == 0 { Ok(()) } else { Err(fmt::Error) }
        };
        // An error is `write`'s, and its code is kept.
        let _ = raw::dump(at_work.pool, &mut piece);
        code
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_that_of_the_package() {
        let [major, minor, patch] = [
            env!("CARGO_PKG_VERSION_MAJOR"),
            env!("CARGO_PKG_VERSION_MINOR"),
            env!("CARGO_PKG_VERSION_PATCH"),
        ]
        .map(|number| number.parse::<u32>().expect("a number"));
        assert_eq!(super::extram_version(), major << 16 | minor << 8 | patch);
    }
}
