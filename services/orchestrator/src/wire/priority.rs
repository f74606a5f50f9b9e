//! A priority as clients may write it: a number or a word.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use proto_schemas::Priority;
use serde_json::Value;
use std::borrow::Cow;

/// A priority that came in as either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriorityInput(pub Priority);

impl PriorityInput {
    /// Reads JSON text: 0 low, 1 medium, 2 high, 3 and above critical, or one of these words.
    pub fn read(json: &str) -> Option<Self> {
        if !json.is_empty() && json.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self(Priority::from_level(json.parse().unwrap_or(u64::MAX))));
        }
        serde_json::from_str::<String>(json).ok()?.parse().ok().map(Self)
    }
}

impl Type for PriorityInput {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "PriorityInput".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let number = MetaSchema { minimum: Some(0.0), ..MetaSchema::new("integer") };
        let words = Priority::ALL.iter().rev().map(|word| word.as_str().into()).collect();
        let word = MetaSchema { enum_items: words, ..MetaSchema::new("string") };
        let one_of = [number, word].map(|schema| MetaSchemaRef::Inline(Box::new(schema))).into();
        MetaSchemaRef::Inline(Box::new(MetaSchema { one_of, ..MetaSchema::ANY }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ToJSON for PriorityInput {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.level().into())
    }
}

impl ParseFromJSON for PriorityInput {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let value = value.unwrap_or_default();
        Self::read(&value.to_string()).ok_or_else(|| ParseError::expected_type(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_a_word_is_a_priority_and_nothing_else() {
        use Priority::*;
        for (json, expect) in [
            ("0", Some(Low)),
            ("1", Some(Medium)),
            ("2", Some(High)),
            ("3", Some(Critical)),
            ("2147483648", Some(Critical)),
            ("99999999999999999999999999", Some(Critical)),
            ("\"low\"", Some(Low)),
            ("\"critical\"", Some(Critical)),
            ("-1", None),
            ("-0", None),
            ("1.0", None),
            ("1e0", None),
            ("\"1\"", None),
            ("\"HIGH\"", None),
            ("null", None),
            ("true", None),
            ("[1]", None),
            ("", None),
        ] {
            assert_eq!(PriorityInput::read(json).map(|read| read.0), expect, "{json}");
        }
    }
}
