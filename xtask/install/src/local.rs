//! The static library as one object, whose only global names are the header's.
//!
//! rustc's archive has the standard library's own names in it: `rust_eh_personality` and hundreds
//! more. Two such archives in one program either do not link, or one runs the code of the other. So what
//! the functions of the header need is linked into one object (`ld -r`), and every other name is made
//! local to it (`objcopy`).

use crate::archive::Built;
use crate::tools::{Linker, Tools};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use toolchain::command::Command;

/// Links it.
pub(crate) fn object(tools: &Tools, built: &Built, names: &[String], made: &Path) -> Result<PathBuf> {
    let (roots, all, kept) = (made.join("roots"), made.join("all.o"), made.join("names"));
    let object = made.join("extram.o");
    let mut command = tools.compiler().args(["-r", "-nostdlib", "-o"]).arg(&all);
    // The roots: what they need comes out of the archive, and nothing else.
    let wanted = names.iter().map(|name| tools.to_linker(&format!("--undefined={name}\n")));
    std::fs::write(&roots, wanted.collect::<String>())?;
    command = command.arg(format!("@{}", roots.display()));
    if tools.linker == Linker::Gnu {
        // Groups are for a linker that sees another copy of the same; a name that is local has none.
        command = command.arg(tools.to_linker("--force-group-allocation"));
        // With RISC-V's relocations it would spoil the tables by which a panic unwinds.
        if !built.target.starts_with("riscv") {
            command = command.arg(tools.to_linker("--gc-sections"));
        }
    } else if let Some(emulation) = emulation(&built.target) {
        // There is no object yet from which it could know.
        command = command.args(["-m", emulation]);
    }
    command = command.arg(&built.archive);
    if tools.lacks_unwinder {
        command = command.arg(unwinder(&built.target)?);
    }
    command.run()?;
    let mut whole = all.clone();
    if tools.linker == Linker::Gnu {
        // Names that only the code asked for that was dropped are left over from the first time.
        whole = made.join("whole.o");
        tools.compiler().args(["-r", "-nostdlib", "-o"]).args([&whole, &all]).run()?;
    }
    let mut global = names.join("\n") + "\n";
    if tools.linker == Linker::Lld {
        // The group that is left with this linker: local, it would be dropped beside another Rust's.
        global += "DW.ref.rust_eh_personality\n";
    }
    std::fs::write(&kept, global)?;
    tools
        .objcopy()
        .arg(format!("--keep-global-symbols={}", kept.display()))
        // The standard library's bitcode: pieces one after another are none, and make tools stumble.
        .args(["--remove-section=.llvmbc", "--remove-section=.llvmcmd"])
        .args([&whole, &object])
        .run()?;
    Ok(object)
}

/// What lld calls a processor without an operating system.
fn emulation(target: &str) -> Option<&'static str> {
    let names = [
        ("thumb", "armelf"),
        ("arm", "armelf"),
        ("aarch64", "aarch64elf"),
        ("riscv32", "elf32lriscv"),
        ("riscv64", "elf64lriscv"),
        ("x86_64", "elf_x86_64"),
        ("i686", "elf_i386"),
    ];
    let bare = target.contains("-none");
    names.iter().find(|(begin, _)| bare && target.starts_with(begin)).map(|(_, name)| *name)
}

/// Packs it.
pub(crate) fn archive(tools: &Tools, object: &Path, made: &Path) -> Result<PathBuf> {
    let archive = made.join("libextram.a");
    tools.ar().arg("rcsD").args([&archive, object]).run()?;
    Ok(archive)
}

/// The one that Rust brings for musl.
fn unwinder(target: &str) -> Result<PathBuf> {
    let rustc = toolchain::for_target(target, "std")?.rustc();
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).read()?;
    let folder = Path::new(sysroot.trim()).join("lib/rustlib").join(target).join("lib/self-contained");
    let library = folder.join("libunwind.a");
    library.is_file().then_some(library).with_context(|| {
        format!("neither the C compiler nor {} has an unwinder for {target}", folder.display())
    })
}
