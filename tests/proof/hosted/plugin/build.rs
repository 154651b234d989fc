//! Compiles the constructor and the destructor of the library.

fn main() {
    println!("cargo::rerun-if-changed=c");
    let mut build = cc::Build::new();
    build.file("c/life.c").std("c11").warnings_into_errors(true).extra_warnings(true);
    // Nothing refers to a constructor, so the whole archive goes in.
    build.link_lib_modifier("+whole-archive").compile("extram_hosted_plugin_life");
}
