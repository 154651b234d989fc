//! A port is begun, fails what it has not got yet, and passes when it is filled in: as `ports/README.md` says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn workspace() -> PathBuf {
    toolchain::workspace().to_owned()
}

/// A copy of what git knows, but for what no port is built from.
fn copy() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(listed.status.success(), "{listed:?}");
    for file in String::from_utf8(listed.stdout).unwrap().split('\0').filter(|file| !file.is_empty()) {
        let (from, to) = (workspace().join(file), copy.path().join(file));
        if from.is_file() {
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(from, to).unwrap();
        }
    }
    copy
}

fn new_port(root: &Path, args: &[&str]) -> Output {
    let xtask = Command::new(env!("CARGO_BIN_EXE_xtask-systems"))
        .arg("new-port")
        .args(args)
        .arg("--root")
        .arg(root)
        .output();
    xtask.unwrap()
}

/// Runs the port's tests; whether all passed, and what they said. The target directory stays for the next run.
fn test(root: &Path, name: &str) -> (bool, String) {
    let package = format!("extram-port-{name}");
    let ran = Command::new("cargo")
        .args([
            "test",
            "--offline",
            "--no-fail-fast",
            "-p",
            &package,
            "--test",
            "suite",
            "--",
            "--test-threads=1",
        ])
        .current_dir(root)
        .env("CARGO_TARGET_DIR", workspace().join("target/new-port"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    (ran.status.success(), text.into_owned())
}

#[test]
#[cfg(unix)]
fn a_port_is_begun_fails_scenario_by_scenario_and_passes_when_it_is_filled_in() {
    let copy = copy();
    let root = copy.path();
    let made = new_port(root, &["demo"]);
    assert!(made.status.success(), "{made:?}");
    // The facade builds with it, for every system.
    let built = Command::new("cargo")
        .args(["check", "--offline", "--quiet", "-p", "extram"])
        .current_dir(root)
        .env("CARGO_TARGET_DIR", workspace().join("target/new-port"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    let (passed, said) = test(root, "demo");
    assert!(!passed && said.contains("System::thread_id") && said.contains("System::own_stack"), "{said}");
    assert!(said.contains("threads are stuck"), "nobody is woken: {said}");

    let fill = |file: &str| {
        std::fs::copy(root.join("ports/unix/src").join(file), root.join("ports/demo/src").join(file)).unwrap()
    };
    for file in ["id.rs", "stack.rs"] {
        fill(file);
    }
    let (passed, said) = test(root, "demo");
    assert!(!passed && !said.contains("System::thread_id") && said.contains("threads are stuck"), "{said}");
    fill("wait.rs");
    let (passed, said) = test(root, "demo");
    assert!(passed, "{said}");

    let again = new_port(root, &["demo"]);
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("ports/demo is there already"), "{again:?}");
}

#[test]
fn a_kernel_without_an_operating_system_fails_function_by_function_and_passes_when_it_is_filled_in() {
    let copy = copy();
    let root = copy.path();
    let made = new_port(root, &["demo", "--kind", "bare-metal"]);
    assert!(made.status.success(), "{made:?}");
    let filled = workspace().join("xtask/systems/tests/kernel");
    let steps = [
        ("clock.rs", "now: the clock goes on, and never back: FAILED"),
        ("threads.rs", "join: waits until the thread has ended: skipped: newosproc: cannot start"),
        ("block.rs", "thread_token: tells living threads from each other, and is a multiple of 16: FAILED"),
        ("wait.rs", "wait, wake: a thread waits while the word is as expected, and is woken: FAILED"),
    ];
    for (file, lacking) in steps {
        let (passed, said) = test(root, "demo");
        assert!(!passed && said.contains(lacking), "before {file}: {said}");
        std::fs::copy(filled.join(file), root.join("ports/demo/src").join(file)).unwrap();
    }
    let (passed, said) = test(root, "demo");
    assert!(passed, "{said}");
    // And with threads that say when they end.
    let path = root.join("ports/demo/src/lib.rs");
    let text = std::fs::read_to_string(&path).unwrap();
    let exits = text.replace("const EXITS: bool = false;", "const EXITS: bool = true;");
    assert_ne!(exits, text);
    std::fs::write(path, exits).unwrap();
    let (passed, said) = test(root, "demo");
    assert!(passed, "{said}");
}

#[test]
fn a_port_to_something_else_builds_and_every_scenario_says_what_it_has_not_got() {
    let copy = copy();
    let made = new_port(copy.path(), &["planet", "--kind", "port"]);
    assert!(made.status.success(), "{made:?}");
    let (passed, said) = test(copy.path(), "planet");
    assert!(!passed && said.contains("skipped: tls_open: the port has no"), "{said}");
}
