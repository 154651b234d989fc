//! The machine: its file systems, its loopback interface, its name, its switch.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd as _;

/// Mounts a memory file system that everyone may write to.
pub(crate) fn mount_tmpfs(at: &str) -> io::Result<()> {
    let options = [("fstype", "tmpfs"), ("fspath", at), ("mode", "1777"), ("size", "256m")];
    let words: Vec<CString> = options
        .into_iter()
        .flat_map(|(name, value)| [name, value])
        .map(CString::new)
        .collect::<Result<_, _>>()?;
    let mut vector: Vec<libc::iovec> = words
        .iter()
        .map(|word| libc::iovec {
            iov_base: word.as_ptr().cast_mut().cast(),
            iov_len: word.as_bytes_with_nul().len(),
        })
        .collect();
    // SAFETY: each entry spans a C string of `words`, which lives on; the kernel only reads them.
    let mounted = unsafe { libc::nmount(vector.as_mut_ptr(), vector.len() as libc::c_uint, 0) };
    if mounted == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether a file system has no block left.
pub(crate) fn is_full(at: &str) -> io::Result<bool> {
    let at = CString::new(at)?;
    let mut state = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: a C string, and room for the structure.
    if unsafe { libc::statfs(at.as_ptr(), state.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: statfs has succeeded, so it has filled the room.
    Ok(unsafe { state.assume_init() }.f_bavail <= 0)
}

/// sys/sockio.h: `_IOW('i', 43, struct ifaliasreq)`, in which the structure's size is.
const SIOCAIFADDR: libc::c_ulong = 0x8044_692B;
const _: () = assert!(size_of::<libc::ifaliasreq>() == 0x44);

/// Gives the loopback interface its address, as a system's start scripts do.
pub(crate) fn address_loopback() -> io::Result<()> {
    let (address, mask) = (internet(Ipv4Addr::LOCALHOST), internet(Ipv4Addr::new(255, 0, 0, 0)));
    let mut request = libc::ifaliasreq {
        ifra_name: [0; libc::IFNAMSIZ],
        ifra_addr: address,
        ifra_broadaddr: libc::sockaddr { sa_len: 0, sa_family: 0, sa_data: [0; 14] },
        ifra_mask: mask,
        ifra_vhid: 0,
    };
    for (to, byte) in request.ifra_name.iter_mut().zip(b"lo0") {
        *to = *byte as libc::c_char;
    }
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // SAFETY: the descriptor is open, and the request is of the size that its number has.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCAIFADDR, &raw const request) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A `sockaddr_in` without a port.
fn internet(address: Ipv4Addr) -> libc::sockaddr {
    let mut data = [0; 14];
    for (to, byte) in data[2..].iter_mut().zip(address.octets()) {
        *to = byte as libc::c_char;
    }
    libc::sockaddr { sa_len: 16, sa_family: libc::AF_INET as u8, sa_data: data }
}

/// `FreeBSD 13.2-RELEASE amd64, 2 CPUs`.
pub(crate) fn name() -> String {
    let mut names = MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: room for the structure; all zeroes are a valid one, whether the call fails or not.
    let names = unsafe {
        libc::uname(names.as_mut_ptr());
        names.assume_init()
    };
    let text = |field: &[libc::c_char]| {
        let bytes: Vec<u8> = field.iter().map(|c| *c as u8).take_while(|byte| *byte != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} {} {}, {cpus} CPUs", text(&names.sysname), text(&names.release), text(&names.machine))
}

/// No process leaves a core file behind.
pub(crate) fn forbid_cores() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a valid limit. Without it, core files would fill the file system in memory, which is told then.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
}

/// Kills every other process and takes what they leave.
pub(crate) fn clear() {
    // SAFETY: as process 1 this reaches every process but ourselves and the kernel's; the wait
    // takes no status. It ends when there is no child left.
    unsafe {
        libc::kill(-1, libc::SIGKILL);
        while libc::waitpid(-1, std::ptr::null_mut(), 0) > 0
            || io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
        {}
    }
}

/// Ends the machine. The emulator's exit status tells whether all was well, where it has a port
/// for that.
pub(crate) fn turn_off(well: bool) -> ! {
    #[cfg(target_arch = "x86_64")]
    debug_exit(if well { freebsd_init::WELL } else { freebsd_init::UNWELL });
    let _ = well;
    // SAFETY: nothing is lost: what is to be kept has left by the console.
    unsafe { libc::reboot(libc::RB_POWEROFF | libc::RB_NOSYNC) };
    // Process 1 must not return. The time-out outside finds this.
    loop {
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
}

/// Writes to the port of QEMU's `isa-debug-exit`. Returns if that is not there.
#[cfg(target_arch = "x86_64")]
fn debug_exit(value: u8) {
    // Open, it allows this process to use the ports.
    let Ok(_ports) = std::fs::File::options().read(true).write(true).open("/dev/io") else { return };
    // SAFETY: the port is used by nothing else in this machine, and no memory is touched.
    unsafe {
        std::arch::asm!(
            "out dx, al",
            in("dx") freebsd_init::EXIT_PORT,
            in("al") value,
            options(nomem, nostack, preserves_flags),
        );
    }
}
