//! Runs the programs of the plan, one after the other.

use crate::console::Console;
use crate::machine;
use freebsd_init::files;
use freebsd_init::frame::{BODY_LIMIT, Ending, Event, Stream, Trouble};
use freebsd_init::plan::{self, Plan, Program};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::chown;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// FreeBSD's `nobody`. The programs are not root: see [`freebsd_init::frame`].
const NOBODY: u32 = 65534;

/// How long a look at the pipes waits before it looks at the process.
const STEP_MS: libc::c_int = 20;

pub(crate) fn all(console: &mut Console) -> io::Result<()> {
    let plan = std::fs::read_to_string(plan::PATH)
        .map_err(|error| io::Error::other(format!("{}: {error}", plan::PATH)))?;
    let plan = Plan::from_text(&plan).map_err(io::Error::other)?;
    console.begin(plan.nonce);
    console.tell(&Event::Hello(machine::name()))?;
    if let Err(error) = prepare(&plan.scratch) {
        console.tell(&Event::Trouble(Trouble::System, error.to_string()))?;
        return Err(error);
    }
    if let Err(error) = machine::address_loopback() {
        // What needs it will tell; this says why.
        console.complain(&format!("no address for lo0: {error}"));
    }
    let mut run = 0;
    for (index, program) in (0..).zip(&plan.programs) {
        console.tell(&Event::Started(index))?;
        let ending = one(program, &plan, console)?;
        console.tell(&Event::Ended(ending))?;
        run += 1;
        if machine::is_full(&plan.scratch)? {
            let text = format!("{} has no room left", plan.scratch);
            console.tell(&Event::Trouble(Trouble::DiskFull, text))?;
            break;
        }
    }
    console.tell(&Event::Closed(run))
}

fn prepare(scratch: &str) -> io::Result<()> {
    machine::forbid_cores();
    machine::mount_tmpfs(scratch).map_err(|error| io::Error::other(format!("tmpfs on {scratch}: {error}")))
}

/// Runs one program to its end. Nothing of it is left then.
fn one(program: &Program, plan: &Plan, console: &mut Console) -> io::Result<Ending> {
    let started = spawn(program, plan);
    let ending = match started {
        Ok(mut child) => follow(&mut child, program.limit_s, console),
        Err(error) => Ok(Ending::NotStarted(error.raw_os_error().unwrap_or(0))),
    };
    machine::clear();
    if program.files && folder(plan).is_dir() {
        // Nobody writes any more.
        files::tell(&folder(plan), &mut |event| console.tell(&event))?;
        std::fs::remove_dir_all(folder(plan))?;
    }
    ending
}

/// Where a program's files are, if it has some.
fn folder(plan: &Plan) -> PathBuf {
    Path::new(&plan.scratch).join(plan::FILES)
}

fn spawn(program: &Program, plan: &Plan) -> io::Result<Child> {
    let mut args = program.args.iter().map(|arg| OsStr::from_bytes(arg));
    let path = args.next().ok_or(io::ErrorKind::NotFound)?;
    let mut dir = PathBuf::from(&plan.scratch);
    if program.files {
        dir = folder(plan);
        std::fs::create_dir(&dir)?;
        chown(&dir, Some(NOBODY), Some(NOBODY))?;
    }
    Command::new(path)
        .args(args)
        .env_clear()
        .envs([("HOME", &*plan.scratch), ("TMPDIR", &*plan.scratch)])
        .envs([("PATH", "/bin:/usr/bin"), ("RUST_BACKTRACE", "1")])
        .envs(plan.env.iter().map(|(name, value)| (name, value)))
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .uid(NOBODY)
        .gid(NOBODY)
        .spawn()
}

fn follow(child: &mut Child, limit_s: u32, console: &mut Console) -> io::Result<Ending> {
    let deadline = Instant::now() + Duration::from_secs(limit_s.into());
    let mut out = child.stdout.take();
    let mut err = child.stderr.take();
    let mut status: Option<ExitStatus> = None;
    let mut late = false;
    while status.is_none() || out.is_some() || err.is_some() {
        // Poll passes over a negative descriptor.
        let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut fds = [
            entry(out.as_ref().map_or(-1, |pipe| pipe.as_raw_fd())),
            entry(err.as_ref().map_or(-1, |pipe| pipe.as_raw_fd())),
        ];
        // SAFETY: two entries, whose descriptors are open or negative.
        unsafe { libc::poll(fds.as_mut_ptr(), 2, STEP_MS) };
        if fds[0].revents != 0 {
            pass_on(&mut out, Stream::Out, console)?;
        }
        if fds[1].revents != 0 {
            pass_on(&mut err, Stream::Err, console)?;
        }
        if status.is_none() {
            status = child.try_wait()?;
            late |= status.is_none() && Instant::now() > deadline;
            if status.is_some() || late {
                // What it has started may hold the pipes open: it ends with the program. A late
                // program ends here, and its status is had next time.
                // SAFETY: as process 1 this reaches every process but ourselves and the kernel's.
                unsafe { libc::kill(-1, libc::SIGKILL) };
            }
        }
    }
    Ok(match status {
        _ if late => Ending::TimedOut(limit_s),
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Exited(code),
            (None, signal) => Ending::Signalled(signal.unwrap_or(0)),
        },
        None => unreachable!("the loop ends with a status"),
    })
}

/// Sends what has come through a pipe; a pipe that has ended is dropped.
fn pass_on(pipe: &mut Option<impl Read>, stream: Stream, console: &mut Console) -> io::Result<()> {
    let Some(open) = pipe else { return Ok(()) };
    let mut bytes = vec![0; BODY_LIMIT];
    let count = match open.read(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
        read => read?,
    };
    if count == 0 {
        *pipe = None;
        return Ok(());
    }
    bytes.truncate(count);
    console.tell(&Event::Output(stream, bytes))
}
