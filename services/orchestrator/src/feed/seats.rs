//! Places for whoever listens or waits: so many in all, and half of them at most for one client that has shown who it
//! is, so that one key cannot keep all others from listening.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of one server.
#[derive(Debug)]
pub struct Seats {
    free: Arc<Semaphore>,
    all: usize,
    /// How many each client has that has any.
    taken: Mutex<HashMap<String, usize>>,
}

/// A place; dropping it gives it back.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    client: Option<String>,
    _free: OwnedSemaphorePermit,
}

impl Seats {
    /// So many.
    pub fn new(all: usize) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(all)), all, taken: Mutex::default() })
    }

    /// One for a client, or for whoever nobody asks; none if all are taken, or half of them by this client.
    pub fn take(self: &Arc<Self>, client: Option<&str>) -> Option<Seat> {
        let free = self.free.clone().try_acquire_owned().ok()?;
        if let Some(client) = client {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let count = taken.get(client).copied().unwrap_or(0);
            if count >= self.all.div_ceil(2) {
                return None;
            }
            taken.insert(client.to_owned(), count + 1);
        }
        Some(Seat { seats: self.clone(), client: client.map(str::to_owned), _free: free })
    }

    /// How many are taken.
    pub fn taken_count(&self) -> usize {
        self.all - self.free.available_permits()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(client) = &self.client else { return };
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_has_half_of_the_places_and_whoever_nobody_asks_all() {
        let seats = Seats::new(4);
        let (one, other) = (seats.take(Some("one")).unwrap(), seats.take(Some("one")).unwrap());
        assert!(seats.take(Some("one")).is_none());
        let third = seats.take(Some("another")).unwrap();
        let _fourth = seats.take(None).unwrap();
        assert!(seats.take(None).is_none() && seats.taken_count() == 4);
        drop((one, third));
        assert!(seats.take(Some("one")).is_some(), "it gave one back");
        drop(other);
        assert!(seats.taken.lock().unwrap().is_empty(), "who has none is forgotten");
    }
}
