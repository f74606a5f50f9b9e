//! Label values that nobody here has chosen, as kinds are: the first so many keep their names, the others share one.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The name that the others share.
pub const OTHER: &str = "other";

/// Distinct kinds that have a name of their own.
pub const KINDS_MAX: usize = 100;

/// The values of one label.
#[derive(Debug)]
pub struct Bounded {
    max: usize,
    known: Mutex<BTreeSet<String>>,
}

impl Bounded {
    /// At most `max` values, and [`OTHER`].
    pub fn new(max: usize) -> Self {
        Self { max, known: Mutex::default() }
    }

    /// What stands for `value`.
    pub fn name<'a>(&self, value: &'a str) -> &'a str {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(value) {
            return value;
        }
        if known.len() >= self.max {
            return OTHER;
        }
        known.insert(value.to_owned());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_values_keep_their_names_and_the_rest_shares_one() {
        let bounded = Bounded::new(2);
        let names = ["a", "b", "c", "a", "d", "b"].map(|value| bounded.name(value));
        assert_eq!(names, ["a", "b", OTHER, "a", OTHER, "b"]);
    }
}
