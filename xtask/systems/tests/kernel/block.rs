//! A thread of this machine stands for one of the kernel's. Its block is lost with it: few threads are started.

extern crate std;

use core::sync::atomic::{AtomicU32, Ordering};
use extram_port_bare_metal::Block;
use std::boxed::Box;

static NUMBER: AtomicU32 = AtomicU32::new(0);

std::thread_local! {
    static BLOCK: &'static Block = {
        let block = Box::leak(Box::new(Block::new()));
        block.reset(NUMBER.fetch_add(1, Ordering::Relaxed) + 1, 0..0);
        block
    };
}

pub(crate) fn own() -> &'static Block {
    static ENDED: Block = Block::new();
    BLOCK.try_with(|block| *block).unwrap_or(&ENDED)
}
