//! Records outcomes. Woken by the first that is ready; whoever ends while a script is in flight joins the next one, so
//! at low load each goes out at once and at high load one call carries up to 128 items or 1 MiB. It reads the channel
//! of the executors and writes through `settle.lua`. If the process dies before the call, the entries are reaped and
//! run again; after it, the reply is not needed by anyone.

use crate::executor::Shared;
use crate::held::LeaseKey;
use crate::pause::Pause;
use proto_schemas::limit::{BATCH_BYTES_MAX, BATCH_ITEMS_MAX};
use redis_store::StoreError;
use redis_store::settle::{Settled, Settlement};
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

/// Runs until every sender is gone; `abandon` ends the patience with an unreachable Redis.
pub(crate) async fn run(shared: Arc<Shared>, mut ready: Receiver<Settlement>, abandon: CancellationToken) {
    let mut batch = Vec::with_capacity(BATCH_ITEMS_MAX);
    let mut kept_back = None;
    loop {
        let first = match kept_back.take() {
            Some(settlement) => Some(settlement),
            None => ready.recv().await,
        };
        let Some(first) = first else { return };
        let mut bytes = size(&first);
        batch.push(first);
        while batch.len() < BATCH_ITEMS_MAX
            && let Ok(next) = ready.try_recv()
        {
            bytes += size(&next);
            if bytes > BATCH_BYTES_MAX {
                kept_back = Some(next);
                break;
            }
            batch.push(next);
        }
        run_once(&shared, &batch, &abandon).await;
        batch.clear();
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
            Err(StoreError::WrongType(_)) if batch.len() > 1 => {
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
