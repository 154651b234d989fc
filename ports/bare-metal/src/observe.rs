//! What happens in a pool, on the log.

use extram_core::Event;

/// Logs Ms made, waited for, granted and returned. For a runtime's
/// [`observe`](extram_core::Runtime::observe), which hands its events on:
///
/// ```
/// # struct Events;
/// # impl Events {
/// fn observe(&self, event: extram_core::Event) {
///     extram_port_bare_metal::observe(event);
/// }
/// # }
/// ```
///
/// Callable from interrupt handlers if the program's `defmt` logger is. Without the feature
/// `defmt` it does nothing. What is logged is chosen when the program is built: entering and
/// leaving are at level `trace`, everything rarer at `debug`, so `DEFMT_LOG=debug` shows the life
/// of Ms without every call. Without `DEFMT_LOG` only errors are logged: nothing of this.
#[inline]
pub fn observe(event: Event) {
    #[cfg(feature = "defmt")]
    match event {
        Event::Entered { m } => defmt::trace!("entered with M {=u32}", m),
        Event::Left { m } => defmt::trace!("left M {=u32}", m),
        Event::Failed => defmt::warn!("an M could not be made"),
        other => defmt::debug!("{}", other),
    }
    #[cfg(not(feature = "defmt"))]
    let _ = event;
}
