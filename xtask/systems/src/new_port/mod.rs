//! `cargo xtask new-port NAME`: the skeleton of a port, with every place registered that has to know of it.
//!
//! It builds at once, and its tests fail until it is filled in. Those places are the workspace (members and
//! dependencies), the facade's choice (Cargo.toml and native.rs) and the table in `ports/README.md`.

use anyhow::{Context as _, Result, bail, ensure};
use std::path::{Path, PathBuf};

/// The name, and what it is for.
#[derive(clap::Args)]
pub struct Args {
    /// The name of the system: small letters, digits, `-`. The crate is extram-port-NAME.
    name: String,
    /// What there is to fill in.
    #[arg(long, value_enum, default_value_t = Kind::Posix)]
    kind: Kind,
    /// Rust's `target_os` for it, if it is not NAME.
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
            Kind::Port => &[
                ("src/lib.rs", include_str!("port/lib.txt")),
                ("tests/suite.rs", include_str!("port/suite.txt")),
            ],
        }
    }

    fn dependencies(self) -> &'static str {
        match self {
            Kind::Posix => "extram-posix.workspace = true\nlibc.workspace = true\n",
            Kind::Port => "",
        }
    }
}

/// Writes it.
pub fn new_port(args: &Args) -> Result<()> {
    let root = args.root.clone().unwrap_or_else(|| toolchain::workspace().to_owned());
    let name = &args.name;
    let well = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    ensure!(well, "{name:?} is not a name of small letters, digits and `-`");
    let folder = root.join("ports").join(name);
    ensure!(!folder.exists(), "ports/{name} is there already");
    let os = args.os.clone().unwrap_or_else(|| name.replace('-', "_"));
    // First what may fail: all changes, then the writing.
    let changes = register(&root, name, &os)?;
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

/// The files that have to know of it, with what is in them then.
fn register(root: &Path, name: &str, os: &str) -> Result<Vec<(&'static str, String)>> {
    let condition = format!("target_os = \"{os}\"");
    let read = |file: &'static str| -> Result<(&'static str, String)> {
        let text = std::fs::read_to_string(root.join(file)).with_context(|| file.to_owned())?;
        Ok((file, text))
    };
    let (workspace, mut text) = read("Cargo.toml")?;
    put_before(&mut text, "    \"ports/posix\",\n", &format!("    \"ports/{name}\",\n"))?;
    let dependency = format!(
        "extram-port-{name} = {{ version = \"{}\", path = \"ports/{name}\" }}\n",
        env!("CARGO_PKG_VERSION")
    );
    put_before(&mut text, "extram-posix = {", &dependency)?;
    // A name that the compiler does not know is a mistake, unless it is said to be one.
    let known = format!("'cfg(target_os, values(\"{os}\"))', ");
    put_after(&mut text, "check-cfg = [", &known)?;
    let mut changes = vec![(workspace, text)];

    let (facade, mut text) = read("crates/extram/Cargo.toml")?;
    if text.contains(&format!("({condition})")) {
        bail!("crates/extram has a port for {condition} already");
    }
    let section =
        format!("[target.'cfg({condition})'.dependencies]\nextram-port-{name}.workspace = true\n\n");
    put_before(&mut text, "[target.'cfg(all(unix, not(any(", &section)?;
    put_after(&mut text, "[target.'cfg(all(unix, not(any(", &format!("{condition}, "))?;
    changes.push((facade, text));

    let (native, mut text) = read("crates/extram/src/native.rs")?;
    let branch = format!(
        "    }} else if #[cfg({condition})] {{\n        use extram_port_{}::Native as ThisSystem;\n",
        name.replace('-', "_")
    );
    put_before(&mut text, "    } else if #[cfg(unix)] {\n", &branch)?;
    changes.push((native, text));

    let (readme, mut text) = read("ports/README.md")?;
    let row = format!("| [`{name}`]({name}) | {} | to be filled in | |\n", type_name(name));
    put_before(&mut text, "| [`unix`](unix) |", &row)?;
    changes.push((readme, text));
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
        let changes = register(toolchain::workspace(), "sun-os", "sun_os").unwrap();
        let of = |file: &str| &changes.iter().find(|(name, _)| *name == file).unwrap().1;
        assert!(of("Cargo.toml").contains("    \"ports/sun-os\",\n    \"ports/posix\","));
        assert!(of("Cargo.toml").contains("check-cfg = ['cfg(target_os, values(\"sun_os\"))', "));
        assert!(of("crates/extram/src/native.rs").contains("use extram_port_sun_os::Native as ThisSystem;"));
        let facade = of("crates/extram/Cargo.toml");
        assert!(facade.contains("not(any(target_os = \"sun_os\", "), "{facade}");
        assert!(toml::from_str::<toml::Table>(of("Cargo.toml")).is_ok());
        assert!(toml::from_str::<toml::Table>(facade).is_ok());
        assert_eq!(type_name("sun-os"), "SunOs");
    }

    #[test]
    fn what_cannot_be_is_said_before_anything_is_written() {
        let error = |name: &str, os: Option<&str>| {
            let args = Args { name: name.into(), kind: Kind::Posix, os: os.map(str::to_owned), root: None };
            new_port(&args).unwrap_err().to_string()
        };
        assert!(error("linux", None).contains("ports/linux is there already"));
        assert!(error("My Port", None).contains("small letters"));
        for os in ["netbsd", "windows"] {
            assert!(error("other", Some(os)).contains("has a port for"));
        }
        assert!(!toolchain::workspace().join("ports/other").exists());
    }
}
