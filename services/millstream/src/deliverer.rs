//! Delivers to webhooks, beside the work of a worker process and apart from it: as another worker with slots of its
//! own, so that an endpoint which hangs holds up no work, and not before there is anything to deliver.

use ::worker::handlers::Webhook;
use ::worker::{Config, Handlers, WorkerError};
use proto_schemas::webhook::{WEBHOOK_KIND, WEBHOOK_QUEUE};
use proto_schemas::{Kind, Priority, QueueName};
use redis_store::{Store, StoreError, Stream};
use std::time::Duration;
use task_core::egress::Egress;
use telemetry::Pulse;
use tokio_util::sync::CancellationToken;

/// Deliveries that wait for their answers at a time.
const SLOTS: usize = 16;
/// How often it looks whether there is anything.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What delivers.
pub fn handlers(store: &Store, egress: &Egress) -> Handlers {
    Handlers::default().with(Webhook::new(store.clone(), egress.clone()))
}

/// The kind that is not the main worker's.
pub fn kind() -> Kind {
    Kind::new(WEBHOOK_KIND).expect("the kind of deliveries is a token")
}

/// Waits until there is something to deliver, and delivers from then on until `shutdown`, or until its worker finds
/// itself unhealthy; from then on `pulse`, that of the process, tells of it too.
pub async fn run(
    main: Config,
    egress: Egress,
    store: Store,
    pulse: &Pulse,
    shutdown: CancellationToken,
) -> Result<(), WorkerError> {
    if shutdown.run_until_cancelled(until_wanted(&store)).await.is_none() {
        return Ok(());
    }
    let worker_id = format!("{}.webhooks", main.worker_id);
    let config = Config { worker_id, slots: SLOTS, kinds: Vec::new(), ..main };
    let handlers = handlers(&store, &egress);
    ::worker::run(config, handlers, store, pulse.beside(), shutdown).await
}

/// Returns once there are webhooks, or deliveries to one that was deleted.
async fn until_wanted(store: &Store) {
    let stream = Stream { queue: queue(), priority: Priority::Medium };
    loop {
        let asked = async { tokio::try_join!(store.webhooks_count(), store.stream_length(&stream)) };
        match asked.await {
            Ok((0, 0)) => {}
            Ok(_) | Err(StoreError::WrongType(_)) => return, // which its worker tells of
            Err(_) => {}                                     // which the store has told of
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn queue() -> QueueName {
    QueueName::new(WEBHOOK_QUEUE).expect("the queue of deliveries is a token")
}
