//! The links of the documentation lead to pages that are there. rustdoc looks after those that are written; it
//! makes others by itself, and takes some to the private module in which a type was written. There it leaves a
//! page that sends readers on, to the top of the right one.

use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};

/// Those whose pages people read.
const CRATES: [&str; 4] = ["extram", "extram_capi", "extram_conformance", "extram_core"];

/// In the folder that rustdoc wrote to.
pub fn check(folder: &Path) -> Result<()> {
    let mut pages = Vec::new();
    for name in CRATES {
        html(&folder.join(name), &mut pages)?;
    }
    let mut dead = Vec::new();
    for page in pages.iter().filter(|page| !sends_on(page)) {
        let text = std::fs::read_to_string(page)?;
        for link in text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let (path, place) = link.split_once('#').unwrap_or((link, ""));
            // Other sites, and what the page's own script fills in.
            if path.is_empty() || path.contains(':') || path.contains("${") {
                continue;
            }
            let target = page.with_file_name("").join(path);
            if !target.exists() || (!place.is_empty() && sends_on(&target)) {
                let page = page.strip_prefix(folder).unwrap_or(page);
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    ensure!(!pages.is_empty(), "no pages in {}", folder.display());
    ensure!(dead.is_empty(), "{} links lead nowhere:\n{}", dead.len(), dead.join("\n"));
    Ok(())
}

/// Such a page is short; the others are not read for that.
fn sends_on(page: &Path) -> bool {
    let short = page.metadata().is_ok_and(|page| page.len() < 4096);
    short && std::fs::read_to_string(page).is_ok_and(|text| text.contains("<title>Redirection</title>"))
}

fn html(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    for entry in folder.read_dir().with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            html(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "html") {
            into.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_nothing_or_to_a_page_that_sends_on_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for name in CRATES {
            write(
                &format!("{name}/index.html"),
                "<a href=\"#here\"><a href=\"https://docs.rs\"><a href=\"../${f}\">",
            );
        }
        write("extram_core/pool/struct.Pool.html", "<title>Redirection</title><a href=\"../nothing.html\">");
        write("extram/all.html", "<a href=\"../extram_core/pool/struct.Pool.html\">");
        check(folder.path()).unwrap();
        let right = "<a href=\"../extram_core/index.html#there\">";
        write(
            "extram/a.html",
            &format!("{right}<a href=\"../extram_core/pool/struct.Pool.html#method.enter\">"),
        );
        write("extram/b.html", "<a href=\"c.html\">");
        let error = check(folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("2 links lead nowhere:"), "{error}");
        assert!(
            error.contains("extram/a.html: ../extram_core/pool/struct.Pool.html#method.enter"),
            "{error}"
        );
        assert!(error.contains("extram/b.html: c.html"), "{error}");
    }
}
