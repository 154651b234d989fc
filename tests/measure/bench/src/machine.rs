//! The machine line.

use crate::sample::Run;
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

pub(crate) fn run() -> Run {
    let processors = available_parallelism().map_or(1, std::num::NonZero::get);
    let machine = [model(), system(), memory()].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    Run {
        machine,
        processors,
        load: load().unwrap_or(0.0),
        versions: vec![format!("extram {}", env!("CARGO_PKG_VERSION")), rustc()],
        command: format!("cargo xtask bench {command}").trim_end().into(),
    }
}

/// The compiler that is there now, which has built this in all likelihood.
fn rustc() -> String {
    let said = Command::new("rustc").arg("--version").output().ok();
    let said = said.and_then(|output| String::from_utf8(output.stdout).ok());
    said.map_or_else(|| "rustc unknown".into(), |said| said.trim().into())
}

fn model() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().into())
}

fn system() -> Option<String> {
    let said = Command::new("uname").arg("-srm").output().ok()?;
    Some(String::from_utf8(said.stdout).ok()?.trim().into())
}

fn memory() -> Option<String> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(format!("{:.0} GiB", kib / f64::from(1 << 20)))
}

/// What else the machine does: the load of the last minute.
fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}
