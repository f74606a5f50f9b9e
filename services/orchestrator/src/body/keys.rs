//! One walk over every value: its syntax is sound and no object has a key twice.
//!
//! The walk goes into `params` and `context` too: two readers of an object with a key twice may see two different
//! objects, and the text that is kept is read by handlers in any language.

use super::violation::{Pointer, Violations};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Adds a violation for each key that stands twice; fails where the text is not JSON.
pub fn check(text: &str, violations: &mut Violations) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Walk { at: &Pointer::root(), violations }.deserialize(&mut deserializer)?;
    deserializer.end()
}

struct Walk<'w> {
    at: &'w Pointer,
    violations: &'w mut Violations,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(()) = items.next_element_seed(Walk { at: &self.at.item(index), violations: self.violations })? {
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let at = self.at.field(&key);
            if !seen.insert(key) {
                self.violations.shape(&at, "stands twice in its object");
            }
            entries.next_value_seed(Walk { at: &at, violations: self.violations })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_found_at_any_depth() {
        for (text, expect) in [
            (r#"{"a": 1, "b": {"a": 1}}"#, vec![]),
            (r#"{"a": 1, "a": 2}"#, vec!["/a"]),
            (r#"{"a": 1, "\u0061": 2}"#, vec!["/a"]),
            (r#"{"x": [{}, {"k": 0, "k": 0, "k": 0}]}"#, vec!["/x/1/k", "/x/1/k"]),
        ] {
            let mut violations = Violations::default();
            check(text, &mut violations).unwrap();
            assert_eq!(violations.pointers(), expect, "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            "{",
            "{} {}",
            "{'a': 1}",
            "{\"a\": 1,}",
            "// c\n{}",
            "NaN",
            "[1e999]",
            "[1E400]",
            "[Infinity]",
            "\u{feff}{}",
            r#"["\ud800"]"#,
            "[01]",
            "[+1]",
            "[\"\u{1}\"]",
        ] {
            assert!(check(text, &mut Violations::default()).is_err(), "{text}");
        }
        assert!(check(&format!("[{}]", "9".repeat(10_000)), &mut Violations::default()).is_err());
        assert!(check("[18446744073709551616, -0, 1.0]", &mut Violations::default()).is_ok());
    }
}
