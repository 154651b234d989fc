//! What others take: the C header and the lists of public items, which are held to the code;
//! vendored copies, packages; and the lanes that use them as others do.

pub mod api;
pub mod embed;
pub mod header;
pub mod package;
pub mod vendor;
