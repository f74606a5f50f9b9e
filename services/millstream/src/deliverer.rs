//! Delivers to webhooks, beside the work of a worker process and apart from it: as another worker with slots of its own, so
//! that an endpoint which hangs holds up nobody else, and only while there are any webhooks.

use ::worker::handlers::Webhook;
use ::worker::{Config, Handlers, WorkerError};
use proto_schemas::Kind;
use proto_schemas::webhook::WEBHOOK_KIND;
use redis_store::Store;
use std::pin::pin;
use std::time::Duration;
use task_core::egress::Egress;
use telemetry::Pulse;
use tokio_util::sync::CancellationToken;

/// Deliveries that wait for their answers at a time.
const SLOTS: usize = 16;
/// How often it looks whether there are webhooks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What delivers.
pub fn handlers(store: &Store, egress: &Egress) -> Handlers {
    Handlers::default().with(Webhook::new(store.clone(), egress.clone()))
}

/// The kind that is not the main worker's.
pub fn kind() -> Kind {
    Kind::new(WEBHOOK_KIND).expect("the kind of deliveries is a token")
}

/// Delivers until `shutdown`, or until its worker finds itself unhealthy.
pub async fn run(main: Config, egress: Egress, store: Store, shutdown: CancellationToken) -> Result<(), WorkerError> {
    let worker_id = format!("{}.webhooks", main.worker_id);
    let config = Config { worker_id, slots: SLOTS, kinds: Vec::new(), ..main };
    while until_webhooks(&store, true, &shutdown).await {
        let stop = shutdown.child_token();
        let no_more = async {
            until_webhooks(&store, false, &shutdown).await;
            stop.cancel();
        };
        let handlers = handlers(&store, &egress);
        let mut working = pin!(::worker::run(config.clone(), handlers, store.clone(), Pulse::default(), stop.clone()));
        tokio::select! {
            ended = &mut working => ended?,
            () = no_more => working.await?,
        }
    }
    Ok(())
}

/// Waits until there are webhooks, or none; whether it was not told to stop meanwhile.
async fn until_webhooks(store: &Store, wanted: bool, shutdown: &CancellationToken) -> bool {
    loop {
        match store.webhooks_count().await {
            Ok(count) if (count > 0) == wanted => return !shutdown.is_cancelled(),
            Ok(_) | Err(_) => {} // the store has told of it
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
            return false;
        }
    }
}
