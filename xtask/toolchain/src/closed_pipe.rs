//! Whoever reads what a verb prints may have seen enough: `cargo xtask targets | head`.

/// What `println!` panics with where nobody reads any more begins and ends like this. The number is
/// `EPIPE`'s on every Unix; the words before it are the system's.
const BEGINS: &str = "failed printing to std";
const ENDS: &str = "(os error 32)";

/// From now on such a panic says nothing. It unwinds as every panic does, so that programs which were started
/// are ended; and the exit code is that of a failure, since nobody knows how it would have gone on.
///
/// Not by `SIGPIPE`, which would end the process at once and leave an emulator running.
pub fn end_quietly() {
    let otherwise = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let said = info.payload().downcast_ref::<String>();
        if !said.is_some_and(|said| is_closed_pipe(said)) {
            otherwise(info);
        }
    }));
}

fn is_closed_pipe(said: &str) -> bool {
    said.starts_with(BEGINS) && said.ends_with(ENDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_panic_is_told() {
        assert!(is_closed_pipe("failed printing to stdout: Broken pipe (os error 32)"));
        assert!(is_closed_pipe("failed printing to stderr: Broken pipe (os error 32)"));
        assert!(!is_closed_pipe("failed printing to stdout: No space left on device (os error 28)"));
        assert!(!is_closed_pipe("called `Result::unwrap()` on an `Err` value: Broken pipe (os error 32)"));
    }
}
