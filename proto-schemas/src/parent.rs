//! An edge of a plan: what a subtask depends on, and what becomes of it if that does not complete.

use crate::entry::digits;
use crate::id::Kind;
use crate::limit::PARENTS_MAX;
use crate::status::OnFailure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A subtask that another depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Parent {
    /// Its name in the plan: the name under which its output is handed over.
    pub name: Kind,
    /// Its place in the plan.
    pub index: u32,
    /// What becomes of the dependant if it does not complete.
    pub on_failure: OnFailure,
}

impl Parent {
    /// `name=index:on_failure`, joined by commas: the entry field `parents`.
    pub fn encode_all(parents: &[Self]) -> String {
        let encode = |Self { name, index, on_failure }: &Self| format!("{name}={index}:{on_failure}");
        parents.iter().map(encode).collect::<Vec<_>>().join(",")
    }

    /// Reads what [`Parent::encode_all`] wrote, at most 50, each once; `None` for anything else.
    pub fn decode_all(text: &str) -> Option<Vec<Self>> {
        if text.is_empty() {
            return Some(Vec::new());
        }
        let parents: Option<Vec<Self>> = text.split(',').take(PARENTS_MAX + 1).map(Self::decode).collect();
        parents.filter(|parents| parents.len() <= PARENTS_MAX && !has_one_twice(parents))
    }

    fn decode(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('=')?;
        let (index, on_failure) = rest.split_once(':')?;
        Some(Self {
            name: Kind::new(name).ok()?,
            index: digits(index)?.try_into().ok()?,
            on_failure: on_failure.parse().ok()?,
        })
    }
}

/// Whoever waits for one parent twice would wait for ever.
fn has_one_twice(parents: &[Parent]) -> bool {
    (1..parents.len()).any(|at| parents[..at].iter().any(|parent| parent.index == parents[at].index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_read_back_as_themselves() {
        for text in ["", "a=0:fail_fast", "a=0:skip,b.c=999:continue"] {
            assert_eq!(Parent::encode_all(&Parent::decode_all(text).unwrap()), text);
        }
    }

    #[test]
    fn what_is_no_list_of_parents_is_refused() {
        let many = (0..=PARENTS_MAX).map(|index| format!("a={index}:skip")).collect::<Vec<_>>().join(",");
        let twice = "a=0:skip,b=1:skip,c=0:continue";
        for text in ["a", "a=0", "a=x:skip", "a=0:never", "a b=0:skip", "a=0:skip,", twice, &many] {
            assert_eq!(Parent::decode_all(text), None, "{text}");
        }
    }
}
