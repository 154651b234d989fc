//! A C library may call the destructor of a key late, when the key is gone and another pool has what
//! its pool had, and bring the old pool's value.
#![cfg(unix)]

use core::ptr::{null_mut, without_provenance_mut};
use extram::Pool;
use extram_hosted::{Tapped, Witness, call, close, rest, started_on};

type Yard = &'static Pool<Witness, Tapped>;

/// Scenario 31.
#[test]
fn a_value_of_another_pool_is_neither_looked_at_nor_given_back() {
    let yards: [Yard; 2] = [(); 2].map(|()| started_on::<Tapped>(Pool::new(Witness::default())));
    let own = yards.map(call);
    let theirs: *mut () = yards[1].callback(|m| (&raw const *m).cast_mut().cast()).unwrap();
    let bound = |yard: Yard| yard.stats().bound_idle;
    for gone in [
        theirs,
        theirs.wrapping_byte_add(1),
        without_provenance_mut(0x10_0000),
        without_provenance_mut(usize::MAX),
    ] {
        // SAFETY: a pool that is open, and a value that a thread may have stored for another pool.
        unsafe { Tapped::at_exit()((&raw const *yards[0]).cast_mut().cast(), gone) };
        assert_eq!(yards.map(bound), [1, 1]);
        assert_eq!(yards.map(call), own, "both Ms are this thread's still");
    }
    // SAFETY: the same; a thread that has stored nothing.
    unsafe { Tapped::at_exit()((&raw const *yards[0]).cast_mut().cast(), null_mut()) };
    let mine: *mut () = yards[0].callback(|m| (&raw const *m).cast_mut().cast()).unwrap();
    // SAFETY: the thread's own value.
    unsafe { Tapped::at_exit()((&raw const *yards[0]).cast_mut().cast(), mine) };
    assert_eq!(yards.map(bound), [0, 1], "its own comes home");
    assert!(yards[1].unbind());
    for yard in yards {
        rest(yard, 0);
        close(yard);
    }
}
