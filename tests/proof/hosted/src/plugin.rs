//! The plug-in of `plugin/`, loaded as a host program loads one.

use core::ffi::{CStr, c_char, c_int, c_void};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A copy of the plug-in, loaded.
#[derive(Debug)]
pub struct Plugin {
    handle: *mut c_void,
    file: PathBuf,
}

// SAFETY: handles may be used by any thread, and so may the plug-in.
unsafe impl Send for Plugin {}
// SAFETY: as above.
unsafe impl Sync for Plugin {}

/// The plug-in as it was built: beside this program, or among its dependencies.
fn built() -> PathBuf {
    let program = std::env::current_exe().expect("this program has a path");
    let directory = program.parent().expect("it lies in a directory");
    let name =
        format!("{}extram_hosted_plugin{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    [directory.join(&name), directory.join("deps").join(&name)]
        .into_iter()
        .find(|file| file.exists())
        .expect("the plug-in is built with the tests: cargo test -p extram-hosted")
}

fn error() -> String {
    // SAFETY: null or a string that stays until the next call on this thread.
    unsafe {
        let text = libc::dlerror();
        if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("no zero byte in a path")
}

impl Plugin {
    /// Loads a copy of its own, so that the system does not take it for one that is loaded already.
    pub fn load(name: &str) -> Self {
        let file = std::env::temp_dir().join(format!("extram-plugin-{}-{name}.so", std::process::id()));
        std::fs::copy(built(), &file).expect("the plug-in can be copied");
        // SAFETY: loading runs the constructor, which is ours.
        let handle = unsafe { libc::dlopen(c_path(&file).as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        assert!(!handle.is_null(), "{}", error());
        Plugin { handle, file }
    }

    fn symbol(&self, name: &CStr) -> *mut c_void {
        // SAFETY: a loaded library.
        let symbol = unsafe { libc::dlsym(self.handle, name.as_ptr().cast::<c_char>()) };
        assert!(!symbol.is_null(), "{}", error());
        symbol
    }

    fn ask(&self, name: &CStr) -> c_int {
        // SAFETY: the functions that `ask` is used for have this type.
        let function: extern "C" fn() -> c_int = unsafe { core::mem::transmute(self.symbol(name)) };
        function()
    }

    /// Starts its pool.
    pub fn start(&self) {
        assert_eq!(self.ask(c"plugin_start"), 0);
    }

    /// Enters and leaves: which M it was, or below 0 why not.
    pub fn call(&self) -> c_int {
        self.ask(c"plugin_call")
    }

    /// Closes its pool, if no M is in use.
    pub fn close(&self) -> bool {
        self.ask(c"plugin_close") == 0
    }

    /// How many Ms there are, and how many of them are bound to threads outside.
    pub fn figures(&self) -> (c_int, c_int) {
        (self.ask(c"plugin_created"), self.ask(c"plugin_bound_idle"))
    }

    /// What its constructor was told when it entered.
    pub fn at_load(&self) -> c_int {
        self.ask(c"plugin_at_load")
    }

    /// Its destructor writes there how its entry ended.
    pub fn report_to(&self, file: c_int) {
        // SAFETY: the function has this type.
        let function: extern "C" fn(c_int) =
            unsafe { core::mem::transmute(self.symbol(c"plugin_report_to")) };
        function(file);
    }

    /// Unloads it, and makes sure that it is gone.
    pub fn unload(self) {
        // SAFETY: nobody calls into it any more.
        assert_eq!(unsafe { libc::dlclose(self.handle) }, 0, "{}", error());
        let path = c_path(&self.file);
        // SAFETY: loads nothing.
        let still = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) };
        assert!(still.is_null(), "the plug-in is still loaded");
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}
