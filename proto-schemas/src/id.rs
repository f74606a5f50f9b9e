//! Ids, kinds and names: what may become part of a Redis key or of a fact line.

use crate::entry::digits;
use crate::limit::TOKEN_CHARS_MAX;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;
use std::str::FromStr;

/// A token that does not match its alphabet or length; carries the noun, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{noun} must be 1 to 64 characters out of {alphabet}")]
pub struct IdError {
    noun: &'static str,
    alphabet: &'static str,
}

const ID_ALPHABET: &str = "A-Z a-z 0-9 _ . -";
const NAME_ALPHABET: &str = "A-Z a-z 0-9 _ . : @ , -";

fn is_token(text: &str, extra: &[u8]) -> bool {
    (1..=TOKEN_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte) || extra.contains(&byte))
}

macro_rules! token {
    ($(#[$doc:meta])* $name:ident, $noun:literal, $alphabet:ident, $extra:literal, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(#[schemars(regex(pattern = $pattern))] String);

        impl $name {
            /// Accepts `text` if it matches the alphabet and length of this noun.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                if is_token(&text, $extra) {
                    Ok(Self(text))
                } else {
                    Err(IdError { noun: $noun, alphabet: $alphabet })
                }
            }

            /// The token as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    };
}

token!(
    /// A task: a ULID when Millstream made it.
    TaskId, "a task id", ID_ALPHABET, b"", r"^[A-Za-z0-9_.-]{1,64}$"
);
token!(
    /// A node of a task's plan: `<task id>-<index>`. Stable over attempts, so it is the idempotency key of a handler.
    SubtaskId, "a subtask id", ID_ALPHABET, b"", r"^[A-Za-z0-9_.-]{1,64}$"
);
token!(
    /// The name a handler is registered under.
    Kind, "a kind", ID_ALPHABET, b"", r"^[A-Za-z0-9_.-]{1,64}$"
);
token!(
    /// A queue: four streams, one for each priority.
    QueueName, "a queue", ID_ALPHABET, b"", r"^[A-Za-z0-9_.-]{1,64}$"
);
token!(
    /// A member of a consumer group: one process, never reused. Also whoever wrote a fact.
    ConsumerName, "a consumer name", NAME_ALPHABET, b":@,", r"^[A-Za-z0-9_.:@,-]{1,64}$"
);

impl TaskId {
    /// A new ULID: 26 characters that sort by time.
    pub fn generate() -> Self {
        Self(ulid::Ulid::generate().to_string())
    }

    /// The id of this task's subtask at `index`, from 0. Fails only for a foreign id that is too long.
    pub fn subtask(&self, index: u32) -> Result<SubtaskId, IdError> {
        SubtaskId::new(format!("{}-{index}", self.0))
    }
}

impl SubtaskId {
    /// Splits `<task id>-<index>` as [`TaskId::subtask`] wrote it; `None` for an id of another shape.
    pub fn split(&self) -> Option<(TaskId, u32)> {
        let (task, index) = self.0.rsplit_once('-')?;
        Some((TaskId::new(task).ok()?, digits(index)?.try_into().ok()?))
    }
}

impl QueueName {
    /// The queue of every built-in kind.
    pub fn default_queue() -> Self {
        Self("default".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_keeps_to_its_alphabet_and_length() {
        for (text, accepted) in [
            ("a", true),
            ("A_z.0-9", true),
            (&"x".repeat(64), true),
            (&"x".repeat(65), false),
            ("", false),
            ("a b", false),
            ("a:b", false),
            ("ü", false),
            ("a\n", false),
        ] {
            assert_eq!(TaskId::new(text).is_ok(), accepted, "{text:?}");
        }
        assert!(ConsumerName::new("worker-1@host:7,x").is_ok());
    }

    #[test]
    fn a_subtask_id_splits_into_what_made_it() {
        let task = TaskId::generate();
        assert_eq!(task.subtask(7).unwrap().split(), Some((task, 7)));
        for text in ["plain", "T-", "-1", "T-4294967296", "T-0000000000000007"] {
            assert_eq!(SubtaskId::new(text).unwrap().split(), None, "{text}");
        }
    }

    #[test]
    fn an_error_names_the_noun_and_not_the_value() {
        let message = Kind::new("se cret").unwrap_err().to_string();
        assert!(message.contains("a kind") && !message.contains("se cret"));
    }
}
