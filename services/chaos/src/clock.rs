//! The one clock of all ledgers: ms since the machine started. All processes share it, and no fault reaches it: clock
//! jumps turn only the wall clock of Redis.

use rustix::time::{ClockId, clock_gettime};

/// A moment, in ms since the machine started.
pub type Moment = u64;

/// Now.
pub fn now() -> Moment {
    let time = clock_gettime(ClockId::Monotonic);
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    part(time.tv_sec) * 1_000 + part(time.tv_nsec) / 1_000_000
}
