//! Submitting several tasks at once: each is judged and stored for itself, as if it had been sent alone.

use crate::body::violation::Violations;
use crate::context::Context;
use crate::noted;
use crate::refusal::Refusal;
use crate::submit;
use crate::traced::Opening;
use crate::trail::Trail;
use crate::wire::batch::{BatchAnswer, BatchItem, BatchResult, NewBatch, TOLD_MAX};
use crate::wire::new_task::NewTask;
use futures::{StreamExt, stream};
use redis_store::StoreError;
use redis_store::submit::Idempotency;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Submissions under way at once: enough for the script calls to share round trips.
const AT_ONCE: usize = 32;

/// What the submissions of a batch have met.
#[derive(Default)]
struct Met {
    /// Redis does not answer, or the replicas do not.
    outage: AtomicBool,
    /// Something was stored that too few replicas have.
    unconfirmed: AtomicBool,
    /// Seconds after which trying again makes sense, 0 if none was told.
    retry_after: AtomicU32,
}

/// A batch as it was answered, and the seconds after which what was refused for a time may be sent again.
pub struct Submitted(pub BatchAnswer, pub Option<u32>);

/// Submits each; refuses the batch as a whole only if Redis took none of it, or if its key stands for another batch.
/// Once Redis does not answer, or the replicas do not, what is left is not tried any more: each would wait in vain.
pub async fn submit(
    context: &Context,
    batch: NewBatch,
    idempotency: Option<Idempotency>,
    trail: &Trail,
) -> Result<Submitted, Refusal> {
    if let Some(request) = &idempotency
        && !context.ask(context.store.claim_request(request)).await?
    {
        return Err(Refusal::IdempotencyKeyReused);
    }
    let met = Met::default();
    let (met, idempotency) = (&met, &idempotency);
    let submitted = stream::iter(batch.tasks.into_iter().enumerate()).map(async |(place, BatchItem(item))| {
        let stored = match met.outage.load(Ordering::Relaxed) {
            true => Err(Refusal::StoreSilent),
            false => one(context, item, idempotency.as_ref().map(|it| of_place(it, place)), trail).await,
        };
        if let Err(refusal) = &stored {
            met.note(refusal);
        }
        told(context, stored, trail) // at once: what is wrong with a thousand of them is not kept beside the answer
    });
    let tasks: Vec<BatchResult> = submitted.buffered(AT_ONCE).collect().await;
    let accepted = tasks.iter().filter(|task| task.problem.is_none()).count() as u32;
    let _ = trail.became.set(in_words(accepted, &tasks));
    if accepted == 0 && met.outage.load(Ordering::Relaxed) && !met.unconfirmed.load(Ordering::Relaxed) {
        return Err(Refusal::StoreSilent);
    }
    let retry_after = Some(met.retry_after.load(Ordering::Relaxed)).filter(|seconds| *seconds > 0);
    Ok(Submitted(BatchAnswer { accepted, refused: tasks.len() as u32 - accepted, tasks }, retry_after))
}

impl Met {
    fn note(&self, refusal: &Refusal) {
        self.retry_after.fetch_max(refusal.retry_after().unwrap_or(0), Ordering::Relaxed);
        match refusal {
            Refusal::NotReplicated => {
                self.unconfirmed.store(true, Ordering::Relaxed);
                self.outage.store(true, Ordering::Relaxed);
            }
            Refusal::StoreSilent | Refusal::Store(StoreError::Unavailable(_)) => {
                self.outage.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

async fn one(
    context: &Context,
    item: Result<NewTask, Violations>,
    idempotency: Option<Idempotency>,
    trail: &Trail,
) -> Result<String, Refusal> {
    let new = item.map_err(Refusal::Invalid)?;
    let stored = match submit::resent(context, idempotency.as_ref()).await? {
        Some(stored) => stored,
        None => {
            let opening = Opening::one_of_many(trail);
            submit::store(context, submit::native(context, new, idempotency, &opening).await?, &opening).await?
        }
    };
    let task_id = stored.view.task.task_id;
    if !stored.was_there {
        noted::made(context, trail, &task_id);
    }
    Ok(task_id.to_string())
}

/// How many were accepted, and how many refused for what: `accepted=3 refused=2 unknown_kind=2`.
fn in_words(accepted: u32, tasks: &[BatchResult]) -> String {
    let mut codes = BTreeMap::<&str, u32>::new();
    for problem in tasks.iter().filter_map(|task| task.problem.as_ref()) {
        *codes.entry(&problem.code).or_default() += 1;
    }
    let words: Vec<String> = codes.iter().map(|(code, count)| format!(" {code}={count}")).collect();
    format!("accepted={accepted} refused={}{}", tasks.len() as u32 - accepted, words.concat())
}

/// The key of one place: no client's own key has a tab in it.
fn of_place(idempotency: &Idempotency, place: usize) -> Idempotency {
    Idempotency { key: format!("{}\t{place}", idempotency.key), ..idempotency.clone() }
}

fn told(context: &Context, result: Result<String, Refusal>, trail: &Trail) -> BatchResult {
    match result {
        Ok(task_id) => BatchResult { status: 202, task_id: Some(task_id), problem: None },
        Err(mut refusal) => {
            if let Refusal::Invalid(violations) = &mut refusal {
                violations.cut(TOLD_MAX);
            }
            context.metrics.refused(refusal.code());
            let problem = refusal.problem(&trail.request_id);
            BatchResult { status: problem.status, task_id: None, problem: Some(problem) }
        }
    }
}
