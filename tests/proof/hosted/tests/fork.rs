//! Forked children. Each case is a process of its own: `src/bin/forked.rs`.
#![cfg(unix)]

use std::process::Command;

fn forked(case: &str) {
    ends_well(env!("CARGO_BIN_EXE_forked"), case);
}

/// Those in which functions of the runtime fork: `src/bin/forks_within.rs`.
fn forked_within(case: &str) {
    ends_well(env!("CARGO_BIN_EXE_forks_within"), case);
}

fn ends_well(program: &str, case: &str) {
    let output = Command::new(program).arg(case).output().unwrap();
    assert!(
        output.status.success(),
        "{case}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Scenario 30.
#[test]
fn a_thread_that_never_entered_forks_and_the_childs_pool_works() {
    forked("stranger");
}

/// Scenario 30.
#[test]
fn a_bound_thread_forks_and_keeps_its_m() {
    forked("bound");
}

/// Scenario 30. The M that the thread keeps is idle: others get it in the child, too, and `close` does.
#[test]
fn a_bound_thread_forks_under_a_limit_and_others_get_its_m_in_the_child() {
    forked("bound-under-a-limit");
}

/// Scenario 30.
#[test]
fn a_thread_that_is_inside_forks_and_is_inside_in_the_child() {
    forked("inside");
}

/// Scenario 30.
#[test]
fn when_all_ms_were_with_others_and_threads_waited_the_childs_pool_makes_new_ones() {
    forked("none-spare");
}

/// Scenario 30.
#[test]
fn a_fork_in_the_middle_of_everything_leaves_the_child_a_pool_that_works() {
    forked("storm");
}

/// Scenario 30.
#[test]
fn the_child_of_a_child_works() {
    forked("twice");
}

/// Scenarios 30 and 38.
#[test]
fn while_another_thread_starts_the_pool_the_child_starts_it_itself() {
    forked("while-another-starts");
}

/// Scenarios 30 and 38.
#[test]
fn while_another_thread_closes_the_pool_the_child_closes_it_itself() {
    forked("while-another-closes");
}

/// Scenario 30.
#[test]
fn a_context_that_forks_while_the_pool_starts_leaves_two_pools_that_start() {
    forked("in-start");
}

/// Scenario 30.
#[test]
fn a_failed_creation_of_the_forking_thread_is_over_in_the_child() {
    forked("after-a-failure");
}

/// Scenario 30.
#[test]
fn a_context_that_another_thread_lent_the_forking_one_stays_as_it_is() {
    forked("borrowed");
}

/// Scenario 30.
#[test]
fn a_child_whose_pool_goes_while_a_context_is_dropped_does_not_touch_it() {
    forked_within("while-it-drops");
}

/// Scenarios 30 and 38.
#[test]
fn a_child_that_closes_the_pool_while_it_is_being_closed_ends_the_outer_close() {
    forked_within("while-it-closes");
}

/// Scenario 30.
#[test]
fn who_forks_when_told_of_a_wait_is_on_its_way_in_the_child_too() {
    forked_within("in-hooks");
}
