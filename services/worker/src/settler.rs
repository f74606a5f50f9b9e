//! Records outcomes. Woken by the first that is ready; whoever ends while a script is in flight joins the next one, so
//! at low load each goes out at once and at high load one call carries up to 128 items or 1 MiB. It reads the channel
//! of the executors and writes through `settle.lua`. If the process dies before the call, the entries are reaped and
//! run again; after it, the reply is not needed by anyone.

use crate::executor::{Ready, Shared};
use crate::held::LeaseKey;
use crate::pause::Pause;
use proto_schemas::limit::{BATCH_BYTES_MAX, BATCH_ITEMS_MAX};
use redis_store::settle::{Settled, Settlement};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

/// Runs until every sender is gone, or `abandon`: then it settles what is ready and has no more patience. If it ends
/// before, the worker stops. The channel is bounded by the slots: each outcome holds its own.
pub(crate) async fn run(shared: Arc<Shared>, mut ready: UnboundedReceiver<Ready>, abandon: CancellationToken) {
    let mut batch = Vec::with_capacity(BATCH_ITEMS_MAX);
    let mut slots: Vec<OwnedSemaphorePermit> = Vec::with_capacity(BATCH_ITEMS_MAX);
    let _stop = shared.stopping.clone().drop_guard();
    let mut kept_back = None;
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
        let Some(first) = first else { return };
        tokio::task::yield_now().await; // whatever is as ready as the first goes along
        let (mut bytes, mut next) = (0, Some(first));
        while let Some(Ready { settlement, slot }) = next {
            bytes += size(&settlement);
            batch.push(settlement);
            slots.push(slot);
            next = if batch.len() < BATCH_ITEMS_MAX { ready.try_recv().ok() } else { None };
            if next.as_ref().is_some_and(|next| bytes + size(&next.settlement) > BATCH_BYTES_MAX) {
                kept_back = next.take();
            }
        }
        run_once(&shared, &batch, &abandon).await;
        batch.clear();
        slots.clear();
    }
}

fn size(settlement: &Settlement) -> usize {
    settlement.result.as_ref().map_or(0, String::len)
}

/// Settles one batch, however long Redis is away.
async fn run_once(shared: &Shared, batch: &[Settlement], abandon: &CancellationToken) {
    let mut pause = Pause::new();
    loop {
        match shared.store.settle(&shared.consumer, batch).await {
            Ok(answers) => return let_go(shared, batch, &answers),
            Err(error) if !error.is_transient() && batch.len() > 1 => {
                // One of them is to blame; the others are not.
                for settlement in batch {
                    Box::pin(run_once(shared, std::slice::from_ref(settlement), abandon)).await;
                }
                return;
            }
            Err(error) if error.is_transient() && !abandon.is_cancelled() => {
                tracing::warn!(items = batch.len(), error = &error as &dyn std::error::Error, "cannot settle yet");
                pause.wait(abandon).await;
            }
            Err(error) => {
                // The lease runs out and another attempt is made.
                tracing::error!(items = batch.len(), error = &error as &dyn std::error::Error, "cannot settle");
                return shared.held.remove(&batch.iter().map(key).collect::<Vec<_>>());
            }
        }
    }
}

fn let_go(shared: &Shared, batch: &[Settlement], answers: &[Settled]) {
    shared.held.remove(&batch.iter().map(key).collect::<Vec<_>>());
    for (settlement, answer) in batch.iter().zip(answers) {
        match answer {
            Settled::Recorded => {
                tracing::info!("[{}] {} (Task: {})", shared.worker_id, ended(settlement), settlement.fact.task_id);
            }
            Settled::Dropped => {
                tracing::info!(subtask_id = %settlement.subtask_id, "dropped: it had been cancelled");
            }
            Settled::Stale => tracing::warn!(
                subtask_id = %settlement.subtask_id,
                entry_id = settlement.entry_id,
                "stale: another attempt has the right to record this outcome"
            ),
        }
    }
}

fn ended(settlement: &Settlement) -> &'static str {
    if settlement.fact.kind == proto_schemas::FactKind::Completed { "Completed" } else { "Failed" }
}

fn key(settlement: &Settlement) -> LeaseKey {
    LeaseKey { stream: settlement.stream.clone(), entry_id: settlement.entry_id.clone() }
}
