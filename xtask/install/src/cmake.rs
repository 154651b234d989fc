//! `extramConfig.cmake` and its version file: `find_package(extram)`.

use crate::places::Places;
use crate::tools::System;
use crate::{VERSION, abi, shared};
use std::path::Path;

/// `extram::extram`, the shared library where there is one, and `extram::static`.
pub(crate) fn config(places: &Places, system: System, private: &[String]) -> String {
    let here = places.lib.join("cmake/extram");
    let (include, lib) = (seen_from(&here, &places.include), seen_from(&here, &places.lib));
    let linked = private.join(";");
    let usual = match system {
        System::Elf => format!(
            "add_library(extram::extram SHARED IMPORTED)\n  \
             set_target_properties(extram::extram PROPERTIES\n    \
             IMPORTED_LOCATION \"{lib}/{}\"\n    \
             IMPORTED_SONAME \"{}\"\n    \
             INTERFACE_INCLUDE_DIRECTORIES \"{include}\")",
            shared::real(),
            shared::soname(),
        ),
        System::Windows => format!(
            "add_library(extram::extram SHARED IMPORTED)\n  \
             set_target_properties(extram::extram PROPERTIES\n    \
             IMPORTED_LOCATION \"{}/extram.dll\"\n    \
             IMPORTED_IMPLIB \"{lib}/libextram.dll.a\"\n    \
             INTERFACE_INCLUDE_DIRECTORIES \"{include}\")",
            seen_from(&here, &places.bin),
        ),
        System::Bare => "add_library(extram::extram INTERFACE IMPORTED)\n  \
             set_target_properties(extram::extram PROPERTIES\n    \
             INTERFACE_LINK_LIBRARIES extram::static)"
            .to_owned(),
    };
    format!(
        "# extram {VERSION}. extram::extram is the library to link with, extram::static the static one.\n\
         # Written by `cargo xtask install`.\n\
         get_filename_component(_extram_here \"${{CMAKE_CURRENT_LIST_DIR}}\" REALPATH)\n\
         if(NOT TARGET extram::extram)\n  \
         add_library(extram::static STATIC IMPORTED)\n  \
         set_target_properties(extram::static PROPERTIES\n    \
         IMPORTED_LOCATION \"{lib}/libextram.a\"\n    \
         IMPORTED_LINK_INTERFACE_LANGUAGES C\n    \
         INTERFACE_LINK_LIBRARIES \"{linked}\"\n    \
         INTERFACE_INCLUDE_DIRECTORIES \"{include}\")\n  \
         {usual}\n\
         endif()\n\
         unset(_extram_here)\n"
    )
}

/// Another folder, by its way from this one where both are in one prefix, so that a prefix can be moved.
fn seen_from(here: &Path, there: &Path) -> String {
    let common = here.components().zip(there.components()).take_while(|(a, b)| a == b).count();
    // The root alone is nothing in common.
    if common < 2 {
        return there.display().to_string();
    }
    let up = here.components().skip(common).map(|_| "/..");
    let down = there.components().skip(common).map(|part| format!("/{}", part.as_os_str().to_string_lossy()));
    let way: String = up.map(str::to_owned).chain(down).collect();
    format!("${{_extram_here}}{way}")
}

/// Which versions may be asked for, and for which size of a pointer.
pub(crate) fn version(pointer_bytes: u32) -> String {
    let abi = abi(VERSION).replace('.', "\\\\.");
    format!(
        "set(PACKAGE_VERSION \"{VERSION}\")\n\
         if(CMAKE_SIZEOF_VOID_P AND NOT CMAKE_SIZEOF_VOID_P EQUAL {pointer_bytes})\n  \
         set(PACKAGE_VERSION \"{VERSION} (for pointers of {pointer_bytes} bytes)\")\n  \
         set(PACKAGE_VERSION_UNSUITABLE TRUE)\n\
         elseif(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)\n  \
         set(PACKAGE_VERSION_EXACT TRUE)\n  \
         set(PACKAGE_VERSION_COMPATIBLE TRUE)\n\
         elseif(\"${{PACKAGE_FIND_VERSION}}.\" MATCHES \"^{abi}\\\\.\" AND\n       \
         PACKAGE_FIND_VERSION VERSION_LESS PACKAGE_VERSION)\n  \
         set(PACKAGE_VERSION_COMPATIBLE TRUE)\n\
         endif()\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    #[test]
    fn a_prefix_can_be_moved_as_a_whole() {
        let here = Path::new("/usr/lib/x86_64-linux-gnu/cmake/extram");
        assert_eq!(seen_from(here, Path::new("/usr/include")), "${_extram_here}/../../../../include");
        assert_eq!(seen_from(here, Path::new("/usr/lib/x86_64-linux-gnu")), "${_extram_here}/../..");
        assert_eq!(seen_from(here, Path::new("/opt/include")), "/opt/include");
        let places = Places::new(&Options::below(Path::new("/usr")));
        let bare = config(&places, System::Bare, &[]);
        assert!(
            !bare.contains("SHARED") && bare.contains("INTERFACE_LINK_LIBRARIES extram::static"),
            "{bare}"
        );
    }
}
