//! The plan: what process 1 is to run. A file on the guest's root file system.
//!
//! Lines of `key value`, in a fixed order. A path, an argument, and a variable of the environment with its
//! value (`NAME=VALUE`), are written in hexadecimal, so that they can hold anything.
//!
//! ```text
//! nonce 00112233445566778899aabbccddeeff
//! scratch 2f746d70
//! env 45585452414d5f5343414c453d302e31
//! programs 1
//! program 300
//! arg 2f74657374732f706f6f6c
//! files
//! end
//! ```

use std::fmt::Write as _;

/// Where the plan lies in the guest. Only root can read it there.
pub const PATH: &str = "/etc/plan";

/// A number that no earlier boot used: a frame that carries it belongs to this boot.
pub type Nonce = [u8; 16];

/// What to run, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Marks the frames of this boot.
    pub nonce: Nonce,
    /// Where the programs may write, and have their home: an empty directory, for a file system in
    /// memory.
    pub scratch: String,
    /// Variables that each program finds in its environment, with their values.
    pub env: Vec<(String, String)>,
    /// What to run.
    pub programs: Vec<Program>,
}

/// One program of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// How long it may run, in seconds, before it is killed.
    pub limit_s: u32,
    /// Path in the guest, then arguments.
    pub args: Vec<Vec<u8>>,
    /// Whether it runs in an empty folder of its own, and what it leaves there comes back.
    pub files: bool,
}

/// The folder of a program's files, below the place where it may write.
pub const FILES: &str = "files";

impl Plan {
    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut text = format!("nonce {}\nscratch {}\n", hex(&self.nonce), hex(self.scratch.as_bytes()));
        for (name, value) in &self.env {
            let _ = writeln!(text, "env {}", hex(format!("{name}={value}").as_bytes()));
        }
        let _ = writeln!(text, "programs {}", self.programs.len());
        for program in &self.programs {
            let _ = writeln!(text, "program {}", program.limit_s);
            for arg in &program.args {
                let _ = writeln!(text, "arg {}", hex(arg));
            }
            if program.files {
                text += "files\n";
            }
        }
        text + "end\n"
    }

    /// Reads the file's text. The error says what is wrong with it.
    pub fn from_text(text: &str) -> Result<Plan, String> {
        let mut lines = text.lines().map(|line| line.split_once(' ').unwrap_or((line, ""))).peekable();
        let due = |line: Option<(_, _)>, wanted: &str| match line {
            Some((key, value)) if key == wanted => Ok(value),
            other => Err(format!("the plan has {other:?} where {wanted} is due")),
        };
        let nonce = unhex(due(lines.next(), "nonce")?).and_then(|bytes| bytes.try_into().ok());
        let nonce = nonce.ok_or("the plan's nonce is not 16 bytes")?;
        let scratch = unhex(due(lines.next(), "scratch")?).and_then(|bytes| String::from_utf8(bytes).ok());
        let scratch = scratch.ok_or("the plan's place to write is no path")?;
        let mut env = Vec::new();
        while let Some((_, value)) = lines.next_if(|(key, _)| *key == "env") {
            let variable = unhex(value).and_then(|bytes| String::from_utf8(bytes).ok());
            let variable = variable.as_deref().and_then(|variable| variable.split_once('='));
            let (name, value) = variable.ok_or_else(|| format!("{value} is no variable"))?;
            env.push((name.to_owned(), value.to_owned()));
        }
        let count = due(lines.next(), "programs")?;
        let count: usize = count.parse().map_err(|_| "the plan has no number of programs")?;
        let mut programs: Vec<Program> = Vec::new();
        for (key, value) in lines {
            match key {
                "program" => {
                    let limit_s = value.parse().map_err(|_| format!("{value} is no time limit"))?;
                    programs.push(Program { limit_s, args: Vec::new(), files: false });
                }
                "arg" => {
                    let arg = unhex(value).ok_or_else(|| format!("{value} is no argument"))?;
                    programs.last_mut().ok_or("the plan has an argument of no program")?.args.push(arg);
                }
                "files" => {
                    programs.last_mut().ok_or("the plan has files of no program")?.files = true;
                }
                "end" if programs.len() == count => return Ok(Plan { nonce, scratch, env, programs }),
                _ => return Err(format!("the plan has the line {key} {value}")),
            }
        }
        Err("the plan has no end".to_owned())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let herd = Program {
            limit_s: 20,
            args: vec![b"/tests/herd".to_vec(), Vec::new(), vec![10, 0xff]],
            files: true,
        };
        let pool = Program { limit_s: 300, args: vec![b"/tests/pool".to_vec()], files: false };
        let env = vec![("SCALE".to_owned(), "0.1".to_owned()), ("EMPTY".to_owned(), String::new())];
        Plan { nonce: [0xa5; 16], scratch: "/tmp".to_owned(), env, programs: vec![herd, pool] }
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        assert_eq!(Plan::from_text(&plan().to_text()), Ok(plan()));
    }

    #[test]
    fn a_plan_that_was_cut_off_is_refused() {
        let text = plan().to_text();
        for length in 0..text.len() - 1 {
            assert!(Plan::from_text(&text[..length]).is_err(), "{:?} was taken", &text[..length]);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let text = plan().to_text();
        for (from, to) in [
            ("nonce a5", "nonce zz"),
            ("scratch 2f", "scratch f"),
            ("scratch 2f", "home 2f"),
            // Without the sign between name and value.
            ("env 5343414c453d", "env 5343414c45"),
            ("programs 2", "programs 3"),
            ("arg 2f", "arg f"),
            ("files", "filed"),
            ("program 20\n", "files\nprogram 20\n"),
            ("end", "fin"),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(Plan::from_text(&text.replacen(from, to, 1)).is_err(), "{to} was taken");
        }
    }
}
