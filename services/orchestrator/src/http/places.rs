//! How many connections there may be.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that are told at a time that there are too many. They live for a second at most; any more are closed
/// unread.
const REFUSALS_MAX: usize = 128;

/// The places for connections.
#[derive(Debug)]
pub struct Places {
    served: Arc<Semaphore>,
    refused: Arc<Semaphore>,
}

/// A place for one connection, until it is dropped.
#[derive(Debug)]
pub enum Place {
    /// It is served.
    Served(OwnedSemaphorePermit),
    /// It is told that there are too many.
    Refused(OwnedSemaphorePermit),
}

impl Places {
    /// For so many.
    pub fn new(connections_max: usize) -> Self {
        let served = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        Self { served, refused: Arc::new(Semaphore::new(REFUSALS_MAX)) }
    }

    /// The place of one more, if there is any.
    pub fn take(&self) -> Option<Place> {
        let served = self.served.clone().try_acquire_owned().map(Place::Served);
        served.or_else(|_| self.refused.clone().try_acquire_owned().map(Place::Refused)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_makes_room() {
        let places = Places::new(1);
        let first = places.take();
        assert!(matches!(first, Some(Place::Served(_))));
        let refused: Vec<Place> = std::iter::from_fn(|| places.take()).collect();
        assert_eq!(refused.len(), REFUSALS_MAX);
        assert!(refused.iter().all(|place| matches!(place, Place::Refused(_))));
        drop(first);
        assert!(matches!(places.take(), Some(Place::Served(_))));
        drop(refused);
        assert!(matches!((places.take(), places.take()), (Some(Place::Served(_)), Some(Place::Refused(_)))));
    }
}
