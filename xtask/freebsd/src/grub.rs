//! GRUB in the place of FreeBSD's loader, for a base that is only a kernel: its command `kfreebsd`
//! loads an amd64 kernel, and a root file system into memory beside it.

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use toolchain::command::{Command, which};

/// Where GRUB's parts for UEFI on amd64 are.
const PARTS: &str = "/usr/lib/grub/x86_64-efi";

/// What goes into the image. Without `acpi` and what it leaves in low memory, the kernel finds
/// neither interrupt controllers nor the second processor under UEFI.
const MODULES: &[&str] =
    &["acpi", "boot", "bsd", "echo", "fat", "halt", "search", "search_fs_file", "serial", "terminal"];

/// What GRUB is told to do. The loader's part in finding the console is done here, too. A command
/// that fails is told on the console; without a kernel the machine then ends.
const SCRIPT: &str = "\
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
search --set=root --file /boot/kernel/kernel
acpi
kfreebsd /boot/kernel/kernel -h
kfreebsd_module /boot/root.img type=mfs_root
set kFreeBSD.vfs.root.mountfrom=ufs:/dev/md0
set kFreeBSD.console=comconsole
set kFreeBSD.hw.uart.console=io:0x3f8,br:115200
set kFreeBSD.debug.debugger_on_panic=0
set kFreeBSD.kern.panic_reboot_wait_time=0
boot
halt
";

/// The program that makes images, if it and the parts are here.
pub(crate) fn find() -> Option<PathBuf> {
    which("grub-mkimage").filter(|_| Path::new(PARTS).join("bsd.mod").is_file())
}

/// Makes a UEFI program that boots `/boot/kernel/kernel` with `/boot/root.img` from the disk that
/// has them.
pub(crate) fn image(dir: &Path) -> Result<PathBuf> {
    let Some(grub) = find() else {
        bail!(
            "GRUB would do for a bare kernel, and is not here (Debian's grub-common and grub-efi-amd64-bin)"
        );
    };
    let script = dir.join("grub.cfg");
    std::fs::write(&script, SCRIPT)?;
    let image = dir.join("grub.efi");
    let make = Command::new(grub).args(["-O", "x86_64-efi", "-d", PARTS, "-p", "/boot", "-c"]).arg(script);
    make.arg("-o").arg(&image).args(MODULES).run()?;
    Ok(image)
}
