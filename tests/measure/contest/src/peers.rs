//! Pools that take what other crates have: a fixed number of contexts, made before.

mod array_queue;
mod channel;
mod parking_lot;
mod r2d2;

pub use array_queue::ArrayQueuePool;
pub use channel::ChannelPool;
pub use parking_lot::ParkingLotPool;
pub use r2d2::R2d2Pool;
