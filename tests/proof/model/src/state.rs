//! One moment of a pool and its threads.

/// The most threads of a scene.
pub(crate) const MOST_THREADS: usize = 8;

/// Who does what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scene {
    /// Threads that enter.
    pub threads: usize,
    /// What a thread does once inside.
    pub stay: Stay,
    /// The most Ms at once.
    pub limit: u8,
    /// How many creations fail, at any points.
    pub failures: u8,
    /// How many waits are cancelled, at any points.
    pub timeouts: u8,
    /// Somebody trims once.
    pub trim: bool,
    /// Ms spare in the beginning.
    pub spare: u8,
}

/// What a thread does once inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// Never leaves.
    ForEver,
    /// Leaves whenever it likes.
    Shortly,
    /// Leaves and enters again, for ever.
    Returning,
}

impl Scene {
    /// This many threads that behave so, one spare M, and nothing goes wrong.
    pub const fn of(threads: usize, stay: Stay) -> Scene {
        assert!(threads <= MOST_THREADS);
        Scene { threads, stay, limit: u8::MAX, failures: 0, timeouts: 0, trim: false, spare: 1 }
    }
}

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum At {
    Absent,
    Outside,
    /// Counted, or what it waits for is on its way.
    Waiting,
    /// Admitted with an M that owes; about to claim.
    Refilling,
    /// With claims in a word of their own: has read this need.
    Read(u8),
    /// With claims in a word of their own: its claim is the how many-eth.
    Reserved(u8),
    /// With claims in a word of their own: about to withdraw; the duty is held to be done.
    Withdrawing,
    /// Has a claim, about to take a slot.
    Claimed,
    /// Has a claim, and no slot was left.
    Void,
    /// Has withdrawn a claim for which no slot was left.
    Withdrawn,
    Making,
    Publishing,
    /// Making failed; the slot is not back yet.
    Unmade,
    /// Making failed; the claim still stands.
    Failed,
    /// In its callback.
    Inside,
    Gone,
}

/// One thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Thread {
    pub(crate) at: At,
    /// Its M goes back owing.
    pub(crate) owes: bool,
    /// How many Ms it made in this callback.
    pub(crate) made: u8,
}

/// Where the one who trims is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Trim {
    Ahead,
    /// Holds one M.
    Anchored,
    /// And another one, whose context it is about to drop.
    Dropping,
    Done,
}

/// One moment. The first fields are the one word; threads are interchangeable, so they are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Which of the spare Ms owe: the lowest bit is the head's.
    pub(crate) spare_owing: u16,
    pub(crate) spare: u8,
    pub(crate) waiting: u8,
    pub(crate) creating: u8,
    pub(crate) failed: bool,
    /// Ms on their way to a waiter: how many that owe nothing, how many that owe.
    pub(crate) granted: [u8; 2],
    /// Failures on their way to a waiter.
    pub(crate) errors: u8,
    /// Ms that exist or are being made.
    pub(crate) live: u8,
    /// Failures and time-outs that may still happen.
    pub(crate) failures: u8,
    pub(crate) timeouts: u8,
    pub(crate) trim: Trim,
    pub(crate) threads: [Thread; MOST_THREADS],
}

impl State {
    /// Before the first thread comes.
    pub(crate) fn start(scene: &Scene) -> State {
        let thread =
            |i| Thread { at: if i < scene.threads { At::Outside } else { At::Absent }, owes: false, made: 0 };
        let mut threads = core::array::from_fn(thread);
        threads.sort_unstable();
        State {
            spare_owing: 0,
            spare: scene.spare,
            waiting: 0,
            creating: 0,
            failed: false,
            granted: [0; 2],
            errors: 0,
            live: scene.spare,
            failures: scene.failures,
            timeouts: scene.timeouts,
            trim: if scene.trim { Trim::Ahead } else { Trim::Done },
            threads,
        }
    }

    pub(crate) fn count(&self, at: impl Fn(At) -> bool) -> u8 {
        self.threads.iter().filter(|thread| at(thread.at)).count() as u8
    }

    pub(crate) fn push(&mut self, owes: bool) {
        self.spare_owing = self.spare_owing << 1 | owes as u16;
        self.spare += 1;
    }

    /// Takes the head; whether it owes.
    pub(crate) fn pop(&mut self) -> bool {
        let owes = self.spare_owing & 1 != 0;
        self.spare_owing >>= 1;
        self.spare -= 1;
        owes
    }

    /// To a waiter if there is one, else onto the list. Clears `failed`.
    pub(crate) fn give(&mut self, owes: bool) {
        if self.waiting > 0 {
            self.waiting -= 1;
            self.granted[owes as usize] += 1;
        } else {
            self.push(owes);
        }
        self.failed = false;
    }

    /// What must hold in every state, whatever the rules: `Err` says what does not.
    pub(crate) fn safe(&self, scene: &Scene) -> Result<(), &'static str> {
        let waiters = self.count(|at| at == At::Waiting);
        let granted: u8 = self.granted.iter().sum();
        if self.spare > 0 && self.waiting > 0 {
            return Err("Either: an M is spare while a thread waits");
        }
        if waiters != self.waiting + granted + self.errors {
            return Err("Exact: the count is not that of the threads that wait");
        }
        if self.live > scene.limit {
            return Err("more Ms than the limit");
        }
        // Who trims has two in hand at most.
        let needed = scene.threads.max(scene.spare as usize) + 2 * scene.trim as usize;
        if self.live as usize > needed + 1 {
            return Err("more Ms than needed + 1");
        }
        // One place: each M that exists is in exactly one.
        let in_hands = self.count(|at| !matches!(at, At::Absent | At::Outside | At::Waiting | At::Gone));
        let being_made = self.count(|at| matches!(at, At::Making | At::Publishing | At::Unmade));
        let trimmed = match self.trim {
            Trim::Ahead | Trim::Done => 0,
            Trim::Anchored => 1,
            Trim::Dropping => 2,
        };
        if self.live != self.spare + granted + in_hands + being_made + trimmed {
            return Err("One place: an M is lost, or in two places");
        }
        Ok(())
    }

    /// Invariant Duty: while a thread waits, somebody will see to an M, or the limit is reached.
    pub(crate) fn duty(&self, scene: &Scene) -> Result<(), &'static str> {
        let owed = self.granted[1] > 0
            || self.creating > 0
            || self.count(|at| matches!(at, At::Refilling | At::Read(_) | At::Withdrawn)) > 0
            || self.trim == Trim::Anchored
            || self.trim == Trim::Dropping;
        if self.waiting == 0 || owed || self.live >= scene.limit {
            return Ok(());
        }
        Err("Duty: a thread waits, and nobody owes an M")
    }
}
