//! Reading replies by shape; a reply of another shape is an error that names the command.

use crate::error::StoreError;
use fred::types::Value;
use std::collections::HashMap;

pub(crate) fn array(value: Value, command: &'static str) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Null => Ok(Vec::new()),
        _ => Err(StoreError::Reply(command)),
    }
}

pub(crate) fn text(value: Value, command: &'static str) -> Result<String, StoreError> {
    value.into_string().ok_or(StoreError::Reply(command))
}

pub(crate) fn number(value: &Value, command: &'static str) -> Result<u64, StoreError> {
    value.as_u64().ok_or(StoreError::Reply(command))
}

/// For people: what is not text is shown as such.
pub(crate) fn lossy(value: &Value) -> Option<String> {
    bytes(value).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// A value of a flat list of names and values.
pub(crate) fn field<'a>(items: &'a [Value], name: &str) -> Option<&'a Value> {
    items.chunks_exact(2).find(|pair| bytes(&pair[0]) == Some(name.as_bytes())).map(|pair| &pair[1])
}

/// The bytes of a bulk string, whether or not they are text.
pub(crate) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::String(text) => Some(text.as_bytes()),
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// A flat list of names and values, as HGETALL and XINFO answer; values that are not text are left out.
pub(crate) fn map(value: Value, command: &'static str) -> Result<HashMap<String, String>, StoreError> {
    let mut items = array(value, command)?.into_iter();
    let mut fields = HashMap::new();
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        if let (Some(name), Some(value)) = (name.into_string(), value.into_string()) {
            fields.insert(name, value);
        }
    }
    Ok(fields)
}

/// One stream entry: its id and its fields, or no fields if the entry was deleted meanwhile.
pub(crate) struct RawEntry {
    pub id: String,
    pub fields: Option<Vec<Value>>,
}

impl RawEntry {
    pub(crate) fn decode(value: Value, command: &'static str) -> Result<Self, StoreError> {
        let mut parts = array(value, command)?.into_iter();
        let (Some(id), fields) = (parts.next(), parts.next()) else { return Err(StoreError::Reply(command)) };
        let fields = match fields {
            Some(Value::Array(fields)) => Some(fields),
            _ => None,
        };
        Ok(Self { id: text(id, command)?, fields })
    }

    /// Name and value of each field, as bytes.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let fields = self.fields.as_deref().unwrap_or_default();
        fields.chunks_exact(2).filter_map(|pair| Some((bytes(&pair[0])?, bytes(&pair[1])?)))
    }
}

/// The entries of an XREADGROUP reply, stream by stream.
pub(crate) fn streams(value: Value, command: &'static str) -> Result<Vec<(String, Vec<RawEntry>)>, StoreError> {
    let mut streams = Vec::new();
    for stream in array(value, command)? {
        let mut parts = array(stream, command)?.into_iter();
        let (Some(key), Some(entries)) = (parts.next(), parts.next()) else { return Err(StoreError::Reply(command)) };
        let entries = array(entries, command)?
            .into_iter()
            .map(|entry| RawEntry::decode(entry, command))
            .collect::<Result<_, _>>()?;
        streams.push((text(key, command)?, entries));
    }
    Ok(streams)
}

/// Words of a script's answer.
pub(crate) fn words(value: Value, script: &'static str) -> Result<Vec<String>, StoreError> {
    array(value, script)?.into_iter().map(|word| text(word, script)).collect()
}

/// One answer for each item of a batch, in its order.
pub(crate) fn one_each<T>(
    words: &[String],
    items: usize,
    script: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, StoreError> {
    if words.len() != items {
        return Err(StoreError::Reply(script));
    }
    words.iter().map(|word| read(word).ok_or(StoreError::Reply(script))).collect()
}

/// Arguments out of anything that reads as text.
pub(crate) fn args<const N: usize>(items: [&str; N]) -> Vec<Value> {
    items.into_iter().map(Value::from).collect()
}
