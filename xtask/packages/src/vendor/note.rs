//! `VENDORED.md`: what the copy is of, and how to use it. The lane `--package` follows it to the letter.

use anyhow::Result;
use std::collections::BTreeMap;
use toolchain::command::Command;
use toolchain::workspace;

/// The note for a copy with these crates.
pub(super) fn text(members: &BTreeMap<String, String>, port: &str) -> Result<String> {
    let version = env!("CARGO_PKG_VERSION");
    let git = |args: &[&str]| Command::new("git").args(args).dir(workspace()).read();
    let commit = git(&["rev-parse", "HEAD"])?;
    let changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    let paths: Vec<String> = members.values().map(|path| format!("- {path}\n")).collect();
    Ok(format!(
        "# extram {version}, vendored\n\n\
         Port: {port}. Commit {}{}. Made by `cargo xtask vendor`; do not change it here. Crates of extram's,\n\
         beside those of others in `vendor`:\n\n{}{}{}{LICENCES}",
        commit.trim(),
        if changed { ", with changes" } else { "" },
        paths.concat(),
        left_out(port),
        if port == "bare-metal" { BARE_METAL } else { HOSTED },
    ))
}

/// What documents name that is not in the copy.
fn left_out(port: &str) -> String {
    let bare = match port {
        "bare-metal" => {
            "- the facade `crates/extram` with its guide and its examples, and `crates/tracing`\n"
        }
        _ => "",
    };
    format!(
        "
## Left out

Documents of the project's that are in the copy may name these, which are in its repository:

- `tests/` (models, measurements, larger examples, boards), and the tests and benchmarks of the crates here
- `crates/conformance`, the suite for whoever writes a port
- the ports to other systems than {port}
{bare}- `xtask`, {}
- logging by defmt
- CHANGELOG.md and CONTRIBUTING.md
",
        if port == "bare-metal" { "the commands" } else { "the commands, but for `install` and `uninstall`" },
    )
}

/// The README for a copy: that of the project, which is about more than there is here.
pub(super) fn readme(readme: &str, port: &str, is_there: impl Fn(&str) -> bool) -> String {
    let readme = unlinked(readme, is_there);
    let verbs = match port {
        "bare-metal" => "The copy has none of its commands",
        _ => "Of its commands the copy has `cargo xtask install` and `cargo xtask uninstall`",
    };
    format!(
        "> This is a vendored copy: [VENDORED.md](VENDORED.md) says how to build and use it. What follows is the\n\
         > README of the whole project. {verbs}.\n\
         > It has no `tests/` (so the picture is missing), and one port.\n\n{readme}"
    )
}

/// Without links to what is not there: their words stay, pictures go.
fn unlinked(text: &str, is_there: impl Fn(&str) -> bool) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(middle) = rest.find("](") {
        let begin = rest[..middle].rfind('[').expect("a link has a beginning");
        let end = middle + rest[middle..].find(')').expect("a link has an end");
        let (label, target) = (&rest[begin + 1..middle], &rest[middle + 2..end]);
        let file = target.split('#').next().unwrap_or_default();
        let stays = target.contains("://") || file.is_empty() || is_there(file);
        match rest[..begin].strip_suffix('!') {
            _ if stays => out.push_str(&rest[..=end]),
            Some(before) => out.push_str(before),
            None => out.extend([&rest[..begin], label]),
        }
        rest = &rest[end + 1..];
    }
    out + rest
}

const HOSTED: &str = "
## Build it here

Nothing is fetched: `.cargo/config.toml` puts `vendor` in the place of crates.io.

```sh
cargo build --release --offline
cargo run --release --offline -p extram --example owned
```

`crates/extram/examples` and `crates/extram/src/guide/programs` have more.

## Use it from C

As from extram's own sources, `cargo xtask install` puts the header, the libraries, the manual page and what
pkg-config and CMake read below a prefix, and `cargo xtask uninstall` removes them; `--help` has more. It needs a
C compiler with `objcopy` and `ar` (binutils); `pkg-config` is for the program that uses the library.

```sh
cargo xtask install --prefix \"$PWD/installed\"
export PKG_CONFIG_PATH=\"$PWD/installed/lib/pkgconfig\"
cc prog.c $(pkg-config --cflags --libs extram) -Wl,-rpath,\"$PWD/installed/lib\"
```

`crates/capi/packaging` has recipes for Debian, FreeBSD, Nix and vcpkg that build from this copy.

## Use it from Rust

With this copy in the folder `third_party/extram` of a project, two files of that project. In `Cargo.toml`:

```toml
[dependencies]
extram = { path = \"third_party/extram/crates/extram\" }
```

In `.cargo/config.toml`, so that the crates which extram needs come from here:

```toml
[source.crates-io]
replace-with = \"vendored-extram\"

[source.vendored-extram]
directory = \"third_party/extram/vendor\"
```

Then, in the project:

```sh
cargo build --release --offline
```

A project that takes other crates from crates.io, too, leaves the second file out, or runs `cargo vendor`
for all of them: that takes along what extram needs.
";

const BARE_METAL: &str = "
## Build it here

Nothing is fetched: `.cargo/config.toml` puts `vendor` in the place of crates.io.

```sh
cargo build --release --offline
```

## Use it from C

```text
cargo rustc --release --offline -p extram-capi --crate-type staticlib --features panic-handler --target TRIPLE
```

makes `target/TRIPLE/release/libextram_capi.a`; the headers are in `crates/capi/include`.

## Use it from Rust

A project depends on `crates/core` and `ports/bare-metal` by their paths, with this in its own
`.cargo/config.toml` where the copy is in its folder `third_party/extram`:

```toml
[source.crates-io]
replace-with = \"vendored-extram\"

[source.vendored-extram]
directory = \"third_party/extram/vendor\"
```
";

const LICENCES: &str = "
## Licences

LICENSE-MIT or LICENSE-APACHE, at your choice; those of others are in `vendor/*/`.
";

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_left_out_is_listed_by_port() {
        let [linux, bare] = ["linux", "bare-metal"].map(super::left_out);
        for text in [&linux, &bare] {
            assert!(text.starts_with("\n## Left out\n") && text.contains("`crates/conformance`"), "{text}");
        }
        assert!(linux.contains("other systems than linux") && linux.contains("but for `install`"), "{linux}");
        assert!(bare.contains("`crates/tracing`") && !linux.contains("`crates/tracing`"), "{bare}");
    }

    #[test]
    fn links_to_what_is_not_there_are_words() {
        let text =
            "![a picture](p.svg)\n[`one`](a/one.md), [two](b#part), [web](https://c.org), [here](#place).";
        let unlinked = super::unlinked(text, |file| file == "b");
        assert_eq!(unlinked, "\n`one`, [two](b#part), [web](https://c.org), [here](#place).");
    }
}
