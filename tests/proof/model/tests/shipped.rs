//! The shipped rules: nothing is wrong in any state.

use extram_model::{Rules, Scene, Stay, search};

fn right(what: &str, scene: Scene) {
    let found = search(&scene, &Rules::SHIPPED);
    println!(
        "{what}: {} threads, {} failures, {} time-outs: {found}",
        scene.threads, scene.failures, scene.timeouts
    );
    if let Some((wrong, path)) = &found.wrong {
        for state in path {
            println!("{state:?}");
        }
        panic!("{what}: {wrong}");
    }
    assert!(found.most_made <= 2);
}

#[test]
fn threads_that_never_leave_are_all_let_in() {
    right("nobody leaves", Scene::of(7, Stay::ForEver));
}

#[test]
fn threads_that_leave_are_all_let_in() {
    right("all leave", Scene::of(6, Stay::Shortly));
}

#[test]
fn threads_that_return_for_ever_keep_serving_each_other() {
    right("all return", Scene::of(5, Stay::Returning));
}

#[test]
fn failures_and_time_outs_at_any_point_leave_nobody_behind() {
    right("nobody leaves", Scene { failures: 3, timeouts: 2, ..Scene::of(5, Stay::ForEver) });
    right("all leave", Scene { failures: 3, timeouts: 2, ..Scene::of(5, Stay::Shortly) });
    right("all return", Scene { failures: 2, timeouts: 1, ..Scene::of(4, Stay::Returning) });
}

#[test]
fn under_a_limit_those_who_leave_serve_those_who_wait() {
    right("limit 2", Scene { limit: 2, failures: 1, timeouts: 1, ..Scene::of(5, Stay::Shortly) });
    right("limit 3, all return", Scene { limit: 3, ..Scene::of(5, Stay::Returning) });
}

#[test]
fn under_a_limit_as_many_as_it_allows_are_let_in() {
    right("limit 3", Scene { limit: 3, failures: 2, timeouts: 1, ..Scene::of(5, Stay::ForEver) });
}

#[test]
fn a_slot_that_trim_frees_is_filled_again() {
    let scene = Scene { limit: 3, spare: 3, trim: true, failures: 1, ..Scene::of(5, Stay::ForEver) };
    right("trim", scene);
    right("trim, all leave", Scene { stay: Stay::Shortly, ..scene });
    right("trim, no limit", Scene { limit: u8::MAX, ..scene });
}
