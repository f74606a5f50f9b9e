//! How much the next read takes. After an idle wait it is one entry, and twice as many after each full read, asking the
//! bell in between, so that a small burst spreads over the replicas; once there is more work than slots it is all the
//! free slots, at once.

use std::time::Duration;

/// How long an idle worker waits before it looks by itself: what a lost bell costs.
pub(crate) const IDLE_WAIT: Duration = Duration::from_secs(2);
/// How long a worker that has just found work leaves the rest to the others.
const GROWING_WAIT: Duration = Duration::from_millis(50);

/// How the next read is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appetite {
    /// After an idle wait: at most one entry of each stream.
    Sip,
    /// After full reads: this many, by shares.
    Growing(usize),
    /// As many as there are free slots.
    Full,
}

/// What comes before the next read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    /// Tokens that nobody waited for would wake this worker for nothing.
    HushBell,
    WaitBell(Duration),
}

impl Appetite {
    /// After a read that asked for `asked` entries, of which `came`.
    pub(crate) fn after(self, asked: usize, came: usize, slots: usize) -> (Self, Before) {
        match self {
            Self::Full if came == 0 => (Self::Sip, Before::HushBell),
            _ if came < asked => (Self::Sip, Before::WaitBell(IDLE_WAIT)),
            Self::Sip if slots > 2 => (Self::Growing(2), Before::WaitBell(GROWING_WAIT)),
            Self::Growing(count) if count * 2 < slots => (Self::Growing(count * 2), Before::WaitBell(GROWING_WAIT)),
            Self::Sip | Self::Growing(_) | Self::Full => (Self::Full, Before::Nothing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_reads_double_it_up_to_the_slots_and_an_empty_one_ends_it() {
        let growing = Before::WaitBell(GROWING_WAIT);
        let mut appetite = Appetite::Sip;
        for (asked, next, before) in [
            (1, Appetite::Growing(2), growing),
            (2, Appetite::Growing(4), growing),
            (4, Appetite::Growing(8), growing),
            (8, Appetite::Full, Before::Nothing),
            (16, Appetite::Full, Before::Nothing),
        ] {
            let (after, wait) = appetite.after(asked, asked, 16);
            assert_eq!((after, wait), (next, before), "after {asked}");
            appetite = after;
        }
        assert_eq!(appetite.after(16, 0, 16), (Appetite::Sip, Before::HushBell));
        assert_eq!(appetite.after(16, 3, 16), (Appetite::Sip, Before::WaitBell(IDLE_WAIT)));
        assert_eq!(Appetite::Sip.after(1, 0, 16), (Appetite::Sip, Before::WaitBell(IDLE_WAIT)));
    }

    #[test]
    fn a_worker_of_one_slot_is_full_with_one() {
        assert_eq!(Appetite::Sip.after(1, 1, 1), (Appetite::Full, Before::Nothing));
    }
}
