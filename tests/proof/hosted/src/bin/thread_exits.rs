//! Threads that use more pools than have a place of their own in a thread's memory, and exit. It has
//! nothing to say; what is printed comes from the C library.

use extram::Pool;
use extram_hosted::{CPool, Key, Witness, call, close, in_turn, rest, started};

fn main() {
    let pools: Vec<_> = (0..6).map(|_| started(Pool::new(Witness::default()))).collect();
    in_turn(20, 0, |_| pools.iter().for_each(|pool| _ = call(pool)));
    let key = Key::new();
    for pool in &pools {
        // ThreadSanitizer forgets a thread in the last round.
        let rounds = if cfg!(extram_tsan) { 3 } else { 4 };
        for (first, last) in [(0, 1), (0, rounds), (1, rounds), (2, 2), (rounds - 1, rounds - 1)] {
            assert_eq!(key.visit(&CPool::new(pool), first, last), last - first + 1);
        }
    }
    for pool in pools {
        assert!(rest(pool, 0) <= 2);
        close(pool);
    }
}
