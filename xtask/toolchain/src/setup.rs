//! `cargo xtask setup`: installs what the lanes need, or names it.
//!
//! On Debian (and its kin) as root it installs; elsewhere it prints what to install. What it cannot
//! get it names, and the lanes that need it skip themselves.

use crate::command::{Command, which};
use anyhow::{Result, bail};

/// Debian packages, and who needs them.
struct Need {
    lane: Lane,
    packages: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    Host,
    BareMetal,
    FreeBsd,
    FreeBsdArm,
    Sanitizers,
    Windows,
    Runtimes,
}

const NEEDS: &[Need] = &[
    Need {
        lane: Lane::Host,
        packages: &[
            "gcc",
            "g++",
            "gdb",
            "libc6-dev",
            "make",
            "cmake",
            "meson",
            "ninja-build",
            "mandoc",
            "debhelper",
            "dpkg-dev",
            "fakeroot",
            "pkg-config",
            "strace",
            "spin",
            "libmicrohttpd-dev",
            "musl-tools",
        ],
    },
    Need {
        lane: Lane::BareMetal,
        packages: &[
            "rustc-web",
            "cargo-web",
            "rust-web-src",
            "lld",
            // llvm-objcopy and llvm-ar, which take every processor.
            "llvm",
            // For FreeRTOS, which is C.
            "clang",
            "qemu-system-arm",
            "qemu-system-misc",
        ],
    },
    Need {
        lane: Lane::FreeBsd,
        packages: &[
            "rustc-web",
            "cargo-web",
            "rust-web-src",
            "clang",
            "lld",
            "makefs",
            "mtools",
            "ovmf",
            "qemu-system-x86",
            "python3-venv",
        ],
    },
    // The linkers with their import libraries, and what runs the programs.
    Need {
        lane: Lane::Windows,
        packages: &["gcc-mingw-w64-x86-64", "binutils-mingw-w64-i686", "wine", "wine64"],
    },
    // To boot one, where a base is given.
    Need { lane: Lane::FreeBsdArm, packages: &["qemu-system-arm", "qemu-efi-aarch64"] },
    // A CPython of 3.12 or later is what this gets from Debian 13 on. Lua is compiled in C for a board.
    Need {
        lane: Lane::Runtimes,
        packages: &["libpython3-dev", "gcc-arm-none-eabi", "picolibc-arm-none-eabi", "qemu-system-arm"],
    },
    Need {
        lane: Lane::Sanitizers,
        packages: &[
            "rustc-web",
            "cargo-web",
            "rust-web-src",
            // The LLVM of rustc-web.
            "clang-22",
            "libclang-rt-22-dev",
            "lld-22",
            "llvm-22",
            "valgrind",
        ],
    },
];

/// Installs what the tests of the host need; of a target, if one is named; of all of them.
pub fn setup(target: Option<&str>, all: bool) -> Result<()> {
    let wanted = |lane: Lane| all || lane.is_of(target);
    let needs = NEEDS.iter().filter(|need| wanted(need.lane));
    let wanted: Vec<&str> = needs.flat_map(|need| need.packages).copied().collect();
    // Of such a target the caller may know more, or that there is none.
    if wanted.is_empty() { Ok(()) } else { packages(wanted) }
}

/// Installs those that are not there.
pub fn packages(mut packages: Vec<&str>) -> Result<()> {
    packages.sort_unstable();
    packages.dedup();
    packages.retain(|package| !installed(package));
    if packages.is_empty() {
        println!("nothing to install");
        return Ok(());
    }
    install(&packages)
}

impl Lane {
    fn is_of(self, target: Option<&str>) -> bool {
        match (target, self) {
            (None, Lane::Host) => true,
            (None, _) => false,
            (Some(target), Lane::FreeBsd) => target.ends_with("-freebsd"),
            (Some(target), Lane::FreeBsdArm) => target == "aarch64-unknown-freebsd",
            (Some(target), Lane::Windows) => target.contains("-windows-"),
            (Some(target), Lane::BareMetal) => target.contains("-none"),
            (Some(_), _) => false,
        }
    }
}

fn install(packages: &[&str]) -> Result<()> {
    if !can_install() {
        bail!("install these (Debian's names), or run this as root: {}", packages.join(" "));
    }
    let apt = |args: &[&str]| Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive");
    apt(&["update", "-qq"]).run()?;
    apt(&["install", "-y", "-qq", "--no-install-recommends"]).args(packages).run()
}

fn installed(package: &str) -> bool {
    let query = Command::new("dpkg-query").args(["-W", "-f", "${Status}", package]);
    query.read().is_ok_and(|status| status.contains("ok installed"))
}

fn can_install() -> bool {
    which("apt-get").is_some() && Command::new("id").arg("-u").read().is_ok_and(|id| id.trim() == "0")
}
