//! The workers, by their heartbeats.

use crate::client::Store;
use crate::error::StoreError;
use crate::heartbeat::HEARTBEAT_TTL;
use crate::{key, value};
use fred::types::Value;
use futures::future::try_join_all;
use proto_schemas::ConsumerName;
use proto_schemas::webhook::WEBHOOK_KIND;
use std::time::Duration;

/// Workers that are looked at.
const WORKERS_MAX: &str = "1000";

/// Those who have said within a minute that they live, but for those who only deliver to webhooks: their slots are for
/// no other work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerGauges {
    /// How many take work.
    pub alive: u64,
    /// How many are about to end and take no more.
    pub draining: u64,
    /// Those who have not, and were not collected yet.
    pub silent: u64,
    /// What the living can run at once; of those about to end, what they still run.
    pub slots: u64,
    /// What they ran when they last said so.
    pub running: u64,
    /// The oldest heartbeat among the living.
    pub oldest_beat: Option<Duration>,
}

/// One of the living.
struct Beat {
    slots: u64,
    running: u64,
    is_draining: bool,
    only_delivers: bool,
    age: Duration,
}

impl Store {
    pub(super) async fn worker_gauges(&self, now_ms: u64) -> Result<WorkerGauges, StoreError> {
        let since = now_ms.saturating_sub(HEARTBEAT_TTL.as_millis() as u64).to_string();
        let (silent, living) = tokio::try_join!(
            self.number("ZCOUNT", value::args([key::WORKERS, "-inf", &since])),
            self.ask(
                "ZRANGEBYSCORE",
                value::args([key::WORKERS, &format!("({since}"), "+inf", "LIMIT", "0", WORKERS_MAX])
            ),
        )?;
        let living = value::words(living.unwrap_or(Value::Null), "ZRANGEBYSCORE")?;
        let living = living.into_iter().filter_map(|name| ConsumerName::new(name).ok());
        let beats = try_join_all(living.map(|consumer| self.last_beat(consumer, now_ms))).await?;
        let mut gauges = WorkerGauges { silent: silent.unwrap_or(0), ..WorkerGauges::default() };
        let working = beats.into_iter().flatten().filter(|beat| !beat.only_delivers);
        for Beat { slots, running, is_draining, age, .. } in working {
            match is_draining {
                true => gauges.draining += 1,
                false => gauges.alive += 1,
            }
            gauges.slots += if is_draining { running } else { slots };
            gauges.running += running;
            gauges.oldest_beat = gauges.oldest_beat.max(Some(age));
        }
        Ok(gauges)
    }

    /// `None` of one that has left meanwhile.
    async fn last_beat(&self, consumer: ConsumerName, now_ms: u64) -> Result<Option<Beat>, StoreError> {
        let args =
            value::args([&key::worker(consumer.as_str()), "slots", "running", "heartbeat_at", "draining", "kinds"]);
        let fields = value::array(self.ask("HMGET", args).await?.unwrap_or(Value::Null), "HMGET")?;
        let number = |at: usize| fields.get(at).and_then(Value::as_u64);
        let beat = |at_ms: u64| {
            let age = Duration::from_millis(now_ms.saturating_sub(at_ms));
            let is_draining = number(3) == Some(1);
            let only_delivers = fields.get(4).and_then(Value::as_string).is_some_and(|kinds| kinds == WEBHOOK_KIND);
            Beat { slots: number(0).unwrap_or(0), running: number(1).unwrap_or(0), is_draining, only_delivers, age }
        };
        Ok(number(2).map(beat))
    }
}
