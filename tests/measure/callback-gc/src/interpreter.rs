//! The runtime: each M carries a Lua state of its own, and admission is the collector's.

use crate::lane::{self, Phase};
use crate::world::World;
use extram_core::{Event, M, Runtime};
use extram_herd::work;
use mlua::{Function, Lua};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What the callback runs: fills a table with tables and strings, and adds up what it finds there.
/// All of it is garbage when it returns.
const GROW: &str = r#"
    local seed, objects = ...
    local kept = {}
    for i = 1, objects do
        kept[i] = { value = seed * i, name = "object " .. seed .. "/" .. i }
    end
    local sum = 0
    for i = 1, objects do
        sum = sum + kept[i].value + #kept[i].name
    end
    return sum
"#;

/// How many objects a callback leaves behind.
const OBJECTS: u32 = 200;

/// The language runtime that the C threads call into.
pub(crate) struct Interpreters {
    pub(crate) world: &'static World,
    /// What making an M costs on top of making a Lua state.
    pub(crate) cost: Duration,
}

/// What an M carries.
pub(crate) struct Interpreter {
    lua: Lua,
    grow: Function,
    /// Whether somebody holds the M.
    held: AtomicBool,
}

impl Runtime for Interpreters {
    type Context = Interpreter;
    type Error = mlua::Error;

    fn new_context(&self) -> Result<Interpreter, mlua::Error> {
        self.world.creation(|| {
            let lua = Lua::new();
            let grow = lua.load(GROW).set_name("grow").into_function()?;
            work(self.cost);
            Ok(Interpreter { lua, grow, held: AtomicBool::new(false) })
        })
    }

    fn admit(&self, _: &M<Self>) {
        lane::begin(Phase::HeldUp);
        self.world.enter();
    }

    fn retire(&self, _: &M<Self>) {
        // SAFETY: the pool calls `retire` once for each `admit`, on the same thread.
        unsafe { self.world.leave() };
    }

    fn observe(&self, event: Event) {
        match event {
            Event::Making => lane::begin(Phase::Making),
            Event::Made { .. } => lane::made_one(),
            _ => {}
        }
    }
}

impl Interpreter {
    /// Runs `inside`, and tells whether the M was in this thread's hands alone.
    pub(crate) fn hold<T>(&self, inside: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        // Relaxed, here and below: if the pool keeps its promise, it orders one holder after the
        // other; if it does not, that is what this is about to find.
        if self.held.swap(true, Ordering::Relaxed) {
            return Err("an M was in two hands at once".into());
        }
        let result = inside();
        self.held.store(false, Ordering::Relaxed);
        result
    }

    /// Runs the Lua code and checks what it returns.
    pub(crate) fn grow(&self, seed: u32) -> Result<(), String> {
        let sum: i64 = self.grow.call((seed, OBJECTS)).map_err(|error| error.to_string())?;
        let expected = sum_of(seed, OBJECTS);
        if sum != expected {
            return Err(format!("Lua returned {sum}, and {expected} was expected"));
        }
        Ok(())
    }

    /// Collects all garbage of this state; how many bytes that freed.
    pub(crate) fn collect(&self) -> Result<usize, String> {
        let before = self.lua.used_memory();
        self.lua.gc_collect().map_err(|error| error.to_string())?;
        Ok(before.saturating_sub(self.lua.used_memory()))
    }
}

/// What `GROW` returns.
fn sum_of(seed: u32, objects: u32) -> i64 {
    (1..=objects).map(|i| i64::from(seed) * i64::from(i) + format!("object {seed}/{i}").len() as i64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreters() -> Interpreters {
        Interpreters { world: Box::leak(Box::new(World::new())), cost: Duration::ZERO }
    }

    #[test]
    fn lua_computes_what_rust_computes_and_leaves_garbage() {
        let interpreter = interpreters().new_context().unwrap();
        for seed in [0, 1, 99, u32::MAX] {
            interpreter.grow(seed).unwrap();
        }
        let freed = interpreter.collect().unwrap();
        // A table of its own and a string for each object, by Lua's own count.
        assert!(freed > OBJECTS as usize * 64, "{freed}");
        // Nothing is left to free.
        assert!(interpreter.collect().unwrap() < 1024);
    }

    #[test]
    fn a_wrong_result_is_noticed() {
        let mut interpreter = interpreters().new_context().unwrap();
        interpreter.grow = interpreter.lua.load("return 42").into_function().unwrap();
        assert_eq!(
            interpreter.grow(1).unwrap_err(),
            format!("Lua returned 42, and {} was expected", sum_of(1, OBJECTS))
        );
    }

    #[test]
    fn an_m_in_two_hands_is_noticed() {
        let interpreter = interpreters().new_context().unwrap();
        let second = interpreter.hold(|| Ok(interpreter.hold(|| Ok(())))).unwrap();
        assert!(second.is_err());
    }
}
