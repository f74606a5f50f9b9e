//! Checks the books against the laws of the design: token conservation, counters, statuses, indexes, plans, streams.
//!
//! A running system changes under the reader, so one pass only suspects. It reads in the direction in which a token
//! moves, `delayed`, then work streams, then `delayed` again, then unfolded facts, then records, so that a moving token
//! is seen at least once; what came during the pass proves no second token. The plan of a task is read last, with its
//! records: what leaves a plan changes the revision. What a pass suspects is reported if a second one after a pause
//! finds it again and the task has the same revision. A violation in a task that never rests is therefore found once it
//! rests. A pass that suspects nothing ends the audit.
//!
//! It walks `tasks` and the streams, never the keyspace, page by page. In memory it holds a few words for each work
//! entry, delayed member and unfolded fact, which admission bounds, and for each suspicion.
//!
//! In reading order: [`law`] the laws; [`report`] the answer; `findings` what two passes agree on; `tokens` where each
//! subtask waits; `delayed`, `streams` and `log` fill it; `books` checks one task by its `outcomes` and its `plan`.

mod books;
pub(crate) mod delayed;
mod findings;
pub mod law;
mod log;
pub(crate) mod outcomes;
pub(crate) mod plan;
pub mod report;
mod streams;
mod tokens;

use crate::entry_id::EntryId;
use crate::task_pages::TaskPages;
use findings::Findings;
use law::{Law, Violation};
use proto_schemas::TaskId;
use redis_store::{Store, StoreError};
use report::{Counts, Report};
use std::time::Duration;
use tokens::Tokens;

/// The pause between two passes unless a caller says otherwise.
pub const PAUSE: Duration = Duration::from_secs(2);
/// Tasks whose places are asked for at once.
const PAGE: usize = 200;

/// Which tasks are audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Every task that there is.
    All,
    /// Those that have not ended, unless they have more subtasks than this.
    Open { subtasks_max: u64 },
}

/// Audits everything. It only reads, and only fails if Redis does.
pub async fn audit(store: &Store, pause: Duration) -> Result<Report, StoreError> {
    Ok(audit_scope(store, pause, Scope::All).await?.expect("only the audit of what is open has a bound"))
}

/// Audits what is open; `None` if that is more than `subtasks_max` subtasks, tasks or tokens.
pub async fn audit_open(store: &Store, pause: Duration, subtasks_max: u64) -> Result<Option<Report>, StoreError> {
    let (tasks, tokens) = store.open_count().await?;
    if tasks.max(tokens) > subtasks_max {
        return Ok(None);
    }
    audit_scope(store, pause, Scope::Open { subtasks_max }).await
}

async fn audit_scope(store: &Store, pause: Duration, scope: Scope) -> Result<Option<Report>, StoreError> {
    let mut findings = Findings::default();
    let Some(counts) = pass(store, scope, &mut findings).await? else { return Ok(None) };
    if findings.is_empty() {
        return Ok(Some(Report::new(counts, findings)));
    }
    tokio::time::sleep(pause).await;
    let mut findings = findings.confirm();
    let Some(counts) = pass(store, scope, &mut findings).await? else { return Ok(None) };
    Ok(Some(Report::new(counts, findings)))
}

/// Reads everything once, in the direction in which tokens move; `None` if it is more than the scope allows.
async fn pass(store: &Store, scope: Scope, findings: &mut Findings) -> Result<Option<Counts>, StoreError> {
    let mut tokens = Tokens::default();
    let mut counts = Counts::default();
    let began = EntryId::end_of(store.now_ms().await?);
    delayed::walk(store, &mut tokens, findings).await?;
    streams::walk(store, began, &mut tokens, findings, &mut counts).await?;
    tokens.look_again();
    counts.delayed = delayed::walk(store, &mut tokens, findings).await?;
    log::walk(store, began, &mut tokens, findings, &mut counts).await?;
    let mut pass = Pass { store, tokens: &mut tokens, findings, counts: &mut counts };
    match scope {
        Scope::All => {
            let mut pages = TaskPages::start(store).await?;
            while let Some(page) = pages.next().await? {
                pass.check_page(&page).await?;
            }
        }
        Scope::Open { subtasks_max } => {
            for page in store.open_tasks().await?.chunks(PAGE) {
                pass.check_page(page).await?;
                if pass.counts.subtasks > subtasks_max {
                    return Ok(None);
                }
            }
        }
    }
    counts.unknown_entries = tokens.unclaimed_entries();
    Ok(Some(counts))
}

/// What one pass carries from task to task.
struct Pass<'a> {
    store: &'a Store,
    tokens: &'a mut Tokens,
    findings: &'a mut Findings,
    counts: &'a mut Counts,
}

impl Pass<'_> {
    async fn check_page(&mut self, page: &[TaskId]) -> Result<(), StoreError> {
        let places = self.store.index_places(page).await?;
        for (task_id, place) in page.iter().zip(&places) {
            self.counts.tasks += 1;
            let unreadable = |detail: String| Violation::of_task(Law::TaskUnreadable, task_id, detail);
            match self.store.books(task_id).await {
                Ok(Some(books)) => {
                    self.counts.subtasks += u64::from(books.task.total);
                    books::check(&books, place, self.tokens, self.findings);
                }
                Ok(None) => {
                    let detail = "it is listed in an index of tasks and its hash is missing".to_owned();
                    self.findings.found(unreadable(detail), 0);
                }
                Err(StoreError::Document(cause)) => self.findings.found(unreadable(cause.to_string()), 0),
                Err(error @ StoreError::WrongType(_)) => self.findings.found(unreadable(error.to_string()), 0),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
