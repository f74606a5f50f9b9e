//! A read of Redis that all share who ask within a second, so that anybody may ask as often as they like and Redis
//! hears of it once a second.

use redis_store::StoreError;
use std::error::Error;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

const FRESH: Duration = Duration::from_secs(1);

/// What was read last, and when. That there was no answer is remembered for as long as an answer is.
pub struct SharedRead<T> {
    deadline: Duration,
    last: Mutex<Option<(Instant, Option<T>)>>,
}

impl<T: Clone> SharedRead<T> {
    /// Of reads that may take so long.
    pub fn within(deadline: Duration) -> Self {
        Self { deadline, last: Mutex::default() }
    }

    /// What `read` answers, or what it answered less than a second ago; `None` if Redis did not answer in time. Whoever
    /// asks meanwhile waits for the same read.
    pub async fn get(&self, read: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
        let mut last = self.last.lock().await;
        if let Some((_, known)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return known.clone();
        }
        let answer = match tokio::time::timeout(self.deadline, read).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                tracing::debug!(error = &error as &(dyn Error + 'static), "redis cannot be read");
                None
            }
            Err(_) => None,
        };
        last.insert((Instant::now(), answer)).1.clone()
    }
}
