//! Which subtasks a client wants to run again.

use super::parameter::{NAME, of_pattern};
use crate::body::Readable;
use crate::body::fields::Fields;
use crate::body::violation::{Pointer, Violations};
use poem_openapi::Object;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{Example, ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use proto_schemas::limit::SUBTASKS_MAX;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Which subtasks run again.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub struct NewReplay {
    /// Subtasks by name or by index. Whoever depends on them and did not complete runs again too, and so does what they
    /// cannot start without. Unless you say otherwise: all that did not complete, or everything if all did.
    #[oai(validator(min_items = 1, max_items = 1000))]
    pub subtasks: Option<Vec<SubtaskName>>,
}

/// A subtask by its name or by its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubtaskName {
    /// The client's name for it.
    Name(String),
    /// Its place in the plan.
    Index(u32),
}

impl SubtaskName {
    fn read(raw: &RawValue, at: Pointer, violations: &mut Violations) -> Option<Self> {
        let index = serde_json::from_str(raw.get()).map(Self::Index);
        let read = index.or_else(|_| serde_json::from_str(raw.get()).map(Self::Name)).ok();
        if read.is_none() {
            violations.shape(&at, "must be a name or an index");
        }
        read
    }
}

impl Readable for NewReplay {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        Self { subtasks: fields.items("subtasks", 1..=SUBTASKS_MAX, SubtaskName::read) }
    }
}

impl Example for NewReplay {
    fn example() -> Self {
        Self { subtasks: Some(vec![SubtaskName::Index(0)]) }
    }
}

impl Type for SubtaskName {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "SubtaskName".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let index = MetaSchema { minimum: Some(0.0), maximum: Some(f64::from(u32::MAX)), ..MetaSchema::new("integer") };
        let one_of = [of_pattern(NAME), index].map(|schema| MetaSchemaRef::Inline(Box::new(schema))).into();
        MetaSchemaRef::Inline(Box::new(MetaSchema { one_of, ..MetaSchema::ANY }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ToJSON for SubtaskName {
    fn to_json(&self) -> Option<Value> {
        Some(match self {
            Self::Name(name) => name.as_str().into(),
            Self::Index(index) => (*index).into(),
        })
    }
}

impl ParseFromJSON for SubtaskName {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let value = value.unwrap_or_default();
        let raw = serde_json::value::to_raw_value(&value).map_err(ParseError::custom)?;
        Self::read(&raw, Pointer::root(), &mut Violations::default()).ok_or_else(|| ParseError::expected_type(value))
    }
}
