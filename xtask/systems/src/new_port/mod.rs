//! `cargo xtask new-port NAME`: the skeleton of a port, with every place registered that has to know of it.
//!
//! It builds at once, and its tests fail until it is filled in. Those places are the workspace (members and
//! dependencies), the facade's choice (Cargo.toml and native.rs) and the table in `ports/README.md`. A port to a
//! kernel without an operating system is named by the program, and the facade knows nothing of it.

use anyhow::{Context as _, Result, bail, ensure};
use std::path::{Path, PathBuf};

/// The name, and what it is for.
#[derive(clap::Args)]
pub struct Args {
    /// The name of the system: small letters, digits, `-`, beginning with a letter. The crate is extram-port-NAME.
    name: String,
    /// What there is to fill in.
    #[arg(long, value_enum, default_value_t = Kind::Posix)]
    kind: Kind,
    /// Rust's `target_os` for it, if it is not NAME. Not for bare-metal, which has none.
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// The workspace.
    #[arg(long, hide = true)]
    root: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// A POSIX system: waiting, a thread's number, its stack.
    Posix,
    /// An RTOS or another kernel without an operating system: its threads' blocks, clock, waiting.
    BareMetal,
    /// Anything else: all of `Port` and `Threads`.
    Port,
}

impl Kind {
    /// The files of the skeleton, and what is in them.
    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Kind::Posix => &[
                ("src/lib.rs", include_str!("posix/lib.txt")),
                ("src/id.rs", include_str!("posix/id.txt")),
                ("src/stack.rs", include_str!("posix/stack.txt")),
                ("src/wait.rs", include_str!("posix/wait.txt")),
                ("tests/suite.rs", include_str!("posix/suite.txt")),
            ],
            Kind::BareMetal => &[
                ("src/lib.rs", include_str!("bare_metal/lib.txt")),
                ("src/block.rs", include_str!("bare_metal/block.txt")),
                ("src/clock.rs", include_str!("bare_metal/clock.txt")),
                ("src/handler.rs", include_str!("bare_metal/handler.txt")),
                ("src/threads.rs", include_str!("bare_metal/threads.txt")),
                ("src/wait.rs", include_str!("bare_metal/wait.txt")),
                ("tests/suite.rs", include_str!("bare_metal/suite.txt")),
            ],
            Kind::Port => &[
                ("src/lib.rs", include_str!("port/lib.txt")),
                ("tests/suite.rs", include_str!("port/suite.txt")),
            ],
        }
    }

    fn dependencies(self) -> &'static str {
        match self {
            Kind::Posix => "extram-posix.workspace = true\nlibc.workspace = true\n",
            Kind::BareMetal => "extram-port-bare-metal.workspace = true\n",
            Kind::Port => "",
        }
    }

    /// The row that it stands above in the table of ports.
    fn before(self) -> &'static str {
        match self {
            Kind::BareMetal => "| [`freertos`](freertos) |",
            Kind::Posix | Kind::Port => "| [`unix`](unix) |",
        }
    }
}

/// Writes it.
pub fn new_port(args: &Args) -> Result<()> {
    let root = args.root.clone().unwrap_or_else(|| toolchain::workspace().to_owned());
    let name = &args.name;
    let well = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    ensure!(well, "{name:?} is not a name of small letters, digits and `-` that begins with a letter");
    let folder = root.join("ports").join(name);
    ensure!(!folder.exists(), "ports/{name} is there already");
    let os = args.os.clone().unwrap_or_else(|| name.replace('-', "_"));
    let as_the_compiler_names_it = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    ensure!(
        !os.is_empty() && os.chars().all(as_the_compiler_names_it),
        "{os:?} is no target_os: small letters, digits and `_`, as `rustc --print cfg --target TRIPLE` has it"
    );
    // First what may fail: all changes, then the writing.
    let changes = match (args.kind, &args.os) {
        (Kind::BareMetal, Some(_)) => {
            bail!("--os is for a port that the facade picks; a program names this one")
        }
        (Kind::BareMetal, None) => register(&root, name, args.kind, None)?,
        (Kind::Posix | Kind::Port, _) => register(&root, name, args.kind, Some(&os))?,
    };
    let fill = |text: &str| {
        let text = text.replace("@name_@", &name.replace('-', "_")).replace("@name@", name);
        text.replace("@Name@", &type_name(name)).replace("@dependencies@", args.kind.dependencies())
    };
    let manifest = [("Cargo.toml", include_str!("manifest.txt"))];
    for (file, text) in manifest.iter().chain(args.kind.files()) {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().expect("a file in a folder"))?;
        std::fs::write(&path, fill(text)).with_context(|| path.display().to_string())?;
        println!("written: ports/{name}/{file}");
    }
    for (file, text) in changes {
        std::fs::write(root.join(file), text).with_context(|| file.to_owned())?;
        println!("changed: {file}");
    }
    println!(
        "cargo test -p extram-port-{name} says what there is to do; ports/README.md says how, and how to undo this"
    );
    Ok(())
}

/// `sun-os` is `SunOs`.
fn type_name(name: &str) -> String {
    let mut letters = name.split('-').flat_map(|part| {
        let (first, rest) = part.split_at(part.len().min(1));
        [first.to_ascii_uppercase(), rest.to_owned()]
    });
    letters.by_ref().collect()
}

type Changes = Vec<(&'static str, String)>;

fn read(root: &Path, file: &'static str) -> Result<(&'static str, String)> {
    let text = std::fs::read_to_string(root.join(file)).with_context(|| file.to_owned())?;
    Ok((file, text))
}

/// The files that have to know of it, with what is in them then. The facade picks it by the `target_os`, if
/// there is one.
fn register(root: &Path, name: &str, kind: Kind, os: Option<&str>) -> Result<Changes> {
    let (workspace, mut text) = read(root, "Cargo.toml")?;
    put_before(&mut text, "    \"ports/posix\",\n", &format!("    \"ports/{name}\",\n"))?;
    let dependency = format!(
        "extram-port-{name} = {{ version = \"{}\", path = \"ports/{name}\" }}\n",
        env!("CARGO_PKG_VERSION")
    );
    put_before(&mut text, "extram-posix = {", &dependency)?;
    if let Some(os) = os {
        // A name that the compiler does not know is a mistake, unless it is said to be one.
        let known = format!("'cfg(target_os, values(\"{os}\"))', ");
        put_after(&mut text, "check-cfg = [", &known)?;
    }
    let mut changes = vec![(workspace, text)];
    if let Some(os) = os {
        changes.extend(pick(root, name, os)?);
    }

    let (readme, mut text) = read(root, "ports/README.md")?;
    let row = format!("| [`{name}`]({name}) | {} | to be filled in | |\n", type_name(name));
    put_before(&mut text, kind.before(), &row)?;
    changes.push((readme, text));
    Ok(changes)
}

/// Those of the facade.
fn pick(root: &Path, name: &str, os: &str) -> Result<Changes> {
    let condition = format!("target_os = \"{os}\"");
    let (facade, mut text) = read(root, "crates/extram/Cargo.toml")?;
    if text.contains(&condition) {
        bail!("crates/extram has a port for {condition} already");
    }
    let section =
        format!("[target.'cfg({condition})'.dependencies]\nextram-port-{name}.workspace = true\n\n");
    put_before(&mut text, "[target.'cfg(all(unix, not(any(", &section)?;
    put_after(&mut text, "[target.'cfg(all(unix, not(any(", &format!("{condition}, "))?;
    let mut changes = vec![(facade, text)];

    let (native, mut text) = read(root, "crates/extram/src/native.rs")?;
    let branch = format!(
        "    }} else if #[cfg({condition})] {{\n        use extram_port_{}::Native as ThisSystem;\n",
        name.replace('-', "_")
    );
    put_before(&mut text, "    } else if #[cfg(unix)] {\n", &branch)?;
    changes.push((native, text));
    Ok(changes)
}

/// The place of `mark`, of which there is one.
fn place(text: &str, mark: &str) -> Result<usize> {
    let mut places = text.match_indices(mark);
    match (places.next(), places.next()) {
        (Some((at, _)), None) => Ok(at),
        (None, _) => bail!("no {mark:?} to put the new port at"),
        _ => bail!("more than one {mark:?}"),
    }
}

fn put_before(text: &mut String, mark: &str, what: &str) -> Result<()> {
    let at = place(text, mark)?;
    text.insert_str(at, what);
    Ok(())
}

fn put_after(text: &mut String, mark: &str, what: &str) -> Result<()> {
    let at = place(text, mark)? + mark.len();
    text.insert_str(at, what);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_room_for_another_port() {
        let changes = register(toolchain::workspace(), "sun-os", Kind::Posix, Some("sun_os")).unwrap();
        let of = |file: &str| &changes.iter().find(|(name, _)| *name == file).unwrap().1;
        assert!(of("Cargo.toml").contains("    \"ports/sun-os\",\n    \"ports/posix\","));
        assert!(of("Cargo.toml").contains("check-cfg = ['cfg(target_os, values(\"sun_os\"))', "));
        assert!(of("crates/extram/src/native.rs").contains("use extram_port_sun_os::Native as ThisSystem;"));
        let facade = of("crates/extram/Cargo.toml");
        assert!(facade.contains("not(any(target_os = \"sun_os\", "), "{facade}");
        assert!(toml::from_str::<toml::Table>(of("Cargo.toml")).is_ok());
        assert!(toml::from_str::<toml::Table>(facade).is_ok());
        assert_eq!(type_name("sun-os"), "SunOs");
        let changes = register(toolchain::workspace(), "zephyr", Kind::BareMetal, None).unwrap();
        let files = Vec::from_iter(changes.iter().map(|(file, _)| *file));
        assert_eq!(files, ["Cargo.toml", "ports/README.md"], "the facade picks no such port");
    }

    #[test]
    fn what_cannot_be_is_said_before_anything_is_written() {
        let of = |name: &str, kind, os: Option<&str>| {
            let args = Args { name: name.into(), kind, os: os.map(str::to_owned), root: None };
            new_port(&args).unwrap_err().to_string()
        };
        let error = |name, os| of(name, Kind::Posix, os);
        assert!(of("other", Kind::BareMetal, Some("none")).contains("a program names this one"));
        assert!(error("linux", None).contains("ports/linux is there already"));
        assert!(error("My Port", None).contains("small letters"));
        for os in ["NetBSD", "sun-os", ""] {
            assert!(error("other", Some(os)).contains("is no target_os"));
        }
        for os in ["linux", "android", "netbsd", "windows"] {
            assert!(error("other", Some(os)).contains("has a port for"));
        }
        assert!(!toolchain::workspace().join("ports/other").exists());
    }
}
