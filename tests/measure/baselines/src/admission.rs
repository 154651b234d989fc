//! The interface that extram and the references share.

use extram_core::{Busy, EnterError, Entered, Pool, Port, Runtime, StartError};

/// A pool that foreign threads enter, whatever its algorithm.
pub trait Admission<R: Runtime>: Sync + 'static {
    /// The algorithm's name in tables and in JSON.
    const NAME: &'static str;

    /// The thread's hold on an M; leaving on drop.
    type Entered: Loan<R>;

    /// Makes the first M.
    ///
    /// # Errors
    ///
    /// The pool runs already, or the runtime could not make the M.
    fn start(&'static self) -> Result<(), StartError>;

    /// Waits for an M as long as it takes.
    ///
    /// # Errors
    ///
    /// The pool is not running, or an M could not be made.
    fn enter(&'static self) -> Result<Self::Entered, EnterError>;

    /// How many Ms exist.
    fn made(&'static self) -> u32;

    /// Drops all contexts and refuses everyone from now on.
    ///
    /// # Errors
    ///
    /// An M is in use.
    fn close(&'static self) -> Result<(), Busy>;

    /// Runs `f` with the M's number and context.
    ///
    /// # Errors
    ///
    /// Those of [`enter`](Admission::enter).
    fn callback<T>(&'static self, f: impl FnOnce(u32, &R::Context) -> T) -> Result<T, EnterError> {
        let m = self.enter()?;
        Ok(f(m.id(), m.context()))
    }
}

/// An M on loan, whatever pool it came from.
pub trait Loan<R: Runtime> {
    /// The M's number, from 1.
    fn id(&self) -> u32;
    /// What the runtime made for it.
    fn context(&self) -> &R::Context;
}

/// Admission as the references ask for it. They have no [`extram_core::M`] to show to
/// [`Runtime::admit`], so a runtime with an admission of its own implements this and forwards.
pub trait Gate: Runtime {
    /// Called with the M in hand before the callback, at the outermost level. May block: no M is
    /// made before it returns.
    fn admit(&self, m: u32, context: &Self::Context) {
        let _ = (m, context);
    }

    /// Called before the thread goes back to foreign code, at the outermost level.
    fn retire(&self, m: u32, context: &Self::Context) {
        let _ = (m, context);
    }
}

impl<R: Runtime, P: Port> Admission<R> for Pool<R, P> {
    const NAME: &'static str = "extram";
    type Entered = Entered<R, P>;

    fn start(&'static self) -> Result<(), StartError> {
        Pool::start(self)
    }

    fn enter(&'static self) -> Result<Entered<R, P>, EnterError> {
        Pool::enter(self)
    }

    fn made(&'static self) -> u32 {
        self.stats().created
    }

    fn close(&'static self) -> Result<(), Busy> {
        Pool::close(self)
    }
}

impl<R: Runtime, P: Port> Loan<R> for Entered<R, P> {
    fn id(&self) -> u32 {
        (**self).id()
    }

    fn context(&self) -> &R::Context {
        (**self).context()
    }
}
