//! Somebody who asks every orchestrator's `/ready` all the time and writes down of how many losses it tells.

use super::client::Client;
use crate::clock::now;
use crate::ledger::telling::Telling;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_millis(500);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What was told so far.
#[derive(Default)]
pub struct Inquirer(Mutex<Vec<Telling>>);

impl Inquirer {
    /// Asks orchestrator `number`, from 1, until `over`.
    pub async fn run(self: Arc<Self>, client: Arc<Client>, number: usize, over: CancellationToken) {
        while over.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            if let Ok(Some(losses)) = tokio::time::timeout(ANSWER_WITHIN, client.losses(number)).await {
                let telling = Telling { orchestrator: format!("orchestrator-{number}"), at: now(), losses };
                self.0.lock().unwrap_or_else(PoisonError::into_inner).push(telling);
            }
        }
    }

    /// What was told so far.
    pub fn tellings(&self) -> Vec<Telling> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
