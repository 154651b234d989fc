//! One store with an instance of the guest in it: what one M carries.

use extram_example_threads::{Census, Seat};
use std::sync::Arc;
use wasmi::{Engine, Error, Linker, Module, Store, TypedFunc};

/// The guest, compiled once.
pub(crate) struct Guest {
    engine: Engine,
    module: Module,
    census: Arc<Census>,
}

impl Guest {
    pub(crate) fn new(census: &Arc<Census>) -> Result<Self, Error> {
        let engine = Engine::default();
        let module = Module::new(&engine, include_bytes!("guest.wasm"))?;
        Ok(Guest { engine, module, census: Arc::clone(census) })
    }

    pub(crate) fn instance(&self) -> Result<Instance, Error> {
        let mut store = Store::new(&self.engine, ());
        let instance = Linker::new(&self.engine).instantiate_and_start(&mut store, &self.module)?;
        let work = instance.get_typed_func(&store, "work")?;
        let calls = instance.get_typed_func(&store, "calls")?;
        Ok(Instance { store, work, calls, seat: self.census.seat() })
    }
}

/// A store is for one thread at a time, whichever: it is `Send`.
pub(crate) struct Instance {
    store: Store<()>,
    work: TypedFunc<(u32, u32), u32>,
    calls: TypedFunc<(), u64>,
    seat: Seat,
}

impl Instance {
    pub(crate) fn work(&mut self, number: u32, rounds: u32) -> Option<u32> {
        self.work.call(&mut self.store, (number, rounds)).ok()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.seat.served(self.calls.call(&mut self.store, ()).unwrap_or(0));
    }
}
