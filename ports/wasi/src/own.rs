//! What is a thread's own: its block, and the destructor that exits it.

use extram_port_bare_metal::Block;
use std::sync::atomic::{AtomicU32, Ordering};

/// Exits its thread's block.
struct Exit;

impl Drop for Exit {
    fn drop(&mut self) {
        block().exit();
    }
}

thread_local! {
    /// Has nothing to drop, so it is there for as long as the thread is, for every destructor.
    static BLOCK: Block = numbered();
    static EXIT: Exit = const { Exit };
}

const _: () = assert!(!std::mem::needs_drop::<Block>());

fn numbered() -> Block {
    static NUMBERS: AtomicU32 = AtomicU32::new(1);
    let block = Block::new();
    // Relaxed: a number, and no more.
    block.reset(NUMBERS.fetch_add(1, Ordering::Relaxed), 0..0);
    block
}

pub(crate) fn block() -> &'static Block {
    // SAFETY: static for its thread, which is who asks; nothing that outlives the thread keeps it, by the
    // contract of `System`.
    BLOCK.with(|block| unsafe { &*std::ptr::from_ref(block) })
}

/// Whether the block will be exited. Registers that, unless it is too late.
pub(crate) fn exits() -> bool {
    EXIT.try_with(|_| ()).is_ok()
}
