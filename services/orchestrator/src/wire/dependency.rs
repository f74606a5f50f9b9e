//! An edge of a plan: what a subtask depends on, as clients write it and as they read it.

use super::parameter::{NAME, of_pattern};
use super::word::OnFailure;
use crate::body::fields::{Fields, read_object};
use crate::body::violation::{Pointer, Violations};
use poem_openapi::Object;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use proto_schemas::Parent;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::borrow::Cow;
use task_core::graph::Edge;

const RULE: &str = "must be a name, or an object with a name";
const WORDS: &str = "must be one of fail_fast, skip, continue";

/// The name of another subtask of the plan, or an object that also says what a failure of it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependencyInput(pub Edge);

/// The longer way to write it.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct NewDependency {
    /// The name of another subtask of the plan.
    #[oai(validator(pattern = "^[A-Za-z0-9_.-]{1,64}$"))]
    pub name: String,
    /// `fail_fast` unless you say otherwise.
    pub on_failure: Option<OnFailure>,
}

/// Something that a subtask waits for.
#[derive(Debug, Clone, Serialize, Object)]
pub struct Dependency {
    /// Its name.
    pub name: String,
    /// Its place in the plan.
    pub index: u32,
    /// What becomes of the dependant if it does not complete.
    pub on_failure: OnFailure,
}

impl DependencyInput {
    /// Reads one item of a list.
    pub fn read(raw: &RawValue, at: Pointer, violations: &mut Violations) -> Option<Self> {
        if raw.get().starts_with('{') {
            return read_object(raw, at, violations, Self::read_fields);
        }
        let name = serde_json::from_str(raw.get()).ok();
        if name.is_none() {
            violations.shape(&at, RULE);
        }
        Some(Self(Edge { name: name?, on_failure: proto_schemas::OnFailure::FailFast }))
    }

    fn read_fields(fields: &mut Fields<'_, '_>) -> Self {
        fields.require("name");
        let on_failure = fields.word("on_failure", WORDS).unwrap_or(proto_schemas::OnFailure::FailFast);
        Self(Edge { name: fields.text("name").unwrap_or_default(), on_failure })
    }
}

impl From<&Parent> for Dependency {
    fn from(parent: &Parent) -> Self {
        Self { name: parent.name.to_string(), index: parent.index, on_failure: parent.on_failure.into() }
    }
}

impl Type for DependencyInput {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "DependencyInput".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let name = MetaSchemaRef::Inline(Box::new(of_pattern(NAME)));
        let one_of = vec![name, NewDependency::schema_ref()];
        MetaSchemaRef::Inline(Box::new(MetaSchema { one_of, ..MetaSchema::ANY }))
    }

    fn register(registry: &mut Registry) {
        NewDependency::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ToJSON for DependencyInput {
    fn to_json(&self) -> Option<Value> {
        Some(json!({ "name": self.0.name, "on_failure": self.0.on_failure.as_str() }))
    }
}

impl ParseFromJSON for DependencyInput {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let value = value.unwrap_or_default();
        let raw = serde_json::value::to_raw_value(&value).map_err(ParseError::custom)?;
        Self::read(&raw, Pointer::root(), &mut Violations::default()).ok_or_else(|| ParseError::expected_type(value))
    }
}
