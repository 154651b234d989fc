//! The runtime: isolates, the world, and the seam to the pools.

use crate::isolate::Isolate;
use crate::timeline::{self, Phase};
use crate::world::World;
use extram_baselines::Gate;
use extram_core::{Event, M, Runtime};
use extram_herd::work;
use std::sync::Arc;
use std::time::Duration;

/// A runtime whose Ms carry a Lua each, with a collector that stops the world.
pub(crate) struct LuaRuntime {
    pub(crate) world: Arc<World>,
    /// What making an M costs on top of making a Lua.
    pub(crate) cost: Duration,
}

impl Runtime for LuaRuntime {
    type Context = Arc<Isolate>;
    type Error = mlua::Error;

    fn new_context(&self) -> Result<Arc<Isolate>, mlua::Error> {
        self.world.make(|| {
            work(self.cost);
            Isolate::new()
        })
    }

    fn admit(&self, m: &M<Self>) {
        Gate::admit(self, m.id(), m.context());
    }

    fn retire(&self, m: &M<Self>) {
        Gate::retire(self, m.id(), m.context());
    }

    fn observe(&self, event: Event) {
        match event {
            Event::Making => timeline::enter(Phase::Making),
            Event::Made { .. } | Event::Failed => timeline::enter(Phase::Running),
            _ => {}
        }
    }
}

impl Gate for LuaRuntime {
    fn admit(&self, _: u32, _: &Arc<Isolate>) {
        self.world.admit();
    }

    fn retire(&self, _: u32, _: &Arc<Isolate>) {
        self.world.retire();
    }
}
