//! The three algorithms behind one interface.

use crate::interpreter::{Interpreter, Interpreters};
use crate::world::World;
use extram::{Native, Pool};
use extram_baselines::{Admission, OneAtATime, WaiterCounting};
use std::time::Duration;

/// A way into the runtime.
pub(crate) trait Contestant: Sync {
    /// Runs `inside` with an M in hand, which is given with its number.
    fn callback(&self, inside: &mut dyn FnMut(u32, &Interpreter)) -> Result<(), String>;

    /// How many Ms exist.
    fn made(&self) -> u64;

    /// Drops the Lua states. Nobody is inside.
    fn close(&self) -> Result<(), String>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// Go before commit 50048a4e.
    OneAtATime,
    /// Go commit 50048a4e.
    WaiterCounting,
    /// This project.
    Extram,
}

impl Algorithm {
    pub(crate) const ALL: [Algorithm; 3] =
        [Algorithm::OneAtATime, Algorithm::WaiterCounting, Algorithm::Extram];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Algorithm::OneAtATime => <OneAtATime<Interpreters, Native> as Admission<Interpreters>>::NAME,
            Algorithm::WaiterCounting => {
                <WaiterCounting<Interpreters, Native> as Admission<Interpreters>>::NAME
            }
            Algorithm::Extram => <Pool<Interpreters, Native> as Admission<Interpreters>>::NAME,
        }
    }

    /// A cold pool, with a single M, and its world. Both are leaked: a pool lives for ever, as
    /// threads that nobody knows of may still refer to it. Its Lua states go when it is closed.
    pub(crate) fn cold(self, cost: Duration) -> Result<(&'static dyn Contestant, &'static World), String> {
        let world: &'static World = Box::leak(Box::new(World::new()));
        let interpreters = Interpreters { world, cost };
        let contestant = match self {
            Algorithm::OneAtATime => started(OneAtATime::<_, Native>::new(interpreters)),
            Algorithm::WaiterCounting => started(WaiterCounting::<_, Native>::new(interpreters)),
            Algorithm::Extram => started(Pool::<_, Native>::new(interpreters)),
        }?;
        Ok((contestant, world))
    }
}

fn started<A: Admission<Interpreters>>(pool: A) -> Result<&'static dyn Contestant, String> {
    let pool = &*Box::leak(Box::new(pool));
    pool.start().map_err(|error| error.to_string())?;
    Ok(Box::leak(Box::new(Entrance { pool })))
}

struct Entrance<A: 'static> {
    pool: &'static A,
}

impl<A: Admission<Interpreters>> Contestant for Entrance<A> {
    fn callback(&self, inside: &mut dyn FnMut(u32, &Interpreter)) -> Result<(), String> {
        self.pool.callback(inside).map_err(|error| error.to_string())
    }

    fn made(&self) -> u64 {
        self.pool.made().into()
    }

    fn close(&self) -> Result<(), String> {
        self.pool.close().map_err(|error| error.to_string())
    }
}
