//! What is the matter with a stream, in sentences that say what to do. Pure.

use redis_store::stream_state::StreamGroup;
use std::time::Duration;

/// A consumer with work under it that has not renewed it for so long is stuck or dead, and nobody has reaped it.
const STUCK_AFTER: Duration = Duration::from_secs(60);
/// Facts that wait longer than this are a projector's that is behind.
const BEHIND_AFTER: Duration = Duration::from_secs(10);

/// What is known of a stream.
pub struct Load<'a> {
    /// Whether it holds work.
    pub is_work: bool,
    /// Entries that our group has not read; `None` if the server cannot tell, or it is not for a group of ours to read.
    pub ready: Option<u64>,
    /// Our group.
    pub ours: Option<&'a StreamGroup>,
    /// By Redis' clock.
    pub now_ms: u64,
    /// All groups.
    pub groups: &'a [StreamGroup],
}

/// What people should look at.
pub fn of(stream: &str, load: &Load<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let Some(ours) = load.ours else {
        if load.ready.unwrap_or(0) > 0 {
            let reader = if load.is_work { "worker" } else { "projector" };
            warnings.push(format!("{stream} has entries and no group: no {reader} has read it yet"));
        }
        return warnings;
    };
    if ours.lag.is_none() {
        warnings.push(format!("the lag of group {} is unknown: an entry was deleted by hand", ours.name));
    }
    let heard_ms = ours.consumers.iter().map(|consumer| consumer.idle_ms).min();
    let is_unread = heard_ms.is_none_or(|ms| Duration::from_millis(ms) >= STUCK_AFTER);
    if load.is_work && load.ready.unwrap_or(0) > 0 && is_unread {
        let since = heard_ms.map(|ms| format!(", and who did was last heard of {} s ago", ms / 1_000));
        warnings.push(format!("nobody reads it{}: start a worker that serves its kinds", since.unwrap_or_default()));
    }
    let is_stuck = |pending: u64, idle_ms: u64| pending > 0 && Duration::from_millis(idle_ms) >= STUCK_AFTER;
    for consumer in ours.consumers.iter().filter(|it| is_stuck(it.pending, it.idle_ms)).take(10) {
        let (name, pending, idle) = (&consumer.name, consumer.pending, consumer.idle_ms / 1_000);
        warnings.push(format!("{name} has {pending} pending and was last heard of {idle} s ago"));
    }
    let age = |id: &String| Duration::from_millis(load.now_ms.saturating_sub(super::added_ms(id)));
    let oldest = ours.oldest_pending_id.as_ref().or(ours.oldest_unread_id.as_ref());
    if !load.is_work && oldest.is_some_and(|id| age(id) >= BEHIND_AFTER) {
        let warning = "the projectors are behind, or cannot fold an entry: start another, or look at their log";
        warnings.push(warning.to_owned());
    }
    let is_behind = |group: &&StreamGroup| group.oldest_unread_id.as_ref().is_some_and(|id| age(id) >= BEHIND_AFTER);
    for group in load.groups.iter().filter(|group| !load.is_work && group.name != ours.name).filter(is_behind) {
        warnings.push(format!("group {} is behind, and the log waits for it", group.name));
    }
    for group in load.groups.iter().filter(|group| load.is_work && group.name != ours.name) {
        warnings
            .push(format!("group {} misses what is settled before it reads: entries go when ours is done", group.name));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis_store::stream_state::StreamConsumer;

    fn group(lag: Option<u64>, consumers: &[(u64, u64)]) -> StreamGroup {
        let consumer = |(pending, idle_ms): &(u64, u64)| StreamConsumer {
            name: "w".to_owned(),
            pending: *pending,
            idle_ms: *idle_ms,
        };
        let oldest_unread_id = Some("1000-0".to_owned());
        let consumers = consumers.iter().map(consumer).collect();
        StreamGroup { name: "workers".to_owned(), lag, oldest_unread_id, consumers, ..StreamGroup::default() }
    }

    fn warnings(is_work: bool, ready: u64, ours: Option<&StreamGroup>, groups: &[StreamGroup]) -> Vec<String> {
        of("subtasks:q:low", &Load { is_work, ready: Some(ready), ours, now_ms: 11_000, groups })
    }

    #[test]
    fn a_healthy_stream_has_nothing_the_matter() {
        let ours = group(Some(3), &[(2, 59_999), (0, 99_999_999)]);
        assert_eq!(warnings(true, 3, Some(&ours), std::slice::from_ref(&ours)), Vec::<String>::new());
        assert_eq!(warnings(true, 0, None, &[]), Vec::<String>::new());
    }

    #[test]
    fn whatever_stops_work_is_named() {
        let says =
            |warnings: Vec<String>, text: &str| assert!(warnings.iter().any(|it| it.contains(text)), "{warnings:?}");
        says(warnings(true, 1, None, &[]), "no group: no worker has read it");
        says(warnings(false, 1, None, &[]), "no group: no projector has read it");
        says(warnings(true, 1, Some(&group(Some(1), &[])), &[]), "nobody reads it");
        let dead = group(Some(1), &[(0, 60_000), (0, 99_999)]);
        says(warnings(true, 1, Some(&dead), &[]), "nobody reads it, and who did was last heard of 60 s ago");
        assert!(warnings(true, 0, Some(&dead), &[]).is_empty(), "there is nothing to read");
        says(warnings(true, 1, Some(&group(None, &[(0, 0)])), &[]), "lag of group workers is unknown");
        says(
            warnings(true, 0, Some(&group(Some(0), &[(2, 60_000)])), &[]),
            "w has 2 pending and was last heard of 60 s ago",
        );
        says(warnings(false, 1, Some(&group(Some(1), &[(0, 0)])), &[]), "projectors are behind");
        let pending = |id: &str| StreamGroup {
            oldest_pending_id: Some(id.to_owned()),
            oldest_unread_id: None,
            ..group(Some(0), &[(1, 0)])
        };
        says(warnings(false, 0, Some(&pending("1000-0")), &[]), "or cannot fold an entry");
        assert!(warnings(false, 0, Some(&pending("1001-0")), &[]).is_empty(), "it is being folded");
        let other = StreamGroup { name: "other".to_owned(), ..group(Some(0), &[]) };
        let all = [group(Some(0), &[]), other.clone()];
        says(warnings(false, 0, Some(&all[0]), &all), "group other is behind");
        says(warnings(true, 0, Some(&group(Some(0), &[(0, 0)])), &[other]), "group other misses");
    }
}
