//! Fuzz targets: each takes bytes, reads a sequence of operations from them, runs it, and panics if
//! something is not as it should be.
//!
//! `cargo xtask test --fuzz` runs each under libFuzzer and AddressSanitizer, beginning with the
//! files in `corpus/`. The host's tests run those files, too, without either. A file that failed:
//! `cargo run -p extram-fuzz --bin TARGET FILE`.

pub mod c_face;
mod crew;
pub mod pool_operations;

/// A target that fails on one input in 2^32, which libFuzzer finds in no time if it sees which
/// branches are taken. The lane checks that it does.
pub fn planted(data: &[u8]) {
    if let [b'e', b'x', b't', b'r', ..] = data {
        panic!("the planted failure is found");
    }
}

/// Says what an input asks for, where somebody looks at one.
pub(crate) fn tell(what: &dyn std::fmt::Debug) {
    if cfg!(not(feature = "libfuzzer")) {
        println!("  {what:?}");
    }
}

/// Makes a program of a target: libFuzzer's, or one that runs the files it is given.
#[macro_export]
macro_rules! target {
    ($run:path) => {
        /// What libFuzzer calls.
        ///
        /// # Safety
        ///
        /// `size` bytes can be read at `data`.
        #[cfg(feature = "libfuzzer")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, size: usize) -> i32 {
            // libFuzzer may pass null with a size of 0.
            let data = match size {
                0 => &[],
                // SAFETY: by the caller's promise.
                _ => unsafe { core::slice::from_raw_parts(data, size) },
            };
            $run(data);
            0
        }

        #[cfg(not(feature = "libfuzzer"))]
        fn main() {
            for file in std::env::args().skip(1) {
                println!("{file}");
                $run(&std::fs::read(&file).expect("a file that can be read"));
            }
        }
    };
}
