//! DLLs with pools inside, and the end of the process.
#![cfg(windows)]

use std::ffi::{CString, c_int};
use std::process::Command;
use windows_sys::Win32::Foundation::{FreeLibrary, HMODULE};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress, LoadLibraryA};
use windows_sys::Win32::System::Threading::{TlsAlloc, TlsFree};

/// The example `library`, loaded. The tests of this file run one after the other.
struct Library(HMODULE);

static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn path() -> CString {
    let tests = std::env::current_exe().unwrap();
    let library = tests.parent().unwrap().parent().unwrap().join("examples").join("library.dll");
    CString::new(library.to_str().unwrap()).unwrap()
}

impl Library {
    fn load() -> Library {
        // SAFETY: the path of a library of ours.
        let library = unsafe { LoadLibraryA(path().as_ptr().cast()) };
        assert!(!library.is_null(), "{:?}: {}", path(), std::io::Error::last_os_error());
        Library(library)
    }

    fn call(&self, name: &str) -> c_int {
        let name = CString::new(name).unwrap();
        // SAFETY: the library is loaded, and all its functions are of this kind.
        let function: extern "C" fn() -> c_int = unsafe {
            core::mem::transmute(GetProcAddress(self.0, name.as_ptr().cast()).expect("it has the function"))
        };
        function()
    }

    /// Until nobody has it loaded: the barrier's trial holds it for as long as its thread runs.
    fn unload(self) {
        // SAFETY: nobody calls in any more.
        unsafe { FreeLibrary(self.0) };
        for _ in 0..60_000 {
            // SAFETY: a name.
            if unsafe { GetModuleHandleA(c"library.dll".as_ptr().cast()) }.is_null() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        panic!("it stays loaded");
    }
}

/// A thread that makes a call, waits until the library is gone, and ends.
fn outlived(close: bool) {
    let library = Library::load();
    assert_eq!(library.call("library_start"), 0);
    let library = std::sync::Arc::new(library);
    let (called, calls) = std::sync::mpsc::channel();
    let (unloaded, ends) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn({
        let library = library.clone();
        move || {
            assert!(library.call("library_call") > 0);
            drop(library);
            called.send(()).unwrap();
            ends.recv().unwrap();
        }
    });
    calls.recv().unwrap();
    if close {
        assert_eq!(library.call("library_close"), 0, "with a thread's idle M");
    }
    std::sync::Arc::into_inner(library).unwrap().unload();
    unloaded.send(()).unwrap();
    thread.join().unwrap();
}

// SAFETY: a handle may be used by any thread.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

/// Scenario 31.
#[test]
fn a_library_that_is_unloaded_leaves_nothing_behind_in_its_threads() {
    let _alone = ONE_AT_A_TIME.lock();
    // SAFETY: no arguments; an index of ours.
    let next_index = || unsafe {
        let index = TlsAlloc();
        TlsFree(index);
        index
    };
    outlived(true);
    let before = next_index();
    for _ in 0..10 {
        outlived(true);
    }
    assert_eq!(next_index(), before, "an index was not given back");
}

/// Scenario 42.
#[test]
fn a_library_is_unloaded_with_its_pool_open_and_its_thread_ends() {
    let _alone = ONE_AT_A_TIME.lock();
    outlived(false);
}

/// Scenario 33. Two copies are two files.
#[test]
fn two_copies_of_the_library_do_not_see_each_other() {
    let _alone = ONE_AT_A_TIME.lock();
    let first = Library::load();
    let original = path().into_string().unwrap();
    let copy = original.replace("library.dll", "second.dll");
    std::fs::copy(&original, &copy).unwrap();
    // SAFETY: the path of a library of ours.
    let second = Library(unsafe { LoadLibraryA(CString::new(copy).unwrap().as_ptr().cast()) });
    assert!(!second.0.is_null());
    assert_eq!(first.call("library_start"), 0);
    assert_eq!(second.call("library_call"), -1, "it has a pool of its own, which is not started");
    assert_eq!(second.call("library_start"), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(first.call("library_call") > 0 && second.call("library_call") > 0));
    });
    assert_eq!((first.call("library_close"), second.call("library_close")), (0, 0));
    // SAFETY: nobody calls in any more.
    unsafe { FreeLibrary(second.0) };
    first.unload();
}

const CHILD: &str = "EXTRAM_PROCESS_EXIT";

/// Scenario 32. The process ends while threads are inside, and the library makes a call under the
/// loader's lock.
#[test]
fn an_entry_under_the_loaders_lock_at_process_exit_works_or_is_refused() {
    if std::env::var_os(CHILD).is_some() {
        let library: &'static Library = Box::leak(Box::new(Library::load()));
        assert_eq!(library.call("library_start"), 0);
        library.call("library_call_at_end");
        assert!(library.call("library_call") > 0);
        for _ in 0..4 {
            std::thread::spawn(move || {
                loop {
                    library.call("library_call");
                }
            });
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::process::exit(7);
    }
    let _alone = ONE_AT_A_TIME.lock();
    for _ in 0..5 {
        let name = "an_entry_under_the_loaders_lock_at_process_exit_works_or_is_refused";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", name])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert_eq!(child.status.code(), Some(7), "{said}");
        assert!(said.contains("entered at the end: "), "{said}");
    }
}
