//! The rows and columns of the edge matrix: what can be under way, and what can meet it.

/// What can be under way. `raw entry`: one of the C face's. `drop`: of a context. `discard`: of the context
/// that was used, by `discard`, or of what is more than may stay spare, by whoever leaves (`spare_max`).
pub(super) const ROWS: &[&str] = &[
    "start",
    "first entry",
    "enter",
    "try_enter",
    "enter_timeout",
    "enter_from_signal",
    "raw entry",
    "waiting",
    "making",
    "admitting",
    "inside",
    "leaving",
    "going idle",
    "thread exit",
    "unbind",
    "trim",
    "prewarm",
    "walk",
    "close",
    "reopen",
    "drop",
    "discard",
];

/// What can meet it, and what that means.
pub(super) const COLUMNS: &[(&str, &str)] = &[
    ("start", "another thread starts the pool"),
    ("enter", "another thread enters, in whatever manner, waits, or makes an M"),
    ("leave", "another thread leaves, goes idle, unbinds or exits"),
    ("trim", "another thread trims or warms up"),
    ("walk", "another thread walks the Ms"),
    ("close", "another thread closes the pool or reopens it"),
    ("in new_context", "it is done from within `new_context`"),
    ("in admit", "from within `admit` or `try_admit`"),
    ("in retire", "from within `retire`"),
    ("in observe", "from within `observe`, at each event"),
    ("in drop", "from within the drop of a context"),
    ("handler", "a handler interrupts it, and enters from there"),
    ("fork", "the thread itself forks"),
    ("other fork", "another thread forks"),
    ("new_context panics", "`new_context` panics in it, or in what it waits for"),
    ("admit panics", "`admit` or `try_admit` does"),
    ("retire panics", "`retire` does"),
    ("observe panics", "`observe` does, at each event"),
    ("drop panics", "the drop of a context does"),
    ("new_context fails", "`new_context` returns an error"),
    ("admit refuses", "`try_admit` says no"),
    ("guard forgotten", "a guard is leaked in it, or was before"),
    ("guard kept", "a guard is kept in a thread-local, and dropped when the thread ends"),
    ("guard late", "guards are dropped in another order than that of the calls"),
    ("thread end", "the thread ends in the middle (`pthread_exit`, cancellation)"),
    ("time-out", "a wait ends by its time meanwhile"),
    ("start again", "the pool is closed and started again meanwhile"),
    ("no memory", "the allocator refuses, at each allocation in turn"),
    ("no keys", "the system has no thread-local storage left"),
    ("no barrier", "the heavy barrier is missing, or is refused from some moment on"),
];

/// Names for several rows, then for several columns.
pub(super) const ROW_GROUPS: &[(&str, &[&str])] = &[
    ("entering", &["first entry", "enter", "try_enter", "enter_timeout", "enter_from_signal", "raw entry"]),
    ("giving back", &["leaving", "going idle", "thread exit", "unbind"]),
    ("upkeep", &["trim", "prewarm", "walk"]),
    ("life", &["start", "close", "reopen"]),
];
pub(super) const COLUMN_GROUPS: &[(&str, &[&str])] = &[
    ("another thread", &["start", "enter", "leave", "trim", "walk", "close"]),
    ("from within", &["in new_context", "in admit", "in retire", "in observe", "in drop"]),
    ("forks", &["fork", "other fork"]),
    ("panics", &["new_context panics", "admit panics", "retire panics", "observe panics", "drop panics"]),
    ("failures", &["new_context fails", "admit refuses"]),
    ("guards", &["guard forgotten", "guard kept", "guard late"]),
    ("scarcity", &["no memory", "no keys", "no barrier"]),
];
