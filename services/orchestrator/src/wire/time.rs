//! Points in time as clients read them.

use chrono::{DateTime, SecondsFormat, Utc};
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// RFC 3339 in UTC with milliseconds: `2026-01-31T12:00:00.000Z`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Timestamp(String);

impl Timestamp {
    /// Now, by this process's clock.
    pub fn now() -> Self {
        Self::of(Utc::now())
    }

    /// From ms of the Unix epoch.
    pub fn from_ms(ms: u64) -> Self {
        Self::of(i64::try_from(ms).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default())
    }

    /// From what RFC 3339 allows, in any time zone; what is before 1970 is taken as that.
    pub fn read(text: &str) -> Option<Self> {
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Self::from_ms(time.timestamp_millis().try_into().unwrap_or(0)))
    }

    /// In ms of the Unix epoch.
    pub fn ms(&self) -> u64 {
        let time = DateTime::parse_from_rfc3339(&self.0).map(|time| time.timestamp_millis());
        time.ok().and_then(|ms| ms.try_into().ok()).unwrap_or(0)
    }

    fn of(time: DateTime<Utc>) -> Self {
        Self(time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Now in ms of the Unix epoch, by this process's clock.
pub fn now_ms() -> u64 {
    Utc::now().timestamp_millis().try_into().unwrap_or(0)
}

impl Type for Timestamp {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new_with_format("string", "date-time")))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ToJSON for Timestamp {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.clone().into())
    }
}

impl ParseFromJSON for Timestamp {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value.unwrap_or_default() {
            Value::String(text) => Ok(Self(text)),
            other => Err(ParseError::expected_type(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_milliseconds() {
        assert_eq!(Timestamp::from_ms(1_790_000_000_007).0, "2026-09-21T14:13:20.007Z");
        assert_eq!(Timestamp::from_ms(0).0, "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_ms(u64::MAX).0, "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_time_is_read_in_any_zone_and_nothing_else_is() {
        for (text, ms) in [
            ("2026-09-21T14:13:20.007Z", Some(1_790_000_000_007)),
            ("2026-09-21T16:13:20.0079+02:00", Some(1_790_000_000_007)),
            ("1969-12-31T23:59:59Z", Some(0)),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799_000)),
            ("2026-09-21", None),
            ("2026-02-30T00:00:00Z", None),
            ("2026-09-21T14:13:20", None),
            ("PT1H", None),
            ("1790000000", None),
        ] {
            assert_eq!(Timestamp::read(text).map(|time| time.ms()), ms, "{text}");
        }
    }
}
