//! Rules that look right and are wrong: the search finds out.

use extram_model::{Claims, Rules, Scene, Stay, search};

/// What is wrong with `rules` in this scene.
fn wrong(what: &str, rules: Rules, scene: Scene) -> &'static str {
    let found = search(&scene, &rules);
    println!("{what}: {} threads: {found}", scene.threads);
    found.wrong.unwrap_or_else(|| panic!("{what}: nothing found")).0
}

const SHIPPED: Rules = Rules::SHIPPED;

#[test]
fn claims_in_a_word_of_their_own_with_need_read_first_make_too_many() {
    let rules = Rules { claims: Claims::NeedReadFirst, ..SHIPPED };
    assert_eq!(wrong("need read first", rules, Scene::of(6, Stay::ForEver)), "more Ms than needed + 1");
}

#[test]
fn reserving_and_then_verifying_in_a_word_of_its_own_leaves_waiters_behind() {
    let rules = Rules { claims: Claims::ReserveThenVerify, ..SHIPPED };
    let found = wrong("reserve, then verify", rules, Scene::of(6, Stay::ForEver));
    assert_eq!(found, "Duty: a thread waits, and nobody owes an M");
}

#[test]
fn new_ms_owe_nothing() {
    let rules = Rules { new_owes: false, ..SHIPPED };
    let found = wrong("new Ms owe nothing", rules, Scene::of(5, Stay::ForEver));
    assert_eq!(found, "Duty: a thread waits, and nobody owes an M");
}

#[test]
fn the_last_m_owes_nothing() {
    let rules = Rules { last_owes: false, ..SHIPPED };
    let found = wrong("the last M owes nothing", rules, Scene::of(3, Stay::ForEver));
    assert_eq!(found, "Duty: a thread waits, and nobody owes an M");
}

#[test]
fn failed_is_never_set() {
    let rules = Rules { failed_is_set: false, ..SHIPPED };
    let scene = Scene { failures: 1, ..Scene::of(3, Stay::ForEver) };
    assert_eq!(wrong("`failed` is never set", rules, scene), "Duty: a thread waits, and nobody owes an M");
}

#[test]
fn a_failure_is_told_to_nobody() {
    let rules = Rules { failure_is_told: false, ..SHIPPED };
    let scene = Scene { failures: 1, ..Scene::of(3, Stay::ForEver) };
    assert_eq!(
        wrong("a failure is told to nobody", rules, scene),
        "Duty: a thread waits, and nobody owes an M"
    );
}

#[test]
fn trims_anchor_owes_nothing() {
    let rules = Rules { anchor_owes: false, ..SHIPPED };
    let scene = Scene { limit: 3, spare: 3, trim: true, ..Scene::of(5, Stay::ForEver) };
    assert_eq!(
        wrong("trim's anchor owes nothing", rules, scene),
        "Duty: a thread waits, and nobody owes an M"
    );
}

#[test]
fn a_waiter_goes_away_without_its_grant() {
    let rules = Rules { grants_are_awaited: false, ..SHIPPED };
    let scene = Scene { timeouts: 1, ..Scene::of(3, Stay::Shortly) };
    let found = wrong("a waiter goes away without its grant", rules, scene);
    assert_eq!(found, "Exact: the count is not that of the threads that wait");
}

/// The slot comes back while the claim stands: whoever frees it takes the claim for a creator.
#[test]
fn a_void_claim_is_withdrawn_without_another_look() {
    let rules = Rules { void_looks_again: false, ..SHIPPED };
    let duty = "Duty: a thread waits, and nobody owes an M";
    let failing = Scene { limit: 3, failures: 1, ..Scene::of(5, Stay::ForEver) };
    assert_eq!(wrong("a void claim, a failure", rules, failing), duty);
    let trimmed = Scene { limit: 3, spare: 3, trim: true, ..Scene::of(5, Stay::ForEver) };
    assert_eq!(wrong("a void claim, a trim", rules, trimmed), duty);
}
