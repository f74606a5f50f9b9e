//! The document that is handed in: each member as the user wrote it, byte for byte. A number that no double can hold
//! and a field that stands twice further down are the API's to judge, so nothing in between may tidy them up.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use std::fmt;

/// The members of a JSON object, in their order.
#[derive(Debug, Default)]
pub struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// An object of this one member.
    pub fn of(name: &str, value: Box<RawValue>) -> Self {
        Self(vec![(name.to_owned(), value)])
    }

    /// Whether there is such a member.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Puts `value` in the place of the member of this name, or behind all.
    pub fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
}

/// Refuses a name that stands twice: which of the two is meant, nobody knows.
impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
                text.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Members, A::Error> {
                let mut members = Members::default();
                while let Some(name) = input.next_key::<String>()? {
                    if members.has(&name) {
                        return Err(A::Error::custom(format_args!("{name:?} is there twice")));
                    }
                    members.0.push((name, input.next_value()?));
                }
                Ok(members)
            }
        }
        input.deserialize_map(Reader)
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        let mut map = output.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_bytes_and_their_order() {
        let text = r#"{"z":12345678901234567890123,"a":{"k":1e2,"k":[ 1.0 ]},"\u0062":"\u00e9"}"#;
        let mut members: Members = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&members).unwrap(), text.replace(r"\u0062", "b"));
        members.set("z", RawValue::from_string("1".to_owned()).unwrap());
        members.set("y", RawValue::from_string("2".to_owned()).unwrap());
        let changed = r#"{"z":1,"a":{"k":1e2,"k":[ 1.0 ]},"b":"\u00e9","y":2}"#;
        assert_eq!(serde_json::to_string(&members).unwrap(), changed);
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_however_it_is_written() {
        let error = serde_json::from_str::<Members>(r#"{"ab":1,"a\u0062":1}"#).unwrap_err();
        assert!(error.to_string().starts_with("\"ab\" is there twice"), "{error}");
    }
}
