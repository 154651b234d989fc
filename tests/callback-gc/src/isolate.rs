//! What an M carries: a Lua 5.4 of its own.

use mlua::{Function, Lua};
use std::sync::atomic::{AtomicBool, Ordering};

/// A Lua state, and what the callback calls in it.
pub(crate) struct Isolate {
    lua: Lua,
    allocate: Function,
    garbage: Function,
    /// Lua code has run since the last collection.
    dirty: AtomicBool,
}

/// Objects that one callback allocates.
const OBJECTS: u32 = 200;

/// `allocate` makes a chain of tables and strings and drops it; a weak table remembers each object
/// until it is collected. `garbage` counts what is left there.
const PROGRAM: &str = r#"
local seen = setmetatable({}, { __mode = "k" })

local function allocate(objects)
  local chain = nil
  for i = 1, objects do
    chain = { next = chain, text = "object " .. i }
    seen[chain] = true
  end
  local length = 0
  while chain do
    length = length + 1
    chain = chain.next
  end
  return length
end

local function garbage()
  local left = 0
  for _ in pairs(seen) do left = left + 1 end
  return left
end

return allocate, garbage
"#;

impl Isolate {
    /// A fresh Lua with its standard library and the program.
    pub(crate) fn new() -> mlua::Result<Isolate> {
        let lua = Lua::new();
        // Lua collects by itself from time to time; here only the runtime's collector does, so
        // that a collection is always one that the world was stopped for.
        lua.gc_stop();
        let (allocate, garbage) = lua.load(PROGRAM).set_name("=callback").eval()?;
        Ok(Isolate { lua, allocate, garbage, dirty: AtomicBool::new(true) })
    }

    /// Runs Lua code that allocates.
    pub(crate) fn allocate(&self) -> mlua::Result<()> {
        // Relaxed, here and below: the collector looks when the world has stopped, and its lock
        // has ordered everything by then.
        self.dirty.store(true, Ordering::Relaxed);
        let length: u32 = self.allocate.call(OBJECTS)?;
        if length == OBJECTS {
            Ok(())
        } else {
            Err(mlua::Error::runtime(format!("Lua counted {length} objects of {OBJECTS}")))
        }
    }

    /// How many dropped objects have not been collected.
    pub(crate) fn garbage(&self) -> mlua::Result<u32> {
        self.garbage.call(())
    }

    /// A full collection, unless nothing has run since the last one.
    pub(crate) fn collect(&self) -> mlua::Result<()> {
        if self.dirty.swap(false, Ordering::Relaxed) {
            self.lua.gc_collect()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_collection_takes_the_garbage_away() {
        let isolate = Isolate::new().unwrap();
        for _ in 0..5 {
            isolate.allocate().unwrap();
        }
        assert_eq!(isolate.garbage().unwrap(), 5 * OBJECTS);
        isolate.collect().unwrap();
        assert_eq!(isolate.garbage().unwrap(), 0);
    }
}
