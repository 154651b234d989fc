//! Every answer of a pool in a world that fails, against the model's.

use extram_core::Binding;
use extram_faults::model::{Model, Shape};
use extram_faults::world::{Grants, Order, Reply, Theatre};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

/// Those that the steps are for; one more closes the pool in the end, when all others may sleep.
const PUPPETS: usize = 5;

/// One step.
#[derive(Clone, Copy, Debug)]
enum Step {
    Order(usize, Order),
    /// A sleeper looks: it was woken, or not.
    Look(usize),
    PassTime,
    Fail(u32),
    Admit(bool),
}

struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        let grants = (prop::bool::weighted(0.8), prop::bool::weighted(0.8), any::<bool>());
        (any::<bool>(), prop::option::of(1..4u32), grants)
            .prop_map(|(binds, limit, (storage, exit_hook, barrier))| {
                let grants = Grants { storage, exit_hook, barrier };
                Model::new(PUPPETS + 1, Shape { binds, limit, grants })
            })
            .boxed()
    }

    fn transitions(_: &Model) -> BoxedStrategy<Step> {
        let order = prop_oneof![
            1 => Just(Order::Start),
            8 => Just(Order::Enter),
            3 => Just(Order::Timed),
            3 => Just(Order::Try),
            3 => Just(Order::Signal),
            10 => Just(Order::Leave),
            2 => Just(Order::Unbind),
            2 => (0..4u32).prop_map(Order::Trim),
            2 => Just(Order::Exit),
            1 => Just(Order::Close),
        ];
        prop_oneof![
            12 => (0..PUPPETS, order).prop_map(|(puppet, order)| Step::Order(puppet, order)),
            5 => (0..PUPPETS).prop_map(Step::Look),
            1 => Just(Step::PassTime),
            1 => (0..4u32).prop_map(Step::Fail),
            1 => any::<bool>().prop_map(Step::Admit),
        ]
        .boxed()
    }

    fn preconditions(model: &Model, step: &Step) -> bool {
        match *step {
            Step::Look(puppet) => model.asleep(puppet),
            Step::Order(puppet, Order::Exit) => model.may_exit(puppet),
            Step::Order(puppet, Order::Leave) => !model.asleep(puppet) && model.calls(puppet) > 0,
            Step::Order(puppet, _) => !model.asleep(puppet),
            _ => true,
        }
    }

    fn apply(mut model: Model, step: &Step) -> Model {
        match *step {
            Step::Order(puppet, order) => model.order(puppet, order),
            Step::Look(puppet) => model.look(puppet),
            Step::PassTime => model.pass_time(),
            Step::Fail(creations) => model.fail(creations),
            Step::Admit(admits) => model.admit(admits),
        }
        model
    }
}

struct Machine;

impl StateMachineTest for Machine {
    type SystemUnderTest = Theatre;
    type Reference = Reference;

    fn init_test(model: &Model) -> Theatre {
        let Shape { binds, limit, grants } = model.shape;
        Theatre::new(PUPPETS + 1, grants, |pool| {
            let pool = pool.binding(if binds { Binding::Thread } else { Binding::Call });
            match limit {
                Some(limit) => pool.limit(limit),
                None => pool,
            }
        })
    }

    fn apply(theatre: Theatre, model: &Model, step: Step) -> Theatre {
        let reply = match step {
            Step::Order(puppet, order) => Some(theatre.order(puppet, order)),
            Step::Look(puppet) => Some(theatre.look(puppet)),
            Step::PassTime => {
                theatre.pass_time();
                None
            }
            Step::Fail(creations) => {
                theatre.fail(creations);
                None
            }
            Step::Admit(admits) => {
                theatre.admit(admits);
                None
            }
        };
        assert_eq!(reply, model.reply, "{step:?}");
        theatre
    }

    fn check_invariants(theatre: &Theatre, model: &Model) {
        let stats = theatre.pool.stats();
        let got = [stats.created, stats.spare, stats.in_use, stats.bound_idle, stats.waiting, stats.failed];
        assert_eq!(got, model.figures(), "created, spare, in use, bound and idle, waiting, failed");
        assert_eq!(stats.creating, 0);
        assert!(model.duty_holds(), "{model:?}");
        let (made, dropped) = theatre.contexts();
        assert_eq!(made - dropped, stats.created, "each context is dropped once");
    }

    /// Whatever happened: when all leave, the pool closes, who waited is told, nothing is left.
    fn teardown(theatre: Theatre, mut model: Model) {
        let start = model.clone();
        let mut both = |puppet: usize, step: Step| {
            model = Reference::apply(model.clone(), &step);
            let reply = match step {
                Step::Look(_) => theatre.look(puppet),
                Step::Order(_, order) => theatre.order(puppet, order),
                _ => unreachable!("not in a teardown"),
            };
            assert_eq!(Some(reply), model.reply, "{step:?} in the teardown");
            (reply, model.clone())
        };
        let mut state = (Reply::Did(false), start);
        for _ in 0..3 {
            for puppet in 0..PUPPETS {
                while !state.1.asleep(puppet) && state.1.calls(puppet) > 0 {
                    state = both(puppet, Step::Order(puppet, Order::Leave));
                }
            }
            state = both(PUPPETS, Step::Order(PUPPETS, Order::Close));
            if state.0 == Reply::Did(true) {
                break;
            }
            for puppet in 0..PUPPETS {
                if state.1.asleep(puppet) {
                    state = both(puppet, Step::Look(puppet));
                }
            }
        }
        assert_eq!(state.0, Reply::Did(true), "the pool closes");
        let (made, dropped) = theatre.contexts();
        assert_eq!(made, dropped);
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Scenarios 7, 8, 9, 10, 11, 15 and 24.
    #[test]
    fn a_pool_in_a_world_that_fails_answers_as_the_model_does(sequential 1..120 => Machine);
}
