//! The unfolded part of the log: terminal facts that stand for their subtasks until they are folded.

use super::findings::Findings;
use super::law::{Law, Violation};
use super::report::Counts;
use super::tokens::Tokens;
use crate::entry_id::EntryId;
use proto_schemas::Record;
use redis_store::events::EventEntry;
use redis_store::{Store, StoreError, key};

const PAGE: usize = 128;

/// Walks, in a pass that `began` so, what the projectors hold, then what none has read. An entry that is read meanwhile
/// is among the latter, because how far the group has read is asked first.
pub(crate) async fn walk(
    store: &Store,
    began: EntryId,
    tokens: &mut Tokens,
    findings: &mut Findings,
    counts: &mut Counts,
) -> Result<(), StoreError> {
    let groups = store.event_groups().await?;
    let group = groups.iter().find(|group| group.name == key::PROJECTOR_GROUP);
    let delivered = group.map_or(EntryId::default(), |group| group.last_delivered_id.parse().unwrap_or_default());
    let mut after = "-".to_owned();
    'held: loop {
        let page = store.pending_events(&after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.entry_id.clone();
        for pending in &page {
            let entry_id: EntryId = pending.entry_id.parse().unwrap_or_default();
            if entry_id > delivered {
                break 'held;
            }
            let found = store.range_events(&entry_id.before().to_string(), 1).await?;
            match found.first().filter(|entry| entry.entry_id == pending.entry_id) {
                Some(entry) => count(entry, began, tokens, counts),
                None => {
                    let detail = format!("{} {entry_id} is pending and does not exist", key::EVENTS);
                    let violation = Violation::of_entry(Law::GhostPending, detail).at(key::EVENTS, entry_id);
                    findings.found(violation, (key::EVENTS, entry_id));
                }
            }
        }
    }
    let mut after = delivered.to_string();
    loop {
        let page = store.range_events(&after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.entry_id.clone();
        page.iter().for_each(|entry| count(entry, began, tokens, counts));
    }
}

fn count(entry: &EventEntry, began: EntryId, tokens: &mut Tokens, counts: &mut Counts) {
    counts.events_unfolded += 1;
    let is_fresh = entry.entry_id.parse::<EntryId>().unwrap_or_default() > began;
    for fact in entry.lines.iter().flatten().filter(|fact| Record::of(fact).is_some()) {
        for index in fact.indexes() {
            tokens.add_fact(&fact.task_id, index, fact.generation, is_fresh);
        }
    }
}
