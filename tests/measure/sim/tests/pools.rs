//! The pools under the simulator: what they cost, what they come to, and that it is the same each time.
#![cfg(extram_sim)]

use extram_sim::costs::{MS, US};
use extram_sim::pools::Algorithm;
use extram_sim::work::{Cell, Row, Work, cell, run};
use extram_sim::{Costs, conform, report};
use std::process::Command;

#[global_allocator]
static LINED: extram_sim::alloc::Lined = extram_sim::alloc::Lined;

fn row(cell: &Cell) -> Row {
    run(cell, &Costs::LINUX).unwrap()
}

#[test]
fn a_herd_that_is_all_inside_needs_as_many_ms_as_threads_and_a_spare_one() {
    for algorithm in Algorithm::USUAL {
        let row = row(&cell(Work::AllInside, algorithm, 2, 50));
        match algorithm {
            Algorithm::Floor => assert_eq!(row.ms_made, None),
            // It makes what was counted, needed or not.
            Algorithm::WaiterCounting => assert!(row.ms_made >= Some(51), "{row:?}"),
            _ => assert_eq!(row.ms_made, Some(51), "{row:?}"),
        }
    }
    let extram = row(&cell(Work::AllInside, Algorithm::Extram, 2, 50));
    assert!(extram.max_creations_per_callback <= Some(2), "{extram:?}");
}

#[test]
fn calls_that_would_never_end_are_refused() {
    let refused = run(&cell(Work::Calls, Algorithm::Floor, 1, 1), &Costs::LINUX).unwrap_err();
    assert!(refused.to_string().contains("--hold-us"), "{refused}");
    let mut paused = cell(Work::Calls, Algorithm::Floor, 1, 1);
    (paused.pause, paused.time) = (US, 10 * US);
    assert!(row(&paused).calls_per_second > 0.0);
}

#[test]
fn nobody_makes_more_ms_than_the_limit() {
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| algorithm.has_limit()) {
        let mut cell = cell(Work::Limit, algorithm, 4, 24);
        (cell.limit, cell.hold, cell.time) = (3, US, 100 * US);
        let row = row(&cell);
        assert!(row.ms_made <= Some(3) && row.calls_per_second > 0.0, "{row:?}");
        if algorithm != Algorithm::Slots && algorithm != Algorithm::Shards {
            // Three Ms, a callback of 1 µs.
            assert!(row.calls_per_second <= 3.1e6, "{row:?}");
        }
    }
}

/// The seed of the issue: callbacks that wait, sleeps that end with a tick of 1 ms.
#[test]
fn counting_the_waiters_pays_where_sleeps_are_coarse() {
    let wall = |algorithm, costs: &Costs| {
        let mut cell = cell(Work::Short, algorithm, 4, 100);
        cell.blocked = MS;
        run(&cell, costs).unwrap().wall_us
    };
    let coarse = Costs { tick: MS, slack: 0, scheduler: Costs::FREEBSD.scheduler, ..Costs::SERVER };
    let change = |costs| wall(Algorithm::WaiterCounting, costs) / wall(Algorithm::OneAtATime, costs);
    assert!(change(&coarse) < 0.4 && change(&coarse) < change(&Costs::SERVER), "{}", change(&coarse));
}

/// On one core, so that no line moves: what differs then is what the model leaves out or has too much of.
#[test]
fn a_call_of_the_model_costs_what_a_call_of_the_core_costs() {
    let rate = |algorithm| {
        let mut cell = cell(Work::Calls, algorithm, 1, 1);
        cell.time = 100 * US;
        row(&cell).calls_per_second
    };
    let ratio = rate(Algorithm::Slots) / rate(Algorithm::ExtramCall);
    assert!((0.8..1.25).contains(&ratio), "{ratio}");
}

#[test]
fn the_model_of_slots_loses_no_m() {
    for seed in 0..200 {
        for algorithm in [Algorithm::Slots, Algorithm::Shards] {
            let mut cell = cell(Work::Limit, algorithm, 1 + (seed % 12) as u32, 9);
            (cell.limit, cell.hold, cell.time, cell.seed) = (1 + (seed % 4) as u32, US, 20 * US, seed);
            let row = row(&cell);
            assert_eq!(row.ms_made, Some(cell.limit.into()), "{row:?}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_row_whatever_ran_before() {
    for algorithm in Algorithm::ALL {
        let mut one = cell(Work::AllInside, algorithm, 4, 60);
        let first = row(&one);
        let other = row(&cell(Work::Short, Algorithm::Extram, 3, 33));
        assert_eq!(row(&one), first);
        one.seed = 2;
        assert_ne!((row(&one).wall_us, other.wall_us), (first.wall_us, 0.0));
    }
}

#[test]
fn the_program_prints_the_same_bytes_twice() {
    let bytes = |more: &[&str]| {
        let line = ["--cores", "1..8", "--threads", "16..100", "--work", "all-inside,short", "--json"];
        let output = Command::new(env!("CARGO_BIN_EXE_simulate")).args(line).args(more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let first = bytes(&[]);
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&first).unwrap();
    assert_eq!(rows.len(), 2 * 4 * 3 * 5);
    assert_eq!(bytes(&[]), first);
    assert_ne!(bytes(&["--seed", "2"]), first);
}

#[test]
fn a_row_that_takes_too_long_says_so() {
    let mut cell = cell(Work::AllInside, Algorithm::OneAtATime, 2, 100);
    cell.most_steps = 1000;
    let row = row(&cell);
    assert!(row.cut_off && row.ms_made.is_none(), "{row:?}");
    assert!(report::table(&[row]).contains("> "));
}

#[test]
fn every_scenario_holds_under_some_seeds_and_a_seed_is_the_same_again() {
    for seed in 0..10 {
        let (outcome, report) = conform::conform(seed).unwrap();
        assert!(outcome.passed() && outcome.skips == 0, "seed {seed}: {report}");
    }
    assert_eq!(conform::conform(3).unwrap(), conform::conform(3).unwrap());
    let (outcome, report) = conform::conform_whole(3).unwrap();
    assert!(outcome.passed() && outcome.skips == 0 && outcome.broken == 0, "{report}");
}
