//! One QuickJS with the guest in it: what one M carries.

use extram_example_threads::{Census, Seat};
use rquickjs::{Context, Function, Result, Runtime};
use std::sync::Arc;

/// For one thread at a time, whichever: with rquickjs's feature `parallel` it is `Send`, and QuickJS is told
/// at each call on whose stack it runs.
pub(crate) struct Interpreter {
    context: Context,
    seat: Seat,
}

impl Interpreter {
    pub(crate) fn new(census: &Arc<Census>) -> Result<Self> {
        let context = Context::full(&Runtime::new()?)?;
        context.with(|js| js.eval::<(), _>(include_str!("guest.js")))?;
        Ok(Interpreter { context, seat: census.seat() })
    }

    /// By `&`: JavaScript may call functions of Rust, which may call in again.
    pub(crate) fn work(&self, number: u32, rounds: u32) -> Option<u32> {
        let result = self.context.with(|js| {
            let work: Function = js.globals().get("work")?;
            work.call::<_, f64>((number, rounds))
        });
        result.ok().map(|number| number as u32)
    }

    fn calls(&self) -> Result<f64> {
        self.context.with(|js| js.globals().get::<_, Function>("counted")?.call(()))
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        self.seat.served(self.calls().unwrap_or(0.0) as u64);
    }
}
