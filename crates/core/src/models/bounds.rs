//! The bounds of a stack, to observers.

use crate::bounds::Bounds;
use crate::models::model_loads;
use core::ops::Range;
use loom::thread;
use std::rc::Rc;

const STACKS: [Range<usize>; 3] = [1000..1500, 5000..6000, 8000..9500];

/// Unknown, or those of one stack: never a mixture.
#[test]
fn an_observer_sees_the_bounds_of_one_stack_or_none() {
    model_loads(3, || {
        let bounds = Rc::new(Bounds::new());
        bounds.set(Some(STACKS[0].clone()), 1);
        let holder = {
            let bounds = Rc::clone(&bounds);
            thread::spawn(move || {
                bounds.set(Some(STACKS[1].clone()), 1);
                bounds.set(Some(STACKS[2].clone()), 1);
            })
        };
        if let Some(seen) = bounds.get() {
            assert!(STACKS.contains(&seen), "{seen:?}");
        }
        holder.join().unwrap();
        assert_eq!(bounds.get(), Some(STACKS[2].clone()));
    });
}
