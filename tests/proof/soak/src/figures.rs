//! What came of it, in numbers.

use std::fmt;
use std::ops::AddAssign;

macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// Counts of a thread, an act or the whole soak.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Figures { $($(#[$doc])* pub $name: u64),+ }

        impl AddAssign for Figures {
            fn add_assign(&mut self, other: Figures) { $(self.$name += other.$name;)+ }
        }

        impl fmt::Display for Figures {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(writeln!(f, "{:>14}  {}", self.$name, $text)?;)+
                Ok(())
            }
        }
    };
}

figures! {
    /// Outermost entries, each with a check of the owner.
    entries = "entries, the owner checked at each",
    /// Calls within calls.
    nested = "calls within calls, the owner checked at each",
    /// Signals handled.
    signals = "signals handled",
    /// Entries made by handlers, which are in `entries` or `nested` as well.
    signal_entries = "of these entered",
    /// Threads.
    threads = "threads",
    /// Threads that ended inside a call.
    exits_inside = "of these exited inside a call",
    /// Ms made.
    made = "Ms made",
    /// The most Ms at once.
    most = "Ms at most at once, added up over the acts",
    /// Creations that failed.
    failed = "creations failed",
    /// Waits that ended in vain.
    timed_out = "time-outs",
    /// Entries refused because a creation failed.
    creation_failed = "entries refused: no M could be made",
    /// Entries refused because the pool was closed.
    closed = "entries refused: closed",
    /// Entries refused because they would have had to wait.
    not_now = "entries refused: not now",
    /// Contexts that trimming dropped.
    trimmed = "contexts trimmed",
    /// Panics in callbacks.
    panics = "panics",
    /// Times that the pool was closed and opened again within an act.
    reopened = "pools closed and opened again in full use",
    /// Children that were forked.
    forks = "children, each of which called in",
    /// Guards that were leaked, each by a thread of its own.
    leaked = "guards leaked, each of which kept its M",
    /// Calls by functions of the runtime, which are in `entries` or `nested` as well.
    reentries = "of the calls by functions of the runtime",
    /// Acts with threads of fixed priorities.
    fixed = "acts at two fixed priorities",
    /// Acts.
    acts = "acts, at rest after each: everything added up",
    /// Ms in two hands.
    double_issues = "double issues",
}
