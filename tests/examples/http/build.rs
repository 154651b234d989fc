//! Compiles the C web server if libmicrohttpd is there. Without it the program builds all the
//! same and says what is missing.

fn main() {
    println!("cargo::rerun-if-changed=src/server.c");
    println!("cargo::rustc-check-cfg=cfg(libmicrohttpd)");
    match pkg_config::probe_library("libmicrohttpd") {
        Ok(library) => {
            println!("cargo::rustc-cfg=libmicrohttpd");
            cc::Build::new()
                .file("src/server.c")
                .includes(library.include_paths)
                .warnings(true)
                .extra_warnings(true)
                .compile("server");
            // After the server, which needs it.
            for name in library.libs {
                println!("cargo::rustc-link-lib={name}");
            }
        }
        Err(error) => {
            let said = error.to_string();
            let reason = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("not found");
            println!("cargo::warning=libmicrohttpd (Debian: libmicrohttpd-dev) is not there: {reason}");
        }
    }
}
