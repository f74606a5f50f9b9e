//! The work streams beside their pending lists: every entry is waiting or held, and everything held exists.

use super::findings::Findings;
use super::law::{Law, Violation};
use super::report::Counts;
use super::tokens::Tokens;
use crate::entry_id::EntryId;
use proto_schemas::{QueueName, WorkEntry};
use redis_store::read::StreamEntry;
use redis_store::{Store, StoreError, Stream};
use std::collections::{BTreeSet, VecDeque};

/// Entries that one command reads: each may carry 64 KiB.
const PAGE: usize = 100;
/// Of a pending list it reads ids alone.
const PENDING_PAGE: usize = 1_000;

/// Walks every stream of every queue in a pass that `began` so.
pub(crate) async fn walk(
    store: &Store,
    began: EntryId,
    tokens: &mut Tokens,
    findings: &mut Findings,
    counts: &mut Counts,
) -> Result<(), StoreError> {
    let mut queues: BTreeSet<QueueName> = store.queues().await?.into_iter().collect();
    queues.insert(QueueName::default_queue()); // people write entries there by hand
    for stream in queues.iter().flat_map(Stream::of) {
        let (tokens, findings, counts) = (&mut *tokens, &mut *findings, &mut *counts);
        Walk { stream: &stream, began, tokens, findings, counts }.run(store).await?;
    }
    Ok(())
}

struct Walk<'a> {
    stream: &'a Stream,
    began: EntryId,
    tokens: &'a mut Tokens,
    findings: &'a mut Findings,
    counts: &'a mut Counts,
}

impl Walk<'_> {
    /// Merges the stream with its pending list, both in the order of ids. How far the group has read is asked first:
    /// what is delivered later has a greater id.
    async fn run(&mut self, store: &Store) -> Result<(), StoreError> {
        let group = store.work_group(self.stream).await?;
        let delivered = group.map_or(EntryId::default(), |group| id(&group.last_delivered_id));
        let mut pending = Pending::start(store, self.stream);
        let mut after = "-".to_owned();
        loop {
            let page = store.stream_page(self.stream, &after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.entry_id.clone();
            for entry in &page {
                let entry_id = id(&entry.entry_id);
                while let Some(ghost) = pending.next_if(|held| held < entry_id).await? {
                    self.ghost(ghost);
                }
                let is_held = pending.next_if(|held| held == entry_id).await?.is_some();
                if !is_held && entry_id <= delivered {
                    self.orphan(entry);
                }
                self.count(entry);
            }
        }
        while let Some(ghost) = pending.next_if(|_| true).await? {
            self.ghost(ghost);
        }
        Ok(())
    }

    fn count(&mut self, entry: &StreamEntry) {
        self.counts.entries += 1;
        match decode(entry, self.stream) {
            Some(work) => {
                let is_fresh = id(&entry.entry_id) > self.began;
                self.tokens.add_entry(&work.task_id, work.index, work.generation, is_fresh);
            }
            None => self.counts.malformed_entries += 1,
        }
    }

    fn orphan(&mut self, entry: &StreamEntry) {
        let detail = format!("{} {} was delivered and is not pending", self.stream, entry.entry_id);
        let violation = match decode(entry, self.stream) {
            Some(entry) => Violation::of_subtask(Law::OrphanEntry, &entry.task_id, entry.index, detail),
            None => Violation::of_entry(Law::OrphanEntry, detail),
        };
        let violation = violation.at(self.stream, &entry.entry_id);
        self.findings.found(violation, (self.stream, &entry.entry_id));
    }

    fn ghost(&mut self, entry_id: EntryId) {
        let detail = format!("{} {entry_id} is pending and does not exist", self.stream);
        let violation = Violation::of_entry(Law::GhostPending, detail).at(self.stream, entry_id);
        self.findings.found(violation, (self.stream, entry_id));
    }
}

/// The pending list of a stream, page by page in the order of ids.
struct Pending<'a> {
    store: &'a Store,
    stream: &'a Stream,
    page: VecDeque<String>,
    after: String,
    is_at_end: bool,
}

impl<'a> Pending<'a> {
    fn start(store: &'a Store, stream: &'a Stream) -> Self {
        Self { store, stream, page: VecDeque::new(), after: "-".to_owned(), is_at_end: false }
    }

    /// Takes the next id if it is one of those asked for.
    async fn next_if(&mut self, wanted: impl Fn(EntryId) -> bool) -> Result<Option<EntryId>, StoreError> {
        if self.page.is_empty() && !self.is_at_end {
            let page = self.store.pending_page(self.stream, &self.after, PENDING_PAGE).await?;
            self.page = page.into_iter().map(|entry| entry.entry_id).collect();
            match self.page.back() {
                Some(last) => self.after = last.clone(),
                None => self.is_at_end = true,
            }
        }
        let found = self.page.front().map(|text| id(text)).filter(|held| wanted(*held));
        if found.is_some() {
            self.page.pop_front();
        }
        Ok(found)
    }
}

fn decode(entry: &StreamEntry, stream: &Stream) -> Option<WorkEntry> {
    let fields = entry.fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    WorkEntry::decode(fields, stream.priority).ok()
}

/// Redis gives no other ids.
fn id(text: &str) -> EntryId {
    text.parse().unwrap_or_default()
}
