//! Claims on the making of an M, and how they end without one. The rules are those of
//! [`crate::list`] and [`crate::refill`].

use super::List;
use crate::count::Era;
use crate::port::Port;
use crate::sync::Ordering;
use crate::word::{MAX_CREATING, MAX_VALUE};

/// What became of a creator's failure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GaveUp {
    /// A waiter has been told; more may wait.
    Told,
    /// Nobody waits, and an M is spare or being made by somebody else: the duty is done.
    Covered,
    /// Nobody will make an M: the M at hand keeps the duty.
    KeepDuty,
}

/// The making of one M that a thread has taken on, and on which others rely. Ends as
/// [`publish`](List::publish), [`withdraw`](List::withdraw), [`give_up`](List::give_up) or
/// [`abandon`](List::abandon). In a forked child no claim stands: what was made under it is one M more.
#[must_use]
#[derive(Debug)]
pub(crate) struct Claim(Era);

impl Claim {
    pub(super) fn stands(&self, era: Era) -> bool {
        self.0 == era
    }
}

impl List {
    /// Takes on the making of one M if one is needed that nobody is making: as many as threads
    /// wait, or one if the list is empty. Need and claim are judged in one exchange; with a second
    /// word for the claims, four threads can all discharge their duty on each other's transient
    /// claims and leave waiters behind.
    pub(crate) fn claim<P: Port>(&self) -> Option<Claim> {
        let mut word = self.glance();
        loop {
            let era = self.era::<P>();
            let need = match word.waiting() {
                0 if word.has_spare() => 0,
                0 => 1,
                waiting => waiting,
            };
            if word.closed() || word.creating() >= need.min(MAX_CREATING) {
                return None;
            }
            // Relaxed: a claim publishes nothing.
            match self.change(word, word.creating_more().with_returning(false), Ordering::Relaxed) {
                Ok(()) => return Some(Claim(era)),
                Err(now) => word = now,
            }
        }
    }

    /// Takes on the making of one M, needed or not; `None` if too many are being made to count.
    pub(crate) fn claim_extra<P: Port>(&self) -> Option<Claim> {
        let mut word = self.glance();
        loop {
            let era = self.era::<P>();
            if word.closed() || word.creating() == MAX_CREATING {
                return None;
            }
            // Relaxed: as in `claim`.
            match self.change(word, word.creating_more(), Ordering::Relaxed) {
                Ok(()) => return Some(Claim(era)),
                Err(now) => word = now,
            }
        }
    }

    /// Withdraws a claim that cannot be met because the limit is reached: whoever waits, waits for
    /// an M that comes back.
    pub(crate) fn withdraw<P: Port>(&self, claim: Claim) {
        let mut word = self.glance();
        while claim.stands(self.era::<P>()) {
            // Acquire: partner of the release in `give_up` and `give`; if the slot came back before
            // that, the caller's look at the table finds it.
            match self.change(word, word.creating_less(), Ordering::Acquire) {
                Ok(()) => return,
                Err(now) => word = now,
            }
        }
    }

    /// Withdraws a claim after a failed creation, and in the same exchange passes the failure on.
    #[cold]
    pub(crate) fn give_up<P: Port>(&self, claim: Claim) -> GaveUp {
        self.fail::<P>(Some(claim), 1)
    }

    /// Withdraws the claim, if there is one, of a creator that will not follow it up, because it is
    /// unwinding or has tried often enough: everybody who waits is told.
    #[cold]
    pub(crate) fn abandon<P: Port>(&self, claim: Option<Claim>) -> GaveUp {
        self.fail::<P>(claim, MAX_VALUE)
    }

    fn fail<P: Port>(&self, claim: Option<Claim>, most: u32) -> GaveUp {
        let mut word = self.glance();
        loop {
            let era = self.era::<P>();
            let claimed = claim.as_ref().is_some_and(|claim| claim.stands(era));
            let less = if claimed { word.creating_less() } else { word };
            let told = word.waiting().min(most);
            let (to, outcome) = if told > 0 {
                (less.with_waiting(word.waiting() - told), GaveUp::Told)
            } else if word.has_spare() || less.creating() > 0 || word.closed() {
                (less, GaveUp::Covered)
            } else {
                (less.with_failed(true), GaveUp::KeepDuty)
            };
            // Nobody will make one for those who come next, either.
            let hopeless = most == MAX_VALUE && told > 0 && less.creating() == 0;
            let (to, outcome) =
                if hopeless { (to.with_failed(true), GaveUp::KeepDuty) } else { (to, outcome) };
            // Release: partner of the acquire in `withdraw`, for the slot that has come back.
            match self.change(word, to, Ordering::Release) {
                Ok(()) => {
                    self.refuse::<P>(&self.refusals, told, era);
                    return outcome;
                }
                Err(now) => word = now,
            }
        }
    }
}
