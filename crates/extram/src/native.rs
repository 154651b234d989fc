//! Which port the target has. The same conditions as in Cargo.toml; the last one takes what is left.

cfg_if::cfg_if! {
    if #[cfg(any(target_os = "android", target_os = "linux"))] {
        use extram_port_linux::Native as ThisSystem;
    } else if #[cfg(target_os = "freebsd")] {
        use extram_port_freebsd::Native as ThisSystem;
    } else if #[cfg(target_os = "netbsd")] {
        use extram_port_netbsd::Native as ThisSystem;
    } else if #[cfg(target_os = "openbsd")] {
        use extram_port_openbsd::Native as ThisSystem;
    } else if #[cfg(target_vendor = "apple")] {
        use extram_port_apple::Native as ThisSystem;
    } else if #[cfg(unix)] {
        use extram_port_unix::Native as ThisSystem;
    } else if #[cfg(target_os = "wasi")] {
        use extram_port_wasi::Native as ThisSystem;
    } else if #[cfg(target_os = "windows")] {
        use extram_port_windows::Windows as ThisSystem;
    } else {
        /// No port: extram has none to this target, so whoever builds for it names one.
        #[derive(Clone, Copy, Debug)]
        pub enum ThisTargetHasNoPort {}
        use ThisTargetHasNoPort as ThisSystem;
    }
}

/// The port to the operating system that this was built for.
pub type Native = ThisSystem;
