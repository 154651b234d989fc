//! Taking from the list and giving back.

use crate::models::model;
use crate::models::nodes::Extra;
use loom::thread;
use std::rc::Rc;
use std::vec;

#[test]
fn no_m_is_issued_twice() {
    model(3, || {
        let extra = Extra::new(2, 2);
        let threads = [(); 2].map(|()| {
            let extra = Rc::clone(&extra);
            thread::spawn(move || {
                if let Some((id, _)) = extra.take() {
                    extra.node(id).work();
                    extra.give(id);
                }
            })
        });
        if let Some((id, _)) = extra.take() {
            extra.node(id).work();
            extra.give(id);
        }
        for thread in threads {
            thread.join().unwrap();
        }
        extra.assert_at_rest(vec![1, 2]);
    });
}

/// One thread reads the link of M 1; the other takes 1 and 2 and gives 1 back. The head is 1 again,
/// but its link is not 2 any more.
#[test]
fn an_m_that_comes_back_under_a_racing_take_does_not_revive_its_old_link() {
    model(3, || {
        let extra = Extra::new(2, 2);
        let other = {
            let extra = Rc::clone(&extra);
            thread::spawn(move || extra.take())
        };
        let first = extra.take();
        let second = extra.take();
        if let Some((id, _)) = first {
            extra.node(id).work();
            extra.give(id);
        }
        let theirs = other.join().unwrap();
        for (id, _) in second.into_iter().chain(theirs) {
            extra.node(id).work();
            extra.give(id);
        }
        extra.assert_at_rest(vec![1, 2]);
    });
}

#[test]
fn the_work_of_one_holder_happens_before_the_work_of_the_next() {
    model(3, || {
        let extra = Extra::new(1, 1);
        let other = {
            let extra = Rc::clone(&extra);
            thread::spawn(move || extra.call())
        };
        extra.call();
        other.join().unwrap();
        extra.assert_at_rest(vec![1]);
    });
}

/// The third thread takes M 1, which lies under M 2 that was given later: it acquires what was done
/// with 1 through a word that the giver of 2 wrote.
#[test]
fn the_work_on_an_m_further_down_the_list_happens_before_the_next_holders() {
    model(3, || {
        let extra = Extra::new(2, 0);
        let givers = [1, 2].map(|id| {
            let extra = Rc::clone(&extra);
            thread::spawn(move || {
                extra.node(id).work();
                extra.give(id);
            })
        });
        for _ in 0..2 {
            if let Some((id, _)) = extra.take() {
                extra.node(id).work();
                extra.give(id);
            }
        }
        for giver in givers {
            giver.join().unwrap();
        }
        extra.assert_at_rest(vec![1, 2]);
    });
}

#[test]
fn exactly_one_taker_is_told_that_it_took_the_last() {
    model(3, || {
        let extra = Extra::new(2, 2);
        let other = {
            let extra = Rc::clone(&extra);
            thread::spawn(move || extra.take())
        };
        let mine = extra.take().expect("two Ms for two threads");
        let theirs = other.join().unwrap().expect("two Ms for two threads");
        assert_ne!(mine.0, theirs.0);
        assert_eq!(mine.1 as u32 + theirs.1 as u32, 1);
    });
}
