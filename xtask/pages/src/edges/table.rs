//! The edge matrix as data: what is promised where two things meet, and what shows it that is no test.
//!
//! A cell is decided by the last rule that has it, so that the rules go from the general to the
//! particular. Names are alternatives with `/` between them, groups, or `*`; the tests' documentation
//! uses the same ones.

use super::cell::Promise::{self, Error, Forbidden, Impossible, Works};

/// A rule: these rows, these columns, what is promised.
type Rule = (&'static str, &'static str, Promise);

pub(super) const RULES: &[Rule] = &[
    // Another thread. Each as if the other came before it or after it.
    ("*", "another thread", Works("one as if before the other")),
    ("start", "start", Error("AlreadyStarted for one of the two; the one under way goes on")),
    ("start", "enter", Error("NotStarted until it is done; nothing crashes or hangs")),
    ("start", "leave", Works("what a thread still has of the time before the close is told apart")),
    ("start", "trim", Error("NotStarted for prewarm; trim drops nothing")),
    ("start", "walk", Works("no M is seen before it is complete")),
    ("start", "close", Error("Busy for the close, or it comes before or after; both can be called again")),
    ("entering", "start", Error("NotStarted or in; AlreadyStarted for a start of a pool that runs")),
    (
        "waiting/making/admitting/inside/giving back/upkeep/drop/discard",
        "start",
        Error("AlreadyStarted; it changes nothing"),
    ),
    ("close", "start", Error("AlreadyStarted, and the close goes on; or the start comes after it")),
    ("reopen", "start", Error("AlreadyStarted for one of the two, and the pool runs")),
    ("entering", "close", Error("Closed, or in and then close says Busy")),
    ("waiting", "close", Error("Closed, in time; nothing of the pool is touched after close said Ok")),
    (
        "making/admitting/inside/prewarm",
        "close",
        Error("Busy for the close; newcomers get Closed until reopen"),
    ),
    (
        "leaving/going idle/thread exit/unbind",
        "close",
        Works("Busy or Ok; after Ok the thread touches nothing"),
    ),
    ("trim", "close", Error("Busy, or trim finds nothing; each context is dropped once")),
    ("close", "enter", Error("Closed for newcomers; those who wait are woken with it")),
    ("close", "leave", Error("Busy until the last has left")),
    ("close", "trim", Error("Busy, or trim drops nothing and prewarm gets Closed")),
    ("close", "close", Error("Busy for one of the two; the one under way goes on")),
    ("reopen", "close", Works("the last one to begin decides; nothing is lost")),
    ("drop", "close", Error("Busy, or this is its close; the context is dropped once")),
    ("discard", "enter", Works("a spare M, or the new context; CreationFailed where none can be made")),
    ("discard", "close", Error("Busy until the context is dropped; no other is made in a closed pool")),
    // The same from within a function of the runtime. Ms in hand: in new_context (but for start's),
    // admit, retire; none perhaps in observe, and in drop.
    ("*", "from within", Works("as outside; nothing is locked, no M that others need is in hand")),
    ("start", "from within", Error("AlreadyStarted")),
    (
        "entering",
        "in new_context/in admit/in retire",
        Works("nests in the M in hand; NotStarted in start's new_context"),
    ),
    ("entering", "in observe/in drop", Works("an M, or an error; nobody waits for the thread that called")),
    ("enter_from_signal", "from within", Works("lends a spare M, or WouldBlock; never nests")),
    (
        "waiting",
        "in new_context/in admit/in retire",
        Impossible("the thread has an M, in which its calls nest"),
    ),
    ("waiting", "in observe/in drop", Works("one M is on the list or owed: it is served, or told")),
    ("admitting", "in new_context/in admit/in retire", Impossible("nested calls are not admitted again")),
    (
        "going idle",
        "in new_context/in admit/in retire",
        Impossible("the outermost call stands, so its M does not go idle"),
    ),
    ("leaving", "from within", Works("a nested call is left; the call that was being served goes on")),
    (
        "thread exit",
        "in new_context/in admit/in drop",
        Impossible(
            "no exit hook calls it, and no thread may end in it: that would be through frames of Rust",
        ),
    ),
    (
        "thread exit",
        "in retire/in observe",
        Works("of the exit hook: what they enter is nested, and left before the M goes; or a guard keeps it"),
    ),
    ("unbind", "in new_context/in admit/in retire", Works("false: the M is in use")),
    ("discard", "from within", Works("calls nest while the M is there; what is kept then keeps the context")),
    ("prewarm", "in new_context", Works("claims of its own; NotStarted in start's")),
    ("close", "in new_context/in admit/in retire", Error("Busy: the caller holds an M")),
    ("close", "in observe/in drop", Error("Busy, or Ok where no M is in use; never a wait for itself")),
    ("reopen", "from within", Error("AlreadyStarted, or it takes back a close that said Busy")),
    // Handlers.
    ("*", "handler", Works("a spare M, or WouldBlock; it never waits, makes or allocates")),
    ("start", "handler", Error("NotStarted")),
    ("close", "handler", Error("Closed")),
    ("reopen", "handler", Error("Closed, or a spare M")),
    ("enter_from_signal", "handler", Works("handlers interrupt handlers, each with an M of its own")),
    ("raw entry", "handler", Works("the C face's raw entry nests, a Rust one gets a spare M")),
    // Forks.
    ("*", "fork", Works("the child goes on, in a pool that is repaired and lends no M twice")),
    ("*", "other fork", Works("the child's pool works; what the thread had is written off")),
    (
        "start",
        "other fork",
        Works("the start has not taken place in the child, which starts the pool itself"),
    ),
    ("close", "other fork", Works("the child closes the pool itself")),
    ("waiting", "fork", Works("from observe or a handler; the child waits no longer for those who are gone")),
    // Panics: nothing is lost.
    ("*", "panics", Impossible("that function is not called there")),
    ("start", "new_context panics", Works("it unwinds, and the pool is not started")),
    (
        "first entry/enter/try_enter/enter_timeout",
        "new_context panics",
        Works("it unwinds to whoever was to make the M, whose duty passes on"),
    ),
    ("raw entry", "new_context panics", Error("CREATION_FAILED; a panic never crosses into C")),
    ("waiting", "new_context panics", Error("CreationFailed for all who wait, and nobody hangs")),
    ("making/prewarm", "new_context panics", Works("it unwinds; the claim is withdrawn and followed up")),
    ("inside", "new_context panics", Works("of a prewarm inside; the call goes on when it is caught")),
    (
        "entering/admitting",
        "admit panics",
        Works("it unwinds, and the M comes back with its duty done or passed on"),
    ),
    ("raw entry", "admit panics/retire panics", Error("a code; a panic never crosses into C")),
    ("waiting", "admit panics/retire panics", Works("the M of the one that panicked serves those who wait")),
    ("leaving/going idle", "retire panics", Works("it unwinds, and the M comes back")),
    (
        "thread exit",
        "retire panics",
        Error("the process ends with a message, since nobody could catch it; nothing hangs"),
    ),
    ("*", "observe panics", Works("it unwinds, at every event; no M, claim or waiter is lost")),
    ("walk", "observe panics", Impossible("it tells no event")),
    ("start/reopen", "observe panics", Works("the context goes, and the pool is as before")),
    ("raw entry", "observe panics", Error("a code; a panic never crosses into C")),
    (
        "thread exit",
        "observe panics",
        Error("the process ends with a message, since nobody could catch it; nothing hangs"),
    ),
    (
        "discard",
        "new_context panics/admit panics/retire panics/observe panics",
        Works(
            "it unwinds; each context is dropped once, all who wait are told, and a newcomer makes another",
        ),
    ),
    (
        "trim/drop/close/discard",
        "drop panics",
        Works("it unwinds; each context is dropped once, and the pool goes on or can be closed again"),
    ),
    ("inside", "drop panics", Works("of a trim inside; the call goes on when it is caught")),
    // Failures.
    ("*", "failures", Impossible("that function is not called there")),
    ("start/prewarm", "new_context fails", Error("CreationFailed, and the pool is as before")),
    (
        "first entry/enter/try_enter/enter_timeout/raw entry/making",
        "new_context fails",
        Works("the maker goes on; the failure is one waiter's"),
    ),
    (
        "discard",
        "new_context fails",
        Works("the M goes, all who wait are told, and a newcomer makes another"),
    ),
    ("waiting", "new_context fails", Error("CreationFailed for one who waits at most; the rest are served")),
    ("inside", "new_context fails", Works("of a prewarm inside; the call goes on")),
    (
        "first entry/enter/enter_timeout/raw entry",
        "admit refuses",
        Impossible("they call `admit`, which cannot refuse"),
    ),
    (
        "try_enter/enter_from_signal/admitting",
        "admit refuses",
        Error("WouldBlock; the M comes back and its duty passes on"),
    ),
    ("waiting", "admit refuses", Works("the M that was refused serves those who wait")),
    // Guards that are not dropped where they were made.
    ("*", "guard forgotten", Works("its M stays in use for ever; all others work")),
    ("*", "guard kept", Works("its M comes back when the guard is dropped, after the exit hook too")),
    ("*", "guard late", Works("calls share one M, and the last one left gives it back")),
    ("start", "guards", Impossible("no guard outlives a close")),
    ("entering", "guard forgotten", Works("the next call of the thread nests in that M")),
    (
        "enter_from_signal",
        "guard forgotten",
        Works("it lends a spare M, or WouldBlock; the handler's own leaked guard keeps that"),
    ),
    ("waiting", "guard forgotten", Works("others serve those who wait; under a limit a time-out does")),
    ("going idle", "guards", Impossible("an M with a guard does not go idle")),
    (
        "thread exit",
        "guard forgotten",
        Works("the M is not taken back: a reference to its context may be left"),
    ),
    ("unbind", "guards", Works("false: the M is in use")),
    ("trim/walk", "guards", Works("the M counts as in use")),
    ("close", "guards", Error("Busy, for as long as there is the guard")),
    ("drop", "guards", Works("no context is dropped while a guard of it is left")),
    (
        "discard",
        "guards",
        Works("the context goes with the last guard, after the exit hook too; with a leaked one never"),
    ),
    // The thread's end.
    ("*", "thread end", Forbidden("it ends inside a function of the runtime, through frames of Rust")),
    ("entering/waiting", "thread end", Works("no entry is a cancellation point: it ends afterwards")),
    (
        "inside",
        "thread end",
        Works("a raw call is taken back; a guard gives its M back by unwinding, or keeps it"),
    ),
    (
        "leaving/going idle/unbind/discard",
        "thread end",
        Works("they are no cancellation points: it ends afterwards"),
    ),
    ("thread exit", "thread end", Impossible("it is ending")),
    ("walk", "thread end", Works("a walk holds nothing")),
    // Time.
    ("*", "time-out", Impossible("it waits for nobody, and no wait's end changes what it does")),
    (
        "first entry/enter_timeout/raw entry/waiting",
        "time-out",
        Error("TimedOut, on time on both sides; a grant on its way is not lost"),
    ),
    (
        "making/leaving/going idle/thread exit/unbind/trim/prewarm/discard",
        "time-out",
        Works("the M that was meant for whoever gave up is lent or kept"),
    ),
    ("close", "time-out", Works("TimedOut or Closed; what refused is told while it still counts")),
    // Closed and started again.
    ("making/admitting/inside/prewarm/discard", "start again", Impossible("close says Busy meanwhile")),
    ("entering", "start again", Works("Closed, or an M of the pool that runs")),
    ("start/reopen", "start again", Error("AlreadyStarted, or it comes first")),
    ("waiting", "start again", Error("Closed, and never counted in the pool that was started")),
    (
        "giving back",
        "start again",
        Works("what was the old pool's is told apart, and not given to the new one"),
    ),
    ("trim/walk", "start again", Works("no M of one pool is taken for one of another")),
    ("close", "start again", Works("a close that was held up closes nothing of the new pool, or all of it")),
    (
        "drop",
        "start again",
        Impossible("the close is not over before its contexts are dropped; trim's Ms count"),
    ),
    // What the system refuses.
    ("*", "no memory", Works("a code or an error, or it allocates nothing; never the end of the process")),
    ("start/prewarm/making", "no memory", Error("CreationFailed, and nothing is lost")),
    ("waiting", "no memory", Error("CreationFailed for one who waits")),
    ("*", "no keys", Impossible("a pool without storage does not start")),
    ("start", "no keys", Error("NoThreadLocal, and the pool can be started later")),
    ("first entry", "no keys", Works("a thread whose value cannot be stored is lent an M for the call")),
    ("leaving/thread exit", "no keys", Works("what was lent for the call comes back at its end")),
    ("discard", "no keys", Works("of what was lent for the call, the context goes at its end")),
    ("*", "no barrier", Impossible("it needs no barrier")),
    ("start", "no barrier", Works("Ms are bound the shared way")),
    (
        "first entry/enter/leaving/going idle/thread exit/unbind/discard",
        "no barrier",
        Works("re-entry costs an exchange, and all else holds"),
    ),
    (
        "close",
        "no barrier",
        Error(
            "Busy where idle Ms cannot be revoked, and they come back at their threads' exits; never an abort",
        ),
    ),
];

/// Tests that do not carry their edges in their documentation: of other languages, or in files that
/// are written elsewhere. A test, or a file's path; and the cells, as in a test's documentation.
pub(super) const SHOWN: &[(&str, &str)] = &[
    ("hosted::fork::a_thread_that_is_inside_forks_and_is_inside_in_the_child", "inside x fork"),
    (
        "hosted::fork::when_all_ms_were_with_others_and_threads_waited_the_childs_pool_makes_new_ones",
        "inside/waiting x other fork",
    ),
    ("hosted::fork::while_another_thread_starts_the_pool_the_child_starts_it_itself", "start x other fork"),
    ("hosted::fork::while_another_thread_closes_the_pool_the_child_closes_it_itself", "close x other fork"),
    ("hosted::fork::a_context_that_forks_while_the_pool_starts_leaves_two_pools_that_start", "start x fork"),
    ("hosted::fork::a_failed_creation_of_the_forking_thread_is_over_in_the_child", "making x fork"),
    (
        "hosted::signals::a_handler_enters_whatever_its_thread_is_doing",
        "first entry/enter/enter_timeout/waiting/making/inside/leaving/going idle/unbind/trim/drop x handler",
    ),
    ("hosted::exits::a_thread_that_is_cancelled_inside_gives_its_m_back", "inside x thread end"),
    (
        "hosted::reopened::a_hook_from_before_the_pool_was_started_again_does_not_count",
        "first entry/enter x start again",
    ),
    (
        "hosted::refused_storage::when_the_system_has_no_keys_left_calls_nest_and_ms_come_home_in_every_pool",
        "start/first entry/leaving/thread exit/discard x no keys",
    ),
    ("hosted::stack::bounds_are_right_and_asked_for_once", "inside/leaving x guard late"),
    ("extram::pool::nested_calls_may_be_left_in_any_order", "inside/leaving/going idle x guard late"),
    ("extram::pool::a_call_from_a_handler_has_an_m_of_its_own", "inside/close/reopen x handler"),
    ("extram::pool::a_panic_while_the_pool_starts_leaves_it_as_it_was", "start x new_context panics"),
    ("extram::pool::a_thread_that_is_not_admitted_passes_its_duty_on", "try_enter/admitting x admit refuses"),
    ("extram::pool::closing_wakes_waiters_drops_contexts_once_and_can_be_started_again", "waiting x close"),
    ("extram::pool::time_outs_race_grants_and_lose_nothing", "enter_timeout/waiting/leaving x time-out"),
    (
        "extram::pool::each_failure_is_one_callers_and_the_rest_are_served",
        "enter/waiting/making x new_context fails",
    ),
    ("extram::pool::closing_takes_bound_ms_from_threads_that_live_on", "enter x close/start again"),
    ("extram::pool::a_thread_that_was_inside_at_the_close_does_not_come_in_again", "inside x close"),
    (
        "extram::pool::a_limit_holds_and_idle_ms_are_taken_back_for_those_who_wait",
        "enter/going idle x enter/leave",
    ),
    ("hosted::nesting::an_idle_m_can_be_unbound_and_one_in_use_cannot", "unbind x guard late"),
    (
        "hosted::fork::a_fork_in_the_middle_of_everything_leaves_the_child_a_pool_that_works",
        "enter_timeout/leaving/unbind/trim x other fork",
    ),
    ("hosted::exits::destructors_that_enter_in_every_round_leak_nothing", "thread exit x leave"),
    ("conformance::pool::closing", "making/inside/waiting x close, close x enter"),
    ("conformance::pool::walk", "walk x enter/leave"),
    ("conformance::pool::dropped_once", "trim x enter/leave, drop x enter/leave"),
    // Any order of any steps of several threads, under any of the system's refusals, against a model.
    (
        "faults::machine::a_pool_in_a_world_that_fails_answers_as_the_model_does",
        "waiting/inside x start/enter/leave/trim/close, waiting x time-out, \
         start/first entry/enter/leaving/going idle/thread exit/unbind x no barrier",
    ),
    (
        "faults::unreliable::a_new_m_does_not_go_idle_past_a_thread_that_waited_while_it_was_made",
        "making/going idle x enter",
    ),
    ("capi::memory::a_pool_that_finds_no_memory_is_not_made_and_nothing_is_lost", "start/close x no memory"),
    (
        "capi::memory::a_pool_goes_on_without_memory",
        "first entry/raw entry/try_enter/making/prewarm/trim/leaving/unbind/discard x no memory",
    ),
    ("capi::memory::a_handler_allocates_nothing", "enter_from_signal x no memory"),
    (
        "capi::handlers::in_the_middle_of_entering_and_leaving_it_has_an_m_of_its_own",
        "raw entry/admitting/leaving x handler",
    ),
    ("capi::handlers::inside_it_is_a_nested_call", "raw entry x handler"),
    ("capi::figures::nested_calls_are_left_in_any_order", "raw entry x guard late"),
    (
        "capi::figures::a_time_out_is_neither_early_nor_twice_as_late",
        "raw entry/first entry/waiting x time-out",
    ),
    ("capi::figures::a_close_that_came_to_nothing_is_taken_back", "inside/reopen x close, raw entry x close"),
    ("capi::figures::a_thread_that_ends_inside_is_left_for", "inside x thread end"),
    ("capi::panics::in_new_context", "raw entry/start/prewarm x new_context panics"),
    ("capi::panics::in_admit", "raw entry x admit panics"),
    ("capi::panics::in_retire", "raw entry x retire panics"),
    ("capi::panics::in_free_context", "trim/close/drop x drop panics"),
    (
        "capi::panics::in_what_a_discard_calls",
        "discard x new_context panics/admit panics/retire panics/drop panics",
    ),
    ("capi::handlers::where_the_only_context_is_replaced_it_is_turned_away", "discard x handler"),
];
