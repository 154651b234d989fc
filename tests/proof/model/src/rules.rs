//! What the threads do, and how it can be made worse.

/// How a thread takes on the making of an M.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claims {
    /// As shipped: need is judged and the claim made in one exchange on one word.
    OneWord,
    /// Rejected: claims in a word of their own, and need read before.
    NeedReadFirst,
    /// Rejected: claims in a word of their own; claim first, read need, withdraw if too many.
    ReserveThenVerify,
}

/// The rules; [`Rules::SHIPPED`] are extram's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How a claim is made.
    pub claims: Claims,
    /// A new M owes a refill.
    pub new_owes: bool,
    /// The last M on the list owes one to whoever takes it.
    pub last_owes: bool,
    /// A failure with nobody left to try turns newcomers away.
    pub failed_is_set: bool,
    /// A failure tells one waiter.
    pub failure_is_told: bool,
    /// An M whose duty could not be done keeps it.
    pub duty_is_kept: bool,
    /// The M that trim holds meanwhile goes back owing.
    pub anchor_owes: bool,
    /// Who withdraws a claim for which no slot was left looks for a slot once more.
    pub void_looks_again: bool,
    /// A waiter whose grant is on its way does not go away without it.
    pub grants_are_awaited: bool,
}

impl Rules {
    /// extram's.
    pub const SHIPPED: Rules = Rules {
        claims: Claims::OneWord,
        new_owes: true,
        last_owes: true,
        failed_is_set: true,
        failure_is_told: true,
        duty_is_kept: true,
        anchor_owes: true,
        void_looks_again: true,
        grants_are_awaited: true,
    };
}
