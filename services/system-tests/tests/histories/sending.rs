//! How a call travels: it arrives once or twice, and its answer arrives or does not.

use crate::world::World;
use redis_store::{Store, StoreError};
use std::fmt::Debug;

/// What became of a call.
pub struct Sent<R> {
    /// Every answer that Redis gave, in order: one for each time that the call arrived.
    pub answers: Vec<R>,
    /// The one that the caller got, if any: the last, as after a lost one.
    pub seen: Option<R>,
}

impl World {
    /// Makes a call of a script: mostly once, sometimes twice as a client does after a lost answer, sometimes in vain.
    pub async fn send<R: Clone + Debug>(
        &mut self,
        script: &str,
        what: &str,
        mut call: impl AsyncFnMut(&Store) -> Result<R, StoreError>,
    ) -> Sent<R> {
        let (times, is_lost) = match self.random.u8(..16) {
            0..10 => (1, false),
            10..13 => (2, false),
            13..15 => (1, true),
            _ => (2, true),
        };
        let mut answers = Vec::with_capacity(times);
        for _ in 0..times {
            answers.push(call(&self.store).await.unwrap_or_else(|error| panic!("{what}: {error:?}")));
        }
        self.tally.note_many(format!("{script} sent twice"), u64::from(times == 2));
        self.tally.note_many("answer lost", u64::from(is_lost));
        self.trace.say(format!("{what} -> {answers:?}{}", if is_lost { " lost" } else { "" }));
        let seen = if is_lost { None } else { answers.last().cloned() };
        Sent { answers, seen }
    }
}
