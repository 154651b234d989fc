//! Each way, by counts and results.

#[test]
#[cfg_attr(not(python), ignore = "no CPython 3.12 or later with a shared library")]
fn every_call_is_right_in_every_way() {
    #[cfg(python)]
    python::every_call_is_right_in_every_way();
}

#[cfg(python)]
mod python {
    use extram_example_cpython::{Python, WAYS};
    use extram_example_threads::{Load, assert_each, processors};

    pub(super) fn every_call_is_right_in_every_way() {
        let python = Python::start().expect("Python starts");
        let crowd = Load { name: "", threads: 6, at_once: 6, calls: 40, rounds: 50 };
        let passing = Load { threads: 100, at_once: 4, calls: 2, ..crowd };
        // Long enough for the calls of several threads to overlap.
        let long = Load { calls: 2, rounds: 10_000, ..crowd };
        assert_each(WAYS, [crowd, passing, long], |way, made, load| match way {
            name if name.contains("GIL") => assert_eq!(made, 1),
            name if name.contains("default") => assert!(made <= load.at_once + 1, "{made}"),
            _ => assert!(made <= processors(), "{made}"),
        });
        assert!(python.end(), "Python ends");
    }
}
