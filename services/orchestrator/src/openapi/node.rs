//! JSON that keeps its order: a document is read by people too, and is written in the order of the code that it comes
//! from.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt;

/// A value of JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Fields in their order.
    Object(Vec<(String, Node)>),
    /// Items.
    List(Vec<Node>),
    /// Anything that holds nothing else.
    Leaf(Value),
}

impl Node {
    /// What `value` is in JSON, in the order in which it is written.
    pub fn of(value: &impl Serialize) -> Self {
        let text = serde_json::to_string(value).expect("a document has string keys and cannot fail to serialise");
        serde_json::from_str(&text).expect("what was written as JSON is JSON")
    }

    /// The field of this name, if this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.fields().iter().find(|(known, _)| known == name).map(|(_, node)| node)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        self.fields_mut().iter_mut().find(|(known, _)| known == name).map(|(_, node)| node)
    }

    /// What is at the end of this path of fields.
    pub fn at_mut(&mut self, path: &[&str]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, name| node.get_mut(name))
    }

    /// The text of the field of this name.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Self::Leaf(Value::String(text))) => Some(text),
            _ => None,
        }
    }

    /// Sets a field: in its place if it is there, else at the end.
    pub fn set(&mut self, name: &str, node: impl Into<Self>) {
        let node = node.into();
        match self.get_mut(name) {
            Some(known) => *known = node,
            None => {
                if let Self::Object(fields) = self {
                    fields.push((name.to_owned(), node));
                }
            }
        }
    }

    /// Sets a field that is to stand first.
    pub fn set_first(&mut self, name: &str, node: impl Into<Self>) {
        self.take(name);
        if let Self::Object(fields) = self {
            fields.insert(0, (name.to_owned(), node.into()));
        }
    }

    /// Takes a field out.
    pub fn take(&mut self, name: &str) -> Option<Self> {
        let Self::Object(fields) = self else { return None };
        let at = fields.iter().position(|(known, _)| known == name)?;
        Some(fields.remove(at).1)
    }

    /// All fields; none of what is no object.
    pub fn fields(&self) -> &[(String, Self)] {
        if let Self::Object(fields) = self { fields } else { &[] }
    }

    /// The same, to be changed.
    pub fn fields_mut(&mut self) -> &mut [(String, Self)] {
        if let Self::Object(fields) = self { fields } else { &mut [] }
    }

    /// All items; none of what is no list.
    pub fn items_mut(&mut self) -> &mut [Self] {
        if let Self::List(items) = self { items } else { &mut [] }
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        match value {
            Value::Object(fields) => Self::Object(fields.into_iter().map(|(name, it)| (name, it.into())).collect()),
            Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            leaf => Self::Leaf(leaf),
        }
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Leaf(text.into())
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(fields) => serializer.collect_map(fields.iter().map(|(name, node)| (name, node))),
            Self::List(items) => serializer.collect_seq(items),
            Self::Leaf(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(text.into())
    }

    fn visit_bool<E>(self, is: bool) -> Result<Node, E> {
        Ok(Node::Leaf(is.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Leaf(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Leaf(number.into()))
    }

    /// A bound of whole numbers is a whole number too, whatever it is derived as.
    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        let is_whole = number.fract() == 0.0 && number.abs() < 9e15;
        Ok(Node::Leaf(if is_whole { (number as i64).into() } else { number.into() }))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Null))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_in_the_same_order() {
        let text = r#"{"z":[1,-2,0.5,true,null,"x"],"a":{},"m":{"y":[],"b":3}}"#;
        let mut node: Node = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&node).unwrap(), text);
        node.set("a", "new");
        node.set("last", serde_json::json!({ "k": 1 }));
        node.set_first("m", "first");
        assert!(node.take("z").is_some() && node.take("z").is_none());
        assert_eq!(serde_json::to_string(&node).unwrap(), r#"{"m":"first","a":"new","last":{"k":1}}"#);
    }

    #[test]
    fn a_whole_number_has_no_point() {
        let node: Node = serde_json::from_str("[100.0,0.001]").unwrap();
        assert_eq!(serde_json::to_string(&node).unwrap(), "[100,0.001]");
    }
}
