//! Where the log may be cut: behind what every group has acknowledged, and no earlier than its retention asks for.

use crate::entry_id::EntryId;
use redis_store::events::GroupState;
use redis_store::key;
use std::time::Duration;

/// What is known of the log when the decision is made.
#[derive(Debug, Clone)]
pub(crate) struct LogState {
    /// Every group that there is.
    pub groups: Vec<GroupState>,
    /// Every group that there must be, beside the projectors'.
    pub required: Vec<String>,
    /// Redis' clock, ms of the Unix epoch.
    pub now_ms: u64,
    /// Entries in the log.
    pub entries: u64,
    /// Bytes it takes.
    pub bytes: u64,
    /// Bytes in use by all of Redis.
    pub used_memory: u64,
    /// The bytes it may use; 0 is no bound.
    pub maxmemory: u64,
}

/// How much is kept of what was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    /// Younger entries stay.
    pub age: Duration,
    /// Unless the log takes more than this.
    pub bytes_max: u64,
}

/// What may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Only entries below this id.
    pub before: EntryId,
    /// Only about so many, the oldest; `None` is all.
    pub count: Option<u64>,
}

/// Why nothing may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    /// A group that must read the log does not exist.
    Missing(String),
    /// A group tells a position that cannot be read.
    Unreadable(String),
}

/// A cut takes at least a whole node of the stream, which holds up to 100 entries by default.
const COUNT_MIN: u64 = 100;

/// Whether Redis has so little memory left that all of it is for what was accepted.
pub(crate) fn is_tight(used_memory: u64, maxmemory: u64) -> bool {
    maxmemory > 0 && used_memory > maxmemory / 5 * 4
}

/// Decides what may go now. Nothing that a group has yet to acknowledge is ever below the answer; only webhooks are not
/// waited for while memory is tight, because that is what their deliveries would take.
pub(crate) fn cut(log: &LogState, retention: Retention) -> Result<Cut, Held> {
    let is_there = |name: &str| log.groups.iter().any(|group| group.name == name);
    let required = log.required.iter().map(String::as_str).chain([key::PROJECTOR_GROUP]);
    if let Some(missing) = required.into_iter().find(|name| !is_there(name)) {
        return Err(Held::Missing(missing.to_owned()));
    }
    let is_tight = is_tight(log.used_memory, log.maxmemory);
    let mut acknowledged = EntryId { ms: u64::MAX, sequence: u64::MAX };
    for group in log.groups.iter().filter(|group| !(is_tight && group.name == key::WEBHOOKS_GROUP)) {
        let oldest = group.oldest_pending_id.as_ref().unwrap_or(&group.last_delivered_id);
        acknowledged = acknowledged.min(oldest.parse().map_err(|_| Held::Unreadable(group.name.clone()))?);
    }
    if is_tight {
        return Ok(Cut { before: acknowledged, count: None });
    }
    if log.bytes > retention.bytes_max {
        let share = (log.bytes - retention.bytes_max) as f64 / log.bytes as f64;
        let count = (log.entries as f64 * share).ceil() as u64;
        return Ok(Cut { before: acknowledged, count: Some(count.max(COUNT_MIN)) });
    }
    let old = EntryId::at(log.now_ms.saturating_sub(retention.age.as_millis() as u64));
    Ok(Cut { before: acknowledged.min(old), count: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETENTION: Retention = Retention { age: Duration::from_millis(1_000), bytes_max: 1 << 20 };

    fn group(name: &str, last_delivered_id: &str, oldest_pending_id: Option<&str>) -> GroupState {
        GroupState {
            name: name.to_owned(),
            pending: oldest_pending_id.is_some().into(),
            last_delivered_id: last_delivered_id.to_owned(),
            oldest_pending_id: oldest_pending_id.map(str::to_owned),
        }
    }

    fn log(groups: Vec<GroupState>) -> LogState {
        let required = vec!["projector".to_owned()];
        LogState { groups, required, now_ms: 10_000, entries: 1_000, bytes: 1, used_memory: 1, maxmemory: 0 }
    }

    #[track_caller]
    fn check(log: &LogState, before: &str, count: Option<u64>) {
        let before = before.parse().expect("an id");
        assert_eq!(cut(log, RETENTION), Ok(Cut { before, count }));
    }

    #[test]
    fn what_all_have_read_and_is_old_goes() {
        check(&log(vec![group("projector", "9999-0", None)]), "9000-0", None);
        check(&log(vec![group("projector", "8000-7", None)]), "8000-7", None);
    }

    #[test]
    fn the_slowest_group_holds_the_log_whether_it_reads_or_only_fails_to_acknowledge() {
        let ahead = group("projector", "9999-0", None);
        check(&log(vec![ahead.clone(), group("archive", "3000-0", None)]), "3000-0", None);
        check(&log(vec![ahead.clone(), group("archive", "9999-0", Some("2000-5"))]), "2000-5", None);
        check(&log(vec![ahead, group("archive", "0-0", None)]), "0-0", None);
    }

    #[test]
    fn a_group_that_must_be_there_and_is_not_holds_everything() {
        let mut state = log(vec![group("projector", "9999-0", None)]);
        state.required.push("archive".to_owned());
        assert_eq!(cut(&state, RETENTION), Err(Held::Missing("archive".to_owned())));
        let state = LogState { required: Vec::new(), ..log(vec![group("archive", "9999-0", None)]) };
        assert_eq!(cut(&state, RETENTION), Err(Held::Missing("projector".to_owned())));
    }

    #[test]
    fn a_position_that_cannot_be_read_holds_everything() {
        let state = log(vec![group("projector", "nonsense", None)]);
        assert_eq!(cut(&state, RETENTION), Err(Held::Unreadable("projector".to_owned())));
    }

    #[test]
    fn above_its_bytes_the_log_gives_up_young_entries_but_only_as_many_as_needed() {
        let mut state = log(vec![group("projector", "9999-0", Some("9500-0"))]);
        state.bytes = 4 << 20;
        check(&state, "9500-0", Some(750));
        state.bytes = (1 << 20) + 1;
        check(&state, "9500-0", Some(COUNT_MIN));
    }

    #[test]
    fn while_memory_is_tight_webhooks_are_not_waited_for() {
        let mut state = log(vec![group("projector", "9999-0", None), group("webhooks", "3000-0", None)]);
        check(&state, "3000-0", None);
        (state.used_memory, state.maxmemory) = (81, 100);
        check(&state, "9999-0", None);
    }

    #[test]
    fn above_four_fifths_of_memory_only_the_unacknowledged_stays() {
        let mut state = log(vec![group("projector", "9999-0", Some("9500-0"))]);
        (state.used_memory, state.maxmemory) = (81, 100);
        check(&state, "9500-0", None);
        state.used_memory = 80;
        check(&state, "9000-0", None);
    }
}
