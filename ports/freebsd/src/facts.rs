//! What this port takes for granted about FreeBSD's C library, as facts that can be checked.
//!
//! Every constant, structure, type and function of the `libc` crate that the port (and
//! `extram-posix` below it) uses is named here with its value or type. Rust's side is compared
//! with it whenever the port is compiled. FreeBSD's side is compared with it by
//! `cargo xtask test --target x86_64-unknown-freebsd`, which makes a C file of static assertions
//! from this file and compiles it with FreeBSD's own headers; it also finds what is used and not
//! named here.
//!
//! A fact belongs to the header above it; `[a, b]` is the value on amd64 and on arm64.

use crate::barrier::{
    CMD_PRIVATE_EXPEDITED as MEMBARRIER_CMD_PRIVATE_EXPEDITED,
    CMD_REGISTER_PRIVATE_EXPEDITED as MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, Membarrier,
};
use core::mem::{offset_of, transmute};
use libc::*;

/// The header that declares what follows.
macro_rules! header {
    ($name:literal) => {};
}

/// A constant.
macro_rules! value {
    ($name:ident = [$amd64:literal, $arm64:literal]) => {
        const _: () = assert!($name as i64 == if cfg!(target_arch = "aarch64") { $arm64 } else { $amd64 });
    };
    ($name:ident = $value:literal) => {
        const _: () = assert!($name as i64 == $value);
    };
}

/// A constant that is a number cast to a pointer.
macro_rules! pointer {
    ($name:ident = $value:literal) => {
        #[allow(ptr_to_integer_transmute_in_consts)] // the lint is about pointers to something
        // SAFETY: any bits are an integer.
        const _: () = assert!(unsafe { transmute::<*mut c_void, isize>($name) } == $value);
    };
}

/// A type by another name.
macro_rules! alias {
    ($name:ident = $type:ty) => {
        const _: fn($name) -> $type = |value| value;
    };
}

/// The size of a structure or an opaque type, in bytes.
macro_rules! size {
    ($name:ident = $size:literal) => {
        const _: () = assert!(size_of::<$name>() == $size);
    };
}

/// A field's type, and its offset in bytes.
macro_rules! field {
    ($name:ident . $field:ident : $type:ty = $offset:literal) => {
        const _: () = assert!(offset_of!($name, $field) == $offset);
        const _: fn(&$name) -> &$type = |value| &value.$field;
    };
}

/// A function, as the `libc` crate declares it.
macro_rules! function {
    ($name:ident : fn($($argument:ty),*) $(-> $result:ty)?) => {
        const _: unsafe extern "C" fn($($argument),*) $(-> $result)? = $name;
    };
}

/// A function whose type the port declares itself.
macro_rules! declared {
    ($type:ident = $name:ident : fn($($argument:ty),*) $(-> $result:ty)?) => {
        const _: fn($type) -> unsafe extern "C" fn($($argument),*) $(-> $result)? = |function| function;
    };
}

header!("errno.h");
function!(__error: fn() -> *mut c_int);

header!("stdlib.h");
function!(calloc: fn(size_t, size_t) -> *mut c_void);
function!(free: fn(*mut c_void));
function!(malloc: fn(size_t) -> *mut c_void);

header!("dlfcn.h");
pointer!(RTLD_DEFAULT = -2);
function!(dlsym: fn(*mut c_void, *const c_char) -> *mut c_void);

header!("time.h");
value!(CLOCK_MONOTONIC = 4);
alias!(clockid_t = c_int);
alias!(time_t = i64);
size!(timespec = 16);
field!(timespec.tv_sec: time_t = 0);
field!(timespec.tv_nsec: c_long = 8);
function!(clock_gettime: fn(clockid_t, *mut timespec) -> c_int);
function!(nanosleep: fn(*const timespec, *mut timespec) -> c_int);

header!("sched.h");
function!(sched_yield: fn() -> c_int);

header!("unistd.h");
value!(_SC_PAGESIZE = 47);
alias!(pid_t = c_int);
function!(getpid: fn() -> pid_t);
function!(sysconf: fn(c_int) -> c_long);

header!("sys/mman.h");
value!(MAP_ANON = 0x1000);
value!(MAP_PRIVATE = 0x0002);
value!(PROT_READ = 1);
value!(PROT_WRITE = 2);
pointer!(MAP_FAILED = -1);
alias!(off_t = i64);
function!(mmap: fn(*mut c_void, size_t, c_int, c_int, c_int, off_t) -> *mut c_void);
function!(munmap: fn(*mut c_void, size_t) -> c_int);

header!("signal.h");
value!(SIG_SETMASK = 3);
size!(sigset_t = 16);
function!(pthread_sigmask: fn(c_int, *const sigset_t, *mut sigset_t) -> c_int);
function!(sigfillset: fn(*mut sigset_t) -> c_int);

header!("pthread.h");
pointer!(PTHREAD_MUTEX_INITIALIZER = 0);
size!(pthread_mutex_t = 8);
alias!(pthread_key_t = c_int);
size!(pthread_t = 8);
size!(pthread_attr_t = 8);
function!(pthread_atfork: fn(Option<unsafe extern "C" fn()>, Option<unsafe extern "C" fn()>, Option<unsafe extern "C" fn()>) -> c_int);
function!(pthread_attr_destroy: fn(*mut pthread_attr_t) -> c_int);
function!(pthread_attr_getstack: fn(*const pthread_attr_t, *mut *mut c_void, *mut size_t) -> c_int);
function!(pthread_attr_init: fn(*mut pthread_attr_t) -> c_int);
function!(pthread_attr_setstacksize: fn(*mut pthread_attr_t, size_t) -> c_int);
function!(pthread_create: fn(*mut pthread_t, *const pthread_attr_t, extern "C" fn(*mut c_void) -> *mut c_void, *mut c_void) -> c_int);
function!(pthread_getspecific: fn(pthread_key_t) -> *mut c_void);
function!(pthread_join: fn(pthread_t, *mut *mut c_void) -> c_int);
function!(pthread_key_create: fn(*mut pthread_key_t, Option<unsafe extern "C" fn(*mut c_void)>) -> c_int);
function!(pthread_key_delete: fn(pthread_key_t) -> c_int);
function!(pthread_mutex_lock: fn(*mut pthread_mutex_t) -> c_int);
function!(pthread_mutex_unlock: fn(*mut pthread_mutex_t) -> c_int);
function!(pthread_self: fn() -> pthread_t);
function!(pthread_setspecific: fn(pthread_key_t, *const c_void) -> c_int);

header!("pthread_np.h");
function!(pthread_attr_get_np: fn(pthread_t, *mut pthread_attr_t) -> c_int);
function!(pthread_getthreadid_np: fn() -> c_int);

header!("sys/umtx.h");
value!(UMTX_OP_WAIT_UINT_PRIVATE = 15);
value!(UMTX_OP_WAKE_PRIVATE = 16);
size!(_umtx_time = 24);
field!(_umtx_time._timeout: timespec = 0);
field!(_umtx_time._flags: u32 = 16);
field!(_umtx_time._clockid: u32 = 20);
function!(_umtx_op: fn(*mut c_void, c_int, c_ulong, *mut c_void, *mut c_void) -> c_int);

header!("sys/sysctl.h");
value!(CTL_KERN = 1);
value!(KERN_PROC = 14);
value!(KERN_PROC_VMMAP = 32);
function!(sysctlbyname: fn(*const c_char, *mut c_void, *mut size_t, *const c_void, size_t) -> c_int);
function!(sysctl: fn(*const c_int, c_uint, *mut c_void, *mut size_t, *const c_void, size_t) -> c_int);

header!("sys/user.h");
value!(KVME_FLAG_GROWS_DOWN = 0x20);
field!(kinfo_vmentry.kve_structsize: c_int = 0);
field!(kinfo_vmentry.kve_start: u64 = 8);
field!(kinfo_vmentry.kve_end: u64 = 16);
field!(kinfo_vmentry.kve_flags: c_int = 44);
field!(kinfo_vmentry.kve_protection: c_int = 56);

header!("sys/membarrier.h");
value!(MEMBARRIER_CMD_PRIVATE_EXPEDITED = 0x08);
value!(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED = 0x10);
declared!(Membarrier = membarrier: fn(c_int, c_uint, c_int) -> c_int);
