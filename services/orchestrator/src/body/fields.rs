//! Reading an object field by field. A reader takes what it knows; what is left over is unknown.
//!
//! A field that is absent is `None`; a field of the wrong shape adds a violation and is `None` too: the request is then
//! refused as a whole, so nobody goes on with the hole.

use super::violation::{Class, Pointer, Violations};
use crate::wire::json::JsonObject;
use crate::wire::priority::PriorityInput;
use crate::wire::time::Timestamp;
use proto_schemas::Kind;
use proto_schemas::limit::DESCRIPTION_CHARS_MAX;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The fields of one object that nobody has taken yet.
pub struct Fields<'r, 'v> {
    at: Pointer,
    rest: BTreeMap<String, &'r RawValue>,
    violations: &'v mut Violations,
}

/// Reads the object at `at` with `read` and refuses the fields that it leaves; `None` if it is not an object.
pub fn read_object<'r, T>(
    raw: &'r RawValue,
    at: Pointer,
    violations: &mut Violations,
    read: impl FnOnce(&mut Fields<'r, '_>) -> T,
) -> Option<T> {
    let Some(rest) = raw.get().starts_with('{').then(|| serde_json::from_str(raw.get()).ok()).flatten() else {
        violations.shape(&at, "must be an object");
        return None;
    };
    let mut fields = Fields { at, rest, violations };
    let value = read(&mut fields);
    for name in fields.rest.keys() {
        fields.violations.shape(&fields.at.field(name), "is not a known field");
    }
    Some(value)
}

impl<'r> Fields<'r, '_> {
    /// Whether a field is there and not taken yet.
    pub fn has(&self, name: &str) -> bool {
        self.rest.contains_key(name)
    }

    /// Says that a field must be there.
    pub fn require(&mut self, name: &str) {
        if !self.rest.contains_key(name) {
            self.violations.shape(&self.at.field(name), "is required");
        }
    }

    /// Says that exactly one of two fields must be there.
    pub fn require_one(&mut self, one: &str, other: &str) {
        let rule = match (self.rest.contains_key(one), self.rest.contains_key(other)) {
            (true, false) | (false, true) => return,
            (true, true) => format!("must not stand beside {one}"),
            (false, false) => format!("or {one} is required"),
        };
        self.violations.shape(&self.at.field(other), &rule);
    }

    /// Says that a field has no meaning beside another.
    pub fn forbid_beside(&mut self, one: &str, other: &str) {
        if self.rest.contains_key(one) && self.rest.contains_key(other) {
            self.violations.shape(&self.at.field(other), &format!("must not stand beside {one}"));
        }
    }

    /// A text for people: 1 to 10,000 characters, not blank, without U+0000.
    pub fn description(&mut self, name: &str) -> Option<String> {
        let text: String = self.take(name, "must be a string")?;
        let rule = if text.trim().is_empty() {
            "must not be blank"
        } else if text.chars().count() > DESCRIPTION_CHARS_MAX {
            "must have at most 10000 characters"
        } else if text.contains('\0') {
            "must not contain U+0000"
        } else {
            return Some(text);
        };
        self.violations.shape(&self.at.field(name), rule);
        None
    }

    /// A name of the client's own, of the alphabet of ids.
    pub fn name(&mut self, name: &str) -> Option<String> {
        const RULE: &str = "must be 1 to 64 characters out of A-Z a-z 0-9 _ . -";
        let text: String = self.take(name, RULE)?;
        match Kind::new(text.as_str()) {
            Ok(_) => Some(text),
            Err(_) => {
                self.violations.shape(&self.at.field(name), RULE);
                None
            }
        }
    }

    /// Any string, for the caller to judge.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.take(name, "must be a string")
    }

    /// A string of which `is_sound` holds.
    pub fn text_that(&mut self, name: &str, is_sound: impl FnOnce(&str) -> bool, rule: &str) -> Option<String> {
        let text: String = self.take(name, rule)?;
        if is_sound(&text) {
            return Some(text);
        }
        self.violations.shape(&self.at.field(name), rule);
        None
    }

    /// A whole number from 0.
    pub fn number(&mut self, name: &str) -> Option<u64> {
        self.take(name, "must be a whole number")
    }

    /// A number, whole or not.
    pub fn fraction(&mut self, name: &str) -> Option<f64> {
        self.take(name, "must be a number")
    }

    /// Yes or no.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name, "must be true or false")
    }

    /// A point in time, as RFC 3339 writes it.
    pub fn moment(&mut self, name: &str) -> Option<Timestamp> {
        const RULE: &str = "must be a time such as 2026-01-31T12:00:00Z";
        let text: String = self.take(name, RULE)?;
        let read = Timestamp::read(&text);
        if read.is_none() {
            self.violations.shape(&self.at.field(name), RULE);
        }
        read
    }

    /// One of the words of `T`.
    pub fn word<T: FromStr>(&mut self, name: &str, rule: &str) -> Option<T> {
        let text: String = self.take(name, rule)?;
        let read = text.parse().ok();
        if read.is_none() {
            self.violations.shape(&self.at.field(name), rule);
        }
        read
    }

    /// An object with fields of its own.
    pub fn nested<T>(&mut self, name: &str, read: impl FnOnce(&mut Fields<'r, '_>) -> T) -> Option<T> {
        let at = self.at.field(name);
        read_object(self.rest.remove(name)?, at, self.violations, read)
    }

    /// A priority by number or by word.
    pub fn priority(&mut self, name: &str) -> Option<PriorityInput> {
        let rule = "must be 0, 1, 2, 3 or more, or one of low, medium, high, critical";
        let at = self.at.field(name);
        let read = PriorityInput::read(self.rest.remove(name)?.get());
        if read.is_none() {
            self.violations.shape(&at, rule);
        }
        read
    }

    /// Any object, kept as its own text.
    pub fn object(&mut self, name: &str) -> Option<JsonObject> {
        let at = self.at.field(name);
        let read = JsonObject::read(self.rest.remove(name)?);
        if read.is_none() {
            self.violations.shape(&at, "must be an object");
        }
        read
    }

    /// A list of so many objects; those that cannot be read are left out, and the request is refused.
    pub fn list<T>(
        &mut self,
        name: &str,
        counts: RangeInclusive<usize>,
        mut read: impl FnMut(&mut Fields<'r, '_>) -> T,
    ) -> Option<Vec<T>> {
        self.items(name, counts, |raw, at, violations| read_object(raw, at, violations, &mut read))
    }

    /// A list of so many items, counted before any is looked at; `read` adds a violation for what it cannot read.
    pub fn items<T>(
        &mut self,
        name: &str,
        counts: RangeInclusive<usize>,
        mut read: impl FnMut(&'r RawValue, Pointer, &mut Violations) -> Option<T>,
    ) -> Option<Vec<T>> {
        let at = self.at.field(name);
        let items: Vec<&'r RawValue> = match serde_json::from_str(self.rest.remove(name)?.get()) {
            Ok(items) => items,
            Err(_) => {
                self.violations.shape(&at, "must be a list");
                return None;
            }
        };
        if !counts.contains(&items.len()) {
            let rule = match (counts.start(), counts.end()) {
                (0, most) => format!("must have at most {most} items"),
                (least, most) => format!("must have {least} to {most} items"),
            };
            self.violations.add(&at, Class::Rule, &rule);
            return None;
        }
        let read_item = |(index, raw)| read(raw, at.item(index), self.violations);
        Some(items.into_iter().enumerate().filter_map(read_item).collect())
    }

    fn take<T: DeserializeOwned>(&mut self, name: &str, rule: &str) -> Option<T> {
        let read = serde_json::from_str(self.rest.remove(name)?.get()).ok();
        if read.is_none() {
            self.violations.shape(&self.at.field(name), rule);
        }
        read
    }
}
