//! Process 1 of the FreeBSD guest that `cargo xtask test --target x86_64-unknown-freebsd` boots:
//! runs what the plan says, tells what happens in frames on the console, and turns the machine off.

#[cfg(target_os = "freebsd")]
mod console;
#[cfg(target_os = "freebsd")]
mod machine;
#[cfg(target_os = "freebsd")]
mod run;

#[cfg(target_os = "freebsd")]
fn main() {
    if std::process::id() != 1 {
        eprintln!("freebsd-init: this is for process 1 of a test machine, which it turns off at the end");
        std::process::exit(2);
    }
    let problem = match console::Console::open() {
        Ok(mut console) => {
            let problem = run::all(&mut console).err();
            if let Some(problem) = &problem {
                console.complain(&format!("freebsd-init: {problem}"));
            }
            console.drain();
            problem
        }
        Err(problem) => Some(problem),
    };
    machine::turn_off(problem.is_none());
}

#[cfg(not(target_os = "freebsd"))]
fn main() {
    eprintln!("freebsd-init: this is for FreeBSD");
    std::process::exit(2);
}
