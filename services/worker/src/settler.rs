//! Records how attempts ended. Woken by the first that is ready; whoever ends while a call is in flight joins the next
//! one, so at low load each goes out at once and at high load one call carries up to 128 items or 1 MiB. It reads the
//! channel of the executors and writes through `settle.lua`, and `retry.lua` and `bury.lua` beside it if the batch has
//! such. If the process dies before the call, the entries are reaped and run again; after it, the reply is not needed
//! by anyone but the promoter, whose rounds find a retry without it.

use crate::ending::Ending;
use crate::pause::Pause;
use crate::recording::Recording;
use crate::shared::Shared;
use crate::turn::give_way;
use proto_schemas::limit::{BATCH_BYTES_MAX, BATCH_ITEMS_MAX};
use redis_store::StoreError;
use redis_store::bury::Burial;
use redis_store::retry::Retry;
use redis_store::settle::Settlement;
use std::sync::Arc;
use telemetry::trace::Span;
use telemetry::trace::span::MESSAGING_COUNT;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// An ending on its way to Redis, with the slot that it keeps until it has been sent.
pub(crate) struct Ready {
    pub(crate) ending: Ending,
    pub(crate) slot: OwnedSemaphorePermit,
    /// Its recording in traces.
    pub(crate) span: Option<Span>,
}

#[derive(Default)]
struct Batch {
    settlements: Vec<Settlement>,
    retries: Vec<Retry>,
    burials: Vec<Burial>,
    slots: Vec<OwnedSemaphorePermit>,
    spans: Vec<Span>,
    bytes: usize,
}

/// Runs until every sender is gone, or `abandon`: then it records what is ready and has no more patience. If it ends
/// before, the worker stops. The channel is bounded by the slots: each ending holds its own. What Redis refuses until a
/// person has mended a key is tried a last time before it returns.
pub(crate) async fn run(shared: Arc<Shared>, mut ready: UnboundedReceiver<Ready>, abandon: CancellationToken) {
    let mut batch = Batch::default();
    let _stop = shared.stopping.clone().drop_guard();
    let (mut kept_back, insisting) = (None, TaskTracker::new());
    loop {
        let first = match kept_back.take() {
            Some(first) => Some(first),
            None => tokio::select! {
                biased;
                first = ready.recv() => first,
                () = abandon.cancelled() => {
                    ready.close();
                    ready.recv().await
                }
            },
        };
        let Some(first) = first else { break };
        give_way().await; // whatever is as ready as the first goes along
        let mut next = Some(first);
        while let Some(ready_one) = next {
            batch.push(ready_one);
            next = if batch.slots.len() < BATCH_ITEMS_MAX { ready.try_recv().ok() } else { None };
            if next.as_ref().is_some_and(|next| batch.bytes + size(&next.ending) > BATCH_BYTES_MAX) {
                kept_back = next.take();
            }
        }
        let (settlements, retries, burials) = tokio::join!(
            run_once(&shared, &batch.settlements, &abandon),
            run_once(&shared, &batch.retries, &abandon),
            run_once(&shared, &batch.burials, &abandon),
        );
        insist(&shared, &insisting, settlements, &mut batch.slots, &abandon);
        insist(&shared, &insisting, retries, &mut batch.slots, &abandon);
        insist(&shared, &insisting, burials, &mut batch.slots, &abandon);
        batch.clear();
    }
    insisting.close();
    insisting.wait().await;
}

impl Batch {
    fn push(&mut self, Ready { ending, slot, span }: Ready) {
        self.bytes += size(&ending);
        self.slots.push(slot);
        self.spans.extend(span);
        match ending {
            Ending::Settle(settlement) => self.settlements.push(settlement),
            Ending::Retry(retry) => self.retries.push(retry),
            Ending::Bury(burial) => self.burials.push(burial),
        }
    }

    /// Ends the spans of what was recorded.
    fn clear(&mut self) {
        let items = self.settlements.len() + self.retries.len() + self.burials.len();
        for mut span in self.spans.drain(..) {
            span.set(MESSAGING_COUNT, items as i64);
        }
        self.settlements.clear();
        self.retries.clear();
        self.burials.clear();
        self.slots.clear();
        self.bytes = 0;
    }
}

fn size(ending: &Ending) -> usize {
    let result = match ending {
        Ending::Settle(settlement) => settlement.result.as_ref(),
        Ending::Bury(burial) => burial.owner.as_ref().and_then(|owner| owner.result.as_ref()),
        Ending::Retry(_) => None,
    };
    result.map_or(0, String::len)
}

/// Records what one script takes, however long Redis is away. Answers what a key of another type refused.
async fn run_once<T: Recording>(shared: &Shared, batch: &[T], abandon: &CancellationToken) -> Vec<T> {
    let mut pause = Pause::new();
    while !batch.is_empty() {
        match T::send(&shared.store, &shared.consumer, batch).await {
            Ok(answers) => {
                shared.metrics.sent(T::SCRIPT, batch.len());
                let_go(shared, batch);
                batch.iter().zip(answers).for_each(|(item, answer)| item.tell(shared, answer));
                break;
            }
            Err(error) if !error.is_transient() && batch.len() > 1 => {
                // One of them is to blame; the others are not.
                let mut refused = Vec::new();
                for item in batch {
                    refused.extend(Box::pin(run_once(shared, std::slice::from_ref(item), abandon)).await);
                }
                return refused;
            }
            Err(error) if error.is_transient() && !abandon.is_cancelled() => {
                tracing::warn!(items = batch.len(), error = &error as &dyn std::error::Error, "cannot record yet");
                pause.wait(abandon).await;
            }
            Err(error @ StoreError::WrongType(_)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot record: a person must look");
                return batch.to_vec();
            }
            Err(error) => {
                // The lease runs out and another attempt is made, by whoever reaps it.
                tracing::error!(items = batch.len(), error = &error as &dyn std::error::Error, "cannot record");
                shared.held.abandon(&batch.iter().map(T::key).collect::<Vec<_>>());
                break;
            }
        }
    }
    Vec::new()
}

/// Goes on with what a key of another type refuses until a person has mended it, each in its slot: its work is done,
/// and a worker that can record nothing leases nothing more.
fn insist<T: Recording + 'static>(
    shared: &Arc<Shared>,
    insisting: &TaskTracker,
    refused: Vec<T>,
    slots: &mut Vec<OwnedSemaphorePermit>,
    abandon: &CancellationToken,
) {
    for item in refused {
        let (shared, abandon, slot) = (shared.clone(), abandon.clone(), slots.pop());
        insisting.spawn(async move {
            let _slot = slot;
            let (one, mut pause) = (std::slice::from_ref(&item), Pause::new());
            loop {
                pause.wait(&abandon).await;
                match T::send(&shared.store, &shared.consumer, one).await {
                    Ok(answers) => {
                        let_go(&shared, one);
                        return answers.into_iter().for_each(|answer| item.tell(&shared, answer));
                    }
                    Err(StoreError::WrongType(_)) if !abandon.is_cancelled() => {}
                    Err(error) if error.is_transient() && !abandon.is_cancelled() => {}
                    Err(error) => {
                        tracing::error!(error = &error as &dyn std::error::Error, "cannot record");
                        return shared.held.abandon([&item.key()]);
                    }
                }
            }
        });
    }
}

fn let_go<T: Recording>(shared: &Shared, batch: &[T]) {
    shared.held.remove(&batch.iter().map(T::key).collect::<Vec<_>>());
}
