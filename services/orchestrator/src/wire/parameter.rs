//! The parameters of queries: what each may be, in the document as in the reading of it.

use super::entry_id::is_cursor;
use super::time::Timestamp;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, Type};
use proto_schemas::{Kind, TaskId, TaskStatus};
use redis_store::listing::Place;
use std::borrow::Cow;

/// Items of a page unless the client says otherwise.
pub const PAGE_ITEMS_DEFAULT: usize = 50;
const PAGE_ITEMS_MAX: usize = 100;
const ERROR_CHARS_MAX: usize = 200;
/// The pattern of names, kinds and ids.
pub const NAME: &str = "^[A-Za-z0-9_.-]{1,64}$";

macro_rules! parameter {
    ($(#[$doc:meta])* $name:ident($inner:ty) = $schema:expr, $read:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(pub $inner);

        impl Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new($schema))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl ParseFromParameter for $name {
            fn parse_from_parameter(value: &str) -> ParseResult<Self> {
                let read: fn(&str) -> Option<$inner> = $read;
                read(value).map(Self).ok_or_else(ParseError::expected_input)
            }
        }
    };
}

parameter! {
    /// How many items at most.
    PageLimit(usize) = MetaSchema {
        minimum: Some(1.0),
        maximum: Some(PAGE_ITEMS_MAX as f64),
        ..MetaSchema::new("integer")
    },
    |text| text.parse().ok().filter(|limit| (1..=PAGE_ITEMS_MAX).contains(limit))
}

parameter! {
    /// Statuses, separated by commas.
    StatusList(Vec<TaskStatus>) = of_pattern(
        "^(queued|processing|completed|failed|cancelled)(,(queued|processing|completed|failed|cancelled)){0,4}$",
    ),
    |text| text.split(',').map(|word| word.parse().ok()).collect()
}

parameter! {
    /// Where a page of tasks ended: `<created ms>.<task id>`.
    TaskCursor(Place) = of_pattern(r"^[0-9]{1,15}\.[A-Za-z0-9_.-]{1,64}$"),
    |text| {
        let (ms, id) = text.split_once('.')?;
        let is_number = (1..=15).contains(&ms.len()) && ms.bytes().all(|byte| byte.is_ascii_digit());
        Some(Place { created_ms: is_number.then(|| ms.parse().ok())??, task_id: TaskId::new(id).ok()? })
    }
}

parameter! {
    /// Where a page of dead letters ended: an entry id.
    LetterCursor(String) = of_pattern("^([1-9][0-9]{0,18}-[0-9]{1,19}|0-[1-9][0-9]{0,18})$"),
    |text| is_cursor(text).then(|| text.to_owned())
}

parameter! {
    /// A kind.
    KindName(Kind) = of_pattern(NAME),
    |text| Kind::new(text).ok()
}

parameter! {
    /// Part of what an error says.
    ErrorText(String) = MetaSchema {
        min_length: Some(1),
        max_length: Some(ERROR_CHARS_MAX),
        ..MetaSchema::new("string")
    },
    |text| (1..=ERROR_CHARS_MAX).contains(&text.chars().count()).then(|| text.to_lowercase())
}

parameter! {
    /// A point in time.
    Since(u64) = MetaSchema::new_with_format("string", "date-time"),
    |text| Timestamp::read(text).map(|time| time.ms())
}

impl PageLimit {
    /// The number of a request that may have said one.
    pub fn of(limit: Option<Self>) -> usize {
        limit.map_or(PAGE_ITEMS_DEFAULT, |Self(limit)| limit)
    }
}

impl From<&Place> for TaskCursor {
    fn from(place: &Place) -> Self {
        Self(place.clone())
    }
}

impl std::fmt::Display for TaskCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0.created_ms, self.0.task_id)
    }
}

/// A string of this pattern.
pub fn of_pattern(pattern: &str) -> MetaSchema {
    MetaSchema { pattern: Some(pattern.to_owned()), ..MetaSchema::new("string") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_read<T: ParseFromParameter>(text: &str) -> bool {
        T::parse_from_parameter(text).is_ok()
    }

    #[test]
    fn what_is_outside_its_bounds_is_no_parameter() {
        for (text, expect) in [("1", true), ("100", true), ("0", false), ("101", false), ("-1", false), ("1e2", false)]
        {
            assert_eq!(is_read::<PageLimit>(text), expect, "{text}");
        }
        for (text, expect) in [("queued", true), ("queued,failed", true), ("", false), ("queued,", false), ("x", false)]
        {
            assert_eq!(is_read::<StatusList>(text), expect, "{text}");
        }
        assert!(is_read::<KindName>("k.1") && !is_read::<KindName>("a b"));
        assert!(
            is_read::<ErrorText>("Timeout") && !is_read::<ErrorText>("") && !is_read::<ErrorText>(&"x".repeat(201))
        );
        assert!(is_read::<Since>("2026-01-31T12:00:00+02:00") && !is_read::<Since>("yesterday"));
    }

    #[test]
    fn a_cursor_reads_back() {
        for text in ["1790000000000.01K5QJ0000ABCDEFGHJKMNPQRS", "0.a.b"] {
            assert_eq!(TaskCursor::parse_from_parameter(text).unwrap().to_string(), text);
        }
        for text in ["", ".", "5", "5.", ".a", "+5.a", "5.a b", "1234567890123456.a", "5.a\n"] {
            assert!(!is_read::<TaskCursor>(text), "{text}");
        }
    }
}
