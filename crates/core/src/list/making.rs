//! Claims on the making of an M, and how they end without one. The rules are those of
//! [`crate::list`] and [`crate::refill`].

use super::List;
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

impl List {
    /// Takes on the making of one M if one is needed that nobody is making: as many as threads
    /// wait, or one if the list is empty. Need and claim are judged in one exchange; with a second
    /// word for the claims, four threads can all discharge their duty on each other's transient
    /// claims and leave waiters behind.
    pub(crate) fn claim(&self) -> bool {
        let mut word = self.glance();
        loop {
            let need = match word.waiting() {
                0 if word.has_spare() => 0,
                0 => 1,
                waiting => waiting,
            };
            if word.closed() || word.creating() >= need.min(MAX_CREATING) {
                return false;
            }
            // Relaxed: a claim publishes nothing.
            match self.change(word, word.creating_more().with_returning(false), Ordering::Relaxed) {
                Ok(()) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Takes on the making of one M, needed or not; `false` if too many are being made to count.
    pub(crate) fn claim_extra(&self) -> bool {
        let mut word = self.glance();
        loop {
            if word.closed() || word.creating() == MAX_CREATING {
                return false;
            }
            // Relaxed: as in `claim`.
            match self.change(word, word.creating_more(), Ordering::Relaxed) {
                Ok(()) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Withdraws a claim that cannot be met because the limit is reached: whoever waits, waits for
    /// an M that comes back.
    pub(crate) fn withdraw(&self) {
        let mut word = self.glance();
        // Acquire: partner of the release in `give_up` and `give`; if the slot came back before
        // that, the caller's look at the table finds it.
        while let Err(now) = self.change(word, word.creating_less(), Ordering::Acquire) {
            word = now;
        }
    }

    /// Withdraws a claim after a failed creation, and in the same exchange passes the failure on.
    #[cold]
    pub(crate) fn give_up<P: Port>(&self) -> GaveUp {
        self.fail::<P>(true, 1)
    }

    /// Withdraws the claim, if there is one, of a creator that will not follow it up, because it is
    /// unwinding: everybody who waits is told.
    #[cold]
    pub(crate) fn abandon<P: Port>(&self, claimed: bool) {
        self.fail::<P>(claimed, MAX_VALUE);
    }

    fn fail<P: Port>(&self, claimed: bool, most: u32) -> GaveUp {
        let mut word = self.glance();
        loop {
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
            let to = if hopeless { to.with_failed(true) } else { to };
            // Release: partner of the acquire in `withdraw`, for the slot that has come back.
            match self.change(word, to, Ordering::Release) {
                Ok(()) => {
                    self.refuse::<P>(&self.refusals, told);
                    return outcome;
                }
                Err(now) => word = now,
            }
        }
    }
}
