//! Every stream of this installation, put together.

use super::added_ms;
use super::warning::{self, Load};
use crate::context::Context;
use crate::refusal::Refusal;
use crate::wire::stream::{GroupDocument, StreamConsumerDocument, StreamDocument, StreamList};
use futures::future::try_join_all;
use redis_store::stream_state::{StreamGroup, StreamState};
use redis_store::{Store, StoreError, Stream, key};

/// Queues whose streams are shown.
const QUEUES_MAX: usize = 100;
/// Consumers of a group that are shown, those with most pending first.
const CONSUMERS_MAX: usize = 100;

/// The streams of every queue, the log and the dead letters.
pub async fn streams(context: &Context) -> Result<StreamList, Refusal> {
    context.ask(read(&context.store)).await
}

async fn read(store: &Store) -> Result<StreamList, StoreError> {
    let (now_ms, delayed, mut queues) = tokio::try_join!(store.now_ms(), store.delayed_count(), store.queues())?;
    queues.sort();
    queues.truncate(QUEUES_MAX);
    let work = queues.iter().flat_map(Stream::of).map(|stream| stream.key());
    let keys: Vec<String> = work.chain([key::EVENTS, key::DEAD_LETTERS].map(str::to_owned)).collect();
    let streams = try_join_all(keys.into_iter().map(|key| read_one(store, key, now_ms))).await?;
    Ok(StreamList { streams, delayed })
}

/// What a hand has put in the place of a stream must not hide the others.
async fn read_one(store: &Store, key: String, now_ms: u64) -> Result<StreamDocument, StoreError> {
    match store.stream_state(&key).await {
        Ok(state) => Ok(document(key, state.unwrap_or_default(), now_ms)),
        Err(StoreError::WrongType(_)) => {
            let warnings = vec![format!("{key} is no stream: a hand has put something else there")];
            Ok(StreamDocument { warnings, ..document(key, StreamState::default(), now_ms) })
        }
        Err(error) => Err(error),
    }
}

fn document(stream: String, state: StreamState, now_ms: u64) -> StreamDocument {
    let is_work = Stream::of_key(&stream).is_some();
    let age = |id: &String| now_ms.saturating_sub(added_ms(id)) as f64 / 1_000.0;
    let ours =
        state.groups.iter().find(|group| group.name == if is_work { key::WORKERS_GROUP } else { key::PROJECTOR_GROUP });
    let running = ours.map_or(0, |group| group.pending);
    let is_unread = ours.is_none() && stream == key::EVENTS; // no projector has made its group
    let (ready, oldest) = if is_work || is_unread {
        // What is settled is deleted: whatever lies in a work stream is either leased or waits.
        (Some(state.length.saturating_sub(running)), state.first_entry_id.as_ref())
    } else {
        (ours.and_then(|group| group.lag), ours.and_then(oldest_open))
    };
    let load = Load { is_work, ready, ours, now_ms, groups: &state.groups };
    StreamDocument {
        warnings: warning::of(&stream, &load),
        length: state.length,
        entries_added: state.entries_added,
        ready,
        running,
        oldest_age_seconds: oldest.map(age),
        groups: state.groups.iter().map(group).collect(),
        stream,
    }
}

fn oldest_open(group: &StreamGroup) -> Option<&String> {
    group.oldest_pending_id.as_ref().or(group.oldest_unread_id.as_ref())
}

fn group(group: &StreamGroup) -> GroupDocument {
    let mut consumers: Vec<StreamConsumerDocument> = group
        .consumers
        .iter()
        .map(|consumer| StreamConsumerDocument {
            consumer: consumer.name.clone(),
            pending: consumer.pending,
            idle_seconds: consumer.idle_ms as f64 / 1_000.0,
        })
        .collect();
    consumers.sort_by(|one, other| (other.pending, &one.consumer).cmp(&(one.pending, &other.consumer)));
    let count = consumers.len() as u64;
    consumers.truncate(CONSUMERS_MAX);
    let (group, pending, lag) = (group.name.clone(), group.pending, group.lag);
    GroupDocument { group, pending, lag, consumers_count: count, consumers }
}
