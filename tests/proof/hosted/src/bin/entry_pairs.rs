//! Enters and leaves as often as its first argument says, for a tracer that counts system calls.
//! The second one says how: `unbound` or `bound`.
#![allow(missing_docs)]

use extram::{Binding, Pool};
use extram_hosted::{Witness, call, started};

fn main() {
    let mut args = std::env::args().skip(1);
    let pairs: u32 = args.next().and_then(|pairs| pairs.parse().ok()).expect("how many pairs");
    let binding = match args.next().as_deref() {
        Some("unbound") => Binding::Call,
        Some("bound") => Binding::Thread,
        other => panic!("{other:?}: bound or unbound"),
    };
    let pool = started(Pool::new(Witness::default()).binding(binding));
    for _ in 0..pairs {
        call(pool);
    }
}
