//! How many refusals of one client stand in the audit. It keeps about 100,000 entries: a client that is refused in a
//! loop would push everything else out of it. So the first ten of a minute are noted, and the next note says how many
//! were not.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const NOTED_MAX: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);
/// Clients that are told apart; any more within a minute count as one.
const CLIENTS_MAX: usize = 1_024;
/// Nobody's name.
const OTHERS: &str = "";

/// What was noted of each client.
#[derive(Default)]
pub struct Restraint(Mutex<HashMap<String, Minute>>);

/// A minute from the first refusal on.
struct Minute {
    began: Instant,
    noted: u32,
    suppressed: u64,
}

impl Restraint {
    /// Whether a refusal is to be noted: then how many of this client were not, since its last note.
    pub fn refusal(&self, client: &str, now: Instant) -> Option<u64> {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if minutes.len() >= CLIENTS_MAX && !minutes.contains_key(client) {
            minutes.retain(|_, minute| !minute.is_over(now));
        }
        let has_place = minutes.len() < CLIENTS_MAX || minutes.contains_key(client);
        let name = if has_place { client } else { OTHERS };
        let fresh = || Minute { began: now, noted: 0, suppressed: 0 };
        let minute = minutes.entry(name.to_owned()).or_insert_with(fresh);
        if minute.is_over(now) {
            (minute.began, minute.noted) = (now, 0);
        }
        if minute.noted == NOTED_MAX {
            minute.suppressed += 1;
            return None;
        }
        minute.noted += 1;
        Some(std::mem::take(&mut minute.suppressed))
    }

    /// How many refusals of this client were not noted since its last note, for the note of something else.
    pub fn suppressed(&self, client: &str) -> u64 {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        minutes.get_mut(client).map_or(0, |minute| std::mem::take(&mut minute.suppressed))
    }
}

impl Minute {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.began) >= MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers to as many refusals of a client.
    fn refusals(restraint: &Restraint, client: &str, count: usize, now: Instant) -> Vec<Option<u64>> {
        (0..count).map(|_| restraint.refusal(client, now)).collect()
    }

    #[test]
    fn ten_refusals_of_a_minute_are_noted_and_the_next_note_tells_of_the_others() {
        let (restraint, began) = (Restraint::default(), Instant::now());
        let ten = vec![Some(0); 10];
        assert_eq!(refusals(&restraint, "key:a", 10, began), ten);
        assert_eq!(refusals(&restraint, "key:a", 7, began + MINUTE / 2), [None; 7]);
        assert_eq!(refusals(&restraint, "key:b", 10, began), ten, "the others have their own");
        assert_eq!(refusals(&restraint, "key:a", 2, began + MINUTE), [Some(7), Some(0)]);
        refusals(&restraint, "key:a", 11, began + MINUTE);
        assert_eq!(["key:a", "key:a", "key:b", "key:c"].map(|client| restraint.suppressed(client)), [3, 0, 0, 0]);
    }

    #[test]
    fn however_many_clients_there_are_a_bounded_number_is_remembered() {
        let (restraint, began) = (Restraint::default(), Instant::now());
        let noted = (0..5_000).filter(|at| restraint.refusal(&format!("jwt:{at}"), began).is_some()).count();
        assert_eq!(noted, CLIENTS_MAX + 10);
        assert_eq!(restraint.0.lock().unwrap().len(), CLIENTS_MAX + 1);
        assert_eq!(restraint.refusal("jwt:new", began + MINUTE), Some(0), "there is place for others a minute later");
        assert_eq!(restraint.0.lock().unwrap().len(), 1);
    }
}
