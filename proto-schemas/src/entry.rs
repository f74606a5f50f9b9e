//! A work entry: one attempt at one subtask, as flat readable fields of a stream entry.
//!
//! The fields always stand in the order of [`FIELDS`], because Redis packs entries with equal field names together.
//! A hand-written entry needs only `task_id`, `subtask_id` and `description`; [`WorkEntry::decode`] supplies the rest,
//! and so does the script that re-adds what a dead worker left.

use crate::id::{IdError, Kind, SubtaskId, TaskId};
use crate::parent::Parent;
use crate::status::Priority;
use crate::{VERSION, limit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of an entry that names none.
pub const KIND_DEFAULT: &str = "simulate";

/// The fields of an entry in their fixed order; `deadline_ms` and what follows are left out when absent.
pub const FIELDS: [&str; 21] = [
    "v",
    "task_id",
    "subtask_id",
    "index",
    "generation",
    "kind",
    "description",
    "priority",
    "attempt",
    "crashes",
    "max_attempts",
    "timeout_ms",
    "payload",
    "deadline_ms",
    "backoff_base_ms",
    "backoff_cap_ms",
    "result_ttl_s",
    "parents",
    "traceparent",
    "history",
    "parked_at",
];

/// Where in [`FIELDS`] those stand that a hand-written entry may lack and comes to have: priority, attempt, crashes,
/// history and parked_at.
const GROWN: [usize; 5] = [7, 8, 9, 19, 20];

/// One attempt at one subtask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkEntry {
    /// The task it belongs to.
    pub task_id: TaskId,
    /// Stable over attempts: the handler's idempotency key.
    pub subtask_id: SubtaskId,
    /// Its place in the plan, from 0.
    pub index: u32,
    /// 0, and one more for each replay or requeue.
    pub generation: u32,
    /// Which handler runs it.
    pub kind: Kind,
    /// For people.
    pub description: String,
    /// The stream it came from says the same.
    pub priority: Priority,
    /// From 1; counts failures, never crashes.
    pub attempt: u32,
    /// How many workers died with it.
    pub crashes: u32,
    /// The attempt after which a failure is final.
    pub max_attempts: u32,
    /// Milliseconds one attempt may take.
    pub timeout_ms: u64,
    /// The handler's input, JSON text kept byte for byte.
    pub payload: String,
    /// When the task is past its deadline, in ms of the Unix epoch; only of a task that was given one.
    pub deadline_ms: Option<u64>,
    /// The longest pause before the second attempt, in ms, when not the default.
    pub backoff_base_ms: Option<u64>,
    /// The longest pause before any attempt, in ms, when not the default.
    pub backoff_cap_ms: Option<u64>,
    /// Seconds its result is kept, when not the default.
    pub result_ttl_s: Option<u64>,
    /// What it depends on; all of it has ended.
    pub parents: Vec<Parent>,
    /// W3C trace context of the submit.
    pub traceparent: Option<String>,
    /// The attempts before this one, oldest first, at most 16: `attempt crashes fact ms worker [reason]` a line.
    pub history: Option<String>,
    /// Since when it waits for a worker that serves its kind, in ms of the Unix epoch.
    pub parked_at_ms: Option<u64>,
}

/// Why an entry cannot be run. Only [`EntryError::Newer`] is not malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Written by a newer Millstream: hand it back, never drop it.
    #[error("version {0} is newer than this reader")]
    Newer(u32),
    /// A required field is absent.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A field has a value that its type does not allow.
    #[error("field {0} is malformed")]
    Malformed(&'static str),
}

impl WorkEntry {
    /// The fields in the order of [`FIELDS`].
    pub fn encode(&self) -> Vec<(&'static str, String)> {
        let values = [
            Some(VERSION.to_string()),
            Some(self.task_id.to_string()),
            Some(self.subtask_id.to_string()),
            Some(self.index.to_string()),
            Some(self.generation.to_string()),
            Some(self.kind.to_string()),
            Some(self.description.clone()),
            Some(self.priority.to_string()),
            Some(self.attempt.to_string()),
            Some(self.crashes.to_string()),
            Some(self.max_attempts.to_string()),
            Some(self.timeout_ms.to_string()),
            Some(self.payload.clone()),
            self.deadline_ms.map(|ms| ms.to_string()),
            self.backoff_base_ms.map(|ms| ms.to_string()),
            self.backoff_cap_ms.map(|ms| ms.to_string()),
            self.result_ttl_s.map(|seconds| seconds.to_string()),
            (!self.parents.is_empty()).then(|| Parent::encode_all(&self.parents)),
            self.traceparent.clone(),
            self.history.clone(),
            self.parked_at_ms.map(|ms| ms.to_string()),
        ];
        FIELDS.iter().zip(values).filter_map(|(name, value)| Some((*name, value?))).collect()
    }

    /// Reads an entry that came from the stream of `priority`. Unknown fields are ignored, absent ones defaulted:
    /// index from the end of the subtask id (else 0), kind `simulate`, attempt 1, crashes 0, payload `{}`. Of two equal
    /// names the last counts. The scripts judge an entry alike: `identify` in redis-store's `prelude.lua`.
    pub fn decode<'a>(
        fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
        priority: Priority,
    ) -> Result<Self, EntryError> {
        let mut values: [Option<&[u8]>; FIELDS.len()] = [None; FIELDS.len()];
        let (mut expected, mut count) = (0, 0);
        for (name, value) in fields {
            count += 1;
            if count > limit::ENTRY_FIELDS_MAX {
                return Err(EntryError::Malformed("count"));
            }
            // Entries of ours arrive in order: one comparison a field.
            let at = if FIELDS.get(expected).is_some_and(|field| field.as_bytes() == name) {
                Some(expected)
            } else {
                FIELDS.iter().position(|field| field.as_bytes() == name)
            };
            if let Some(at) = at {
                values[at] = Some(value);
                expected = at + 1;
            }
        }
        let text = |at: usize| -> Result<Option<&str>, EntryError> {
            values[at]
                .map(|value| std::str::from_utf8(value).map_err(|_| EntryError::Malformed(FIELDS[at])))
                .transpose()
        };
        let number = |at: usize| -> Result<Option<u64>, EntryError> {
            text(at)?.map(|value| digits(value).ok_or(EntryError::Malformed(FIELDS[at]))).transpose()
        };
        let small = |at: usize, default: u32| -> Result<u32, EntryError> {
            number(at)?.map_or(Ok(default), |value| value.try_into().map_err(|_| EntryError::Malformed(FIELDS[at])))
        };
        let version = small(0, VERSION)?;
        if version > VERSION {
            return Err(EntryError::Newer(version));
        }
        // Room for what it comes to have when it is tried again, parked or reaped: then it must still be an entry.
        if count + GROWN.iter().filter(|at| values[**at].is_none()).count() > limit::ENTRY_FIELDS_MAX {
            return Err(EntryError::Malformed("count"));
        }
        let token = |at: usize| text(at)?.ok_or(EntryError::Missing(FIELDS[at]));
        let bad = |at: usize| move |_: IdError| EntryError::Malformed(FIELDS[at]);
        let subtask_id = SubtaskId::new(token(2)?).map_err(bad(2))?;
        let index_default = subtask_id.split().map_or(0, |(_, index)| index);
        let attempt = small(8, 1)?;
        let payload = text(12)?.unwrap_or("{}");
        if attempt == 0 {
            return Err(EntryError::Malformed("attempt"));
        }
        if payload.len() > limit::PAYLOAD_BYTES_MAX {
            return Err(EntryError::Malformed("payload"));
        }
        Ok(Self {
            task_id: TaskId::new(token(1)?).map_err(bad(1))?,
            subtask_id,
            index: small(3, index_default)?,
            generation: small(4, 0)?,
            kind: Kind::new(text(5)?.unwrap_or(KIND_DEFAULT)).map_err(bad(5))?,
            description: token(6)?.to_owned(),
            priority,
            attempt,
            crashes: small(9, 0)?,
            max_attempts: small(10, limit::ATTEMPTS_DEFAULT)?,
            timeout_ms: number(11)?.unwrap_or(limit::TIMEOUT_MS_DEFAULT).min(limit::TIMEOUT_MS_MAX),
            payload: payload.to_owned(),
            deadline_ms: number(13)?,
            backoff_base_ms: number(14)?,
            backoff_cap_ms: number(15)?,
            result_ttl_s: number(16)?,
            parents: Parent::decode_all(text(17)?.unwrap_or_default()).ok_or(EntryError::Malformed("parents"))?,
            traceparent: text(18)?.map(str::to_owned),
            history: text(19)?.map(str::to_owned),
            parked_at_ms: number(20)?,
        })
    }
}

/// A decimal number without sign, space or leading plus: at most 15 digits, so that Lua reads the same number.
pub(crate) fn digits(text: &str) -> Option<u64> {
    let plain = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(fields: &[(&str, &str)]) -> Result<WorkEntry, EntryError> {
        WorkEntry::decode(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())), Priority::Medium)
    }

    #[test]
    fn a_hand_written_entry_gets_defaults() {
        let entry = decode(&[("task_id", "T"), ("subtask_id", "T-4"), ("description", "by hand")]).unwrap();
        assert_eq!((entry.index, entry.attempt, entry.crashes, entry.generation), (4, 1, 0, 0));
        assert_eq!((entry.kind.as_str(), entry.payload.as_str()), (KIND_DEFAULT, "{}"));
    }

    #[test]
    fn what_is_encoded_decodes_to_itself_in_any_order() {
        let entry = decode(&[
            ("x-unknown", "kept out of the way"),
            ("payload", "{\"a\": 1e2}"),
            ("description", "d, \"q\"\nü"),
            ("subtask_id", "T-0"),
            ("task_id", "T"),
            ("deadline_ms", "1790000000000"),
        ])
        .unwrap();
        let encoded = entry.encode();
        let again = decode(&encoded.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>()).unwrap();
        assert_eq!(entry, again);
    }

    #[test]
    fn garbage_is_named_by_field() {
        let base = [("task_id", "T"), ("subtask_id", "T-0"), ("description", "d")];
        assert_eq!(decode(&base[..2]), Err(EntryError::Missing("description")));
        for (field, value) in [("attempt", "0"), ("attempt", "-1"), ("index", "1x"), ("kind", "a b"), ("v", "")] {
            let mut fields = base.to_vec();
            fields.push((field, value));
            assert!(matches!(decode(&fields), Err(EntryError::Malformed(named)) if named == field), "{field}={value}");
        }
        assert_eq!(decode(&[base[0], base[1], base[2], ("v", "2")]), Err(EntryError::Newer(2)));
    }

    #[test]
    fn an_entry_has_room_for_what_it_comes_to_have() {
        let mut fields = vec![("task_id", "T"), ("subtask_id", "T-0"), ("description", "d")];
        fields.resize(limit::ENTRY_FIELDS_MAX - GROWN.len(), ("x", "y"));
        assert!(decode(&fields).is_ok());
        for grown in GROWN {
            fields.push((FIELDS[grown], "1"));
            assert!(decode(&fields).is_ok(), "{}", FIELDS[grown]);
        }
        fields[5] = ("description", "another");
        assert!(decode(&fields).is_ok());
        fields.retain(|(name, _)| *name != "history");
        fields.push(("x", "y"));
        assert_eq!(decode(&fields), Err(EntryError::Malformed("count")));
    }
}
