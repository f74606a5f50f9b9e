//! What a lost reply left behind: entries pending under this consumer that it does not know of. Read once after an
//! error of a read; what is found and still pending is held and run like anything else.

use crate::lease::LeaseKey;
use crate::reader::Reader;
use crate::shared::Shared;
use redis_store::StoreError;
use redis_store::fetch::Fetched;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Entries of one page.
const PAGE: usize = 100;

/// Takes what nobody here knows of into what is held and answers it with the tokens of its leases.
pub(crate) async fn read(
    shared: &Shared,
    reader: &mut Reader,
    found: &mut Vec<(Fetched, CancellationToken)>,
) -> Result<(), StoreError> {
    for stream in reader.streams() {
        let mut after = "0".to_owned();
        loop {
            let page = reader.read_unanswered(&stream, PAGE, &after).await?;
            let Some(last) = page.last() else { break };
            after = last.entry_id.clone();
            let unknown = |fetched: &Fetched| !shared.held.contains(&key(fetched));
            let unknown: Vec<Fetched> = page.into_iter().filter(unknown).collect();
            if unknown.is_empty() {
                continue;
            }
            // One that was settled while the page was on its way is unknown too, but no longer pending.
            let ids: Vec<String> = unknown.iter().map(|fetched| fetched.entry_id.clone()).collect();
            let sent_at = Instant::now();
            let pending = shared.store.renew(&shared.consumer, &stream, &ids).await?;
            for fetched in unknown.into_iter().filter(|fetched| pending.contains(&fetched.entry_id)) {
                let task_id = fetched.entry.as_ref().ok().map(|entry| entry.task_id.clone());
                if let Some(lost) = shared.held.insert(key(&fetched), task_id, sent_at) {
                    found.push((fetched, lost));
                }
            }
        }
    }
    Ok(())
}

fn key(fetched: &Fetched) -> LeaseKey {
    LeaseKey { stream: fetched.stream.clone(), entry_id: fetched.entry_id.clone() }
}
