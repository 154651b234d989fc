//! Many shared libraries with a pool each. A program of its own, because the C library has little room for
//! the thread-local words of libraries that are loaded later.
#![cfg(unix)]

use extram_hosted::{Plugin, crew, in_turn};
use std::sync::Barrier;

/// Scenario 46. All of them are loaded at once, and have a thread's Ms at once; half of them are unloaded
/// while those threads live, and the others go on.
#[test]
fn sixty_libraries_with_a_pool_each_are_loaded_by_one_process() {
    let mut libraries: Vec<_> = (0..60).map(|number| Plugin::load(&format!("many-{number}"))).collect();
    libraries.iter().for_each(Plugin::start);
    // A thread that comes and goes before, one by one.
    in_turn(3, 0, |_| libraries.iter().for_each(|library| assert!(library.call() > 0)));
    let staying = libraries.split_off(30);
    let going = std::sync::Mutex::new(libraries);
    let step = Barrier::new(3);
    let made = crew(3, 0, |index| {
        for _ in 0..3 {
            staying.iter().for_each(|library| assert!(library.call() > 0));
            going.lock().unwrap().iter().for_each(|library| assert!(library.call() > 0));
        }
        step.wait();
        if index == 0 {
            for library in going.lock().unwrap().drain(..) {
                assert_eq!(library.figures().1, 3, "three threads are bound");
                assert!(library.close());
                library.unload();
            }
        }
        step.wait();
        staying.iter().for_each(|library| assert!(library.call() > 0));
    });
    assert_eq!(made, 3);
    for library in staying {
        assert_eq!(library.figures().1, 0, "all threads have ended");
        assert!(library.close());
        library.unload();
    }
}
