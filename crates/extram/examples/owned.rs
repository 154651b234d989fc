//! A pool that belongs to something: an engine, opened with as many interpreters as it may have, shared by
//! threads, and closed, which gives back what it was opened with. `cargo run -p extram --example owned`.

use extram::{Binding, EnterError, Owned, Pool, Runtime, StartError};
use std::cell::RefCell;
use std::convert::Infallible;

/// What there is once: names that every interpreter knows.
struct Names(Vec<String>);

/// What one M carries; it stands for an interpreter.
type Scratch = RefCell<String>;

impl Runtime for Names {
    type Context = Scratch;
    type Error = Infallible;

    fn new_context(&self) -> Result<Scratch, Infallible> {
        Ok(RefCell::new(self.0.join(" ")))
    }
}

struct Engine {
    pool: Owned<Names>,
}

impl Engine {
    /// Of a pool that cannot start the runtime comes back beside the error; here it is dropped.
    fn open(names: Names, interpreters: u32) -> Result<Self, StartError> {
        let configure = |pool: Pool<Names>| pool.binding(Binding::Call).limit(interpreters);
        let pool = Owned::start(names, configure).map_err(|unstarted| unstarted.error)?;
        Ok(Engine { pool })
    }

    /// For any thread: whether the name is known.
    fn knows(&self, name: &str) -> Result<bool, EnterError> {
        self.pool.callback(|m| m.context().borrow().split(' ').any(|known| known == name))
    }

    /// The names, or the engine while somebody is inside.
    fn close(self) -> Result<Names, Self> {
        self.pool.close().map_err(|pool| Engine { pool })
    }
}

fn main() {
    let names = Names(["print", "length"].map(str::to_owned).into());
    let engine = Engine::open(names, 2).expect("the first M");
    std::thread::scope(|scope| {
        let threads = [(); 8].map(|()| {
            scope.spawn(|| {
                for _ in 0..100 {
                    assert_eq!(engine.knows("length"), Ok(true));
                    assert_eq!(engine.knows("width"), Ok(false));
                }
            })
        });
        // A scope by itself does not wait until its threads have ended.
        threads.into_iter().for_each(|thread| thread.join().expect("the right answers"));
    });
    println!("{} interpreters for 8 threads", engine.pool.stats().created);

    // A call keeps it open, and the engine comes back.
    let inside = engine.pool.enter().expect("one is spare");
    let Err(engine) = engine.close() else { panic!("somebody is inside") };
    drop(inside);
    let Ok(names) = engine.close() else { panic!("nobody is inside") };
    println!("closed: {}", names.0.join(", "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs() {
        main();
    }

    #[test]
    fn an_engine_without_interpreters_does_not_open() {
        assert!(matches!(Engine::open(Names(Vec::new()), 0), Err(StartError::Exhausted)));
    }
}
