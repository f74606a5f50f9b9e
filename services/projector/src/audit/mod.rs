//! Checks the books against the laws of the design: token conservation, counters, statuses, indexes, streams.
//!
//! A running system changes under the reader, so one pass only suspects. It reads in the direction in which a token
//! moves, work streams, then unfolded facts, then records, so that a moving token is seen at least once; what it
//! suspects is reported if a second pass after a pause finds it again and the task has the same revision. A violation
//! in a task that never rests is therefore found once it rests. A pass that suspects nothing ends the audit.
//!
//! It walks `tasks` and the streams, never the keyspace, page by page. In memory it holds a few words for each work
//! entry and unfolded fact, which admission bounds, and for each suspicion.
//!
//! In reading order: [`law`] the laws; [`report`] the answer; `findings` what two passes agree on; `tokens` where each
//! subtask waits; `streams` and `log` fill it; `books` checks one task.

mod books;
mod findings;
pub mod law;
mod log;
pub mod report;
mod streams;
mod tokens;

use crate::task_pages::TaskPages;
use findings::Findings;
use law::{Law, Violation};
use proto_schemas::TaskId;
use redis_store::read::IndexPlace;
use redis_store::{Store, StoreError};
use report::{Counts, Report};
use std::time::Duration;
use tokens::Tokens;

/// The pause between two passes unless a caller says otherwise.
pub const PAUSE: Duration = Duration::from_secs(2);

/// Audits everything. It only reads, and only fails if Redis does.
pub async fn audit(store: &Store, pause: Duration) -> Result<Report, StoreError> {
    let mut findings = Findings::default();
    let counts = pass(store, &mut findings).await?;
    if findings.is_empty() {
        return Ok(Report::new(counts, findings));
    }
    tokio::time::sleep(pause).await;
    let mut findings = findings.confirm();
    let counts = pass(store, &mut findings).await?;
    Ok(Report::new(counts, findings))
}

/// Reads everything once, in the direction in which tokens move.
async fn pass(store: &Store, findings: &mut Findings) -> Result<Counts, StoreError> {
    let mut tokens = Tokens::default();
    let mut counts = Counts::default();
    streams::walk(store, &mut tokens, findings, &mut counts).await?;
    log::walk(store, &mut tokens, findings, &mut counts).await?;
    let mut pages = TaskPages::start(store).await?;
    while let Some(page) = pages.next().await? {
        let places = store.index_places(&page).await?;
        for (task_id, place) in page.iter().zip(&places) {
            counts.tasks += 1;
            check_task(store, task_id, place, &mut Pass { tokens: &mut tokens, findings, counts: &mut counts }).await?;
        }
    }
    counts.unknown_entries = tokens.unclaimed_entries();
    Ok(counts)
}

/// What one pass carries from task to task.
struct Pass<'a> {
    tokens: &'a mut Tokens,
    findings: &'a mut Findings,
    counts: &'a mut Counts,
}

async fn check_task(
    store: &Store,
    task_id: &TaskId,
    place: &IndexPlace,
    pass: &mut Pass<'_>,
) -> Result<(), StoreError> {
    let unreadable = |detail: String| Violation::of_task(Law::TaskUnreadable, task_id, detail);
    match store.task(task_id).await {
        Ok(Some(view)) => {
            pass.counts.subtasks += u64::from(view.task.total);
            books::check(&view, place, pass.tokens, pass.findings);
        }
        Ok(None) => pass.findings.found(unreadable("it is listed in tasks and its hash is missing".to_owned()), 0),
        Err(StoreError::Document(cause)) => pass.findings.found(unreadable(cause.to_string()), 0),
        Err(error @ StoreError::WrongType(_)) => pass.findings.found(unreadable(error.to_string()), 0),
        Err(error) => return Err(error),
    }
    Ok(())
}
