//! JSON that belongs to the client: kept and answered as the text that was sent, never re-written.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Any JSON object, byte for byte.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct JsonObject(pub Box<RawValue>);

/// Any JSON value, byte for byte.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct JsonValue(pub Box<RawValue>);

impl JsonObject {
    /// `raw` if it is an object.
    pub fn read(raw: &RawValue) -> Option<Self> {
        raw.get().starts_with('{').then(|| Self(raw.to_owned()))
    }

    /// `{}`.
    pub fn empty() -> Self {
        Self(raw("{}"))
    }
}

impl JsonValue {
    /// `null`.
    pub fn null() -> Self {
        Self(raw("null"))
    }
}

/// JSON text of the program's own.
pub fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("the program writes sound JSON")
}

macro_rules! raw_type {
    ($name:ident, $schema:expr) => {
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

        impl ToJSON for $name {
            fn to_json(&self) -> Option<Value> {
                serde_json::from_str(self.0.get()).ok()
            }
        }

        impl ParseFromJSON for $name {
            fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
                serde_json::value::to_raw_value(&value).map(Self).map_err(ParseError::custom)
            }
        }
    };
}

/// An object of any fields: without them said, generated clients would let none pass.
fn any_object() -> MetaSchema {
    let anything = MetaSchemaRef::Inline(Box::new(MetaSchema::ANY));
    MetaSchema { additional_properties: Some(Box::new(anything)), ..MetaSchema::new("object") }
}

raw_type!(JsonObject, any_object());
raw_type!(JsonValue, MetaSchema::ANY);
