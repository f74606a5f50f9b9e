//! A reader: it looks at one task again and again, through every orchestrator in turn, until it has ended and a little
//! longer, and notes what changed.

use super::client::Client;
use crate::clock::now;
use crate::ledger::sighting::Sighting;
use std::sync::Arc;
use std::time::Duration;

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Looks after the end, because an end is final.
const LOOKS_AFTER: usize = 3;
const LOOKS_MAX: usize = 60;

/// Follows a task as reader number `reader`.
pub(super) async fn follow(client: Arc<Client>, reader: u32, task_id: Arc<str>) {
    let (mut pause, mut after) = (PAUSE_MIN, 0);
    let mut last = None;
    for _ in 0..LOOKS_MAX {
        if let Some(shown) = client.read(&task_id).await {
            if last != Some((shown.revision, shown.ended)) {
                last = Some((shown.revision, shown.ended));
                let sighting = Sighting {
                    reader,
                    task_id: task_id.clone(),
                    at: now(),
                    revision: shown.revision,
                    ended: shown.ended,
                };
                client.saw(sighting);
            }
            after += usize::from(shown.ended.is_some());
        }
        if after > LOOKS_AFTER {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
