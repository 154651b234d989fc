//! A program that ends in every way a test program should not. The lane runs it in the guest before
//! the tests, to see that each is told as what it is.

use freebsd_init::frame::{Event, Writer};
use std::io::Write as _;
use std::process::{Command, exit};
use std::time::Duration;

fn main() {
    let way = std::env::args().nth(1).unwrap_or_default();
    match way.as_str() {
        "behaves" => {}
        "fails" => exit(101),
        "aborts" => std::process::abort(),
        "hangs" => std::thread::sleep(Duration::from_secs(100_000)),
        "forges" => forge(),
        "orphans" => orphan(),
        "writes" => write(),
        _ => exit(2),
    }
}

/// Says that all is well and over, in every way it can, and fails.
fn forge() {
    if std::fs::read(freebsd_init::plan::PATH).is_ok() {
        println!("the plan can be read, and with it the nonce");
        exit(50);
    }
    for device in ["/dev/console", "/dev/ttyu0", "/dev/io"] {
        if std::fs::File::options().write(true).open(device).is_ok() {
            println!("{device} can be opened");
            exit(51);
        }
    }
    let mut writer = Writer::new([0; 16]);
    for event in [Event::Hello("forged".into()), Event::Closed(0)] {
        let _ = std::io::stdout().write_all(&writer.frame(&event));
    }
    println!("\nrunning 1 test\n\ntest result: ok. 99 passed; 0 failed; 0 ignored; 0 measured\n");
    exit(3);
}

/// Writes a file that comes back, one that is too large, and a link to what it may not read itself.
fn write() {
    let written = std::fs::create_dir("report")
        .and_then(|()| std::fs::write("report/one.txt", "one\n"))
        .and_then(|()| std::fs::File::create("large")?.set_len(freebsd_init::files::FILE_LIMIT + 1))
        .and_then(|()| std::os::unix::fs::symlink(freebsd_init::plan::PATH, "plan"));
    if let Err(error) = written {
        println!("{error}");
        exit(52);
    }
}

/// Ends well and leaves a process behind that holds its output open.
#[allow(clippy::zombie_processes)] // that is the misbehaviour
fn orphan() {
    let me = std::env::current_exe().expect("a program has a path");
    Command::new(me).arg("hangs").spawn().expect("a second process");
}
