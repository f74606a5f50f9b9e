//! An entry that is in no stream now, as JSON text: a list of its queue and then of names and values.
//!
//! The bytes are those of Lua's `cjson`, which escapes `/` and writes what is no UTF-8 as it is.

use super::Fields;
use super::entry::field;
use proto_schemas::limit::ENTRY_FIELDS_MAX;
use proto_schemas::{Priority, QueueName};

/// Writes the text.
pub fn pack(queue: &QueueName, fields: &Fields) -> Vec<u8> {
    let texts = fields.iter().flat_map(|(name, value)| [&name[..], &value[..]]);
    let texts: Vec<Vec<u8>> = std::iter::once(queue.as_str().as_bytes()).chain(texts).map(quote).collect();
    [b"[".to_vec(), texts.join(&b','), b"]".to_vec()].concat()
}

/// Reads it: the queue, the fields and the priority that they name; `None` if it is no such text.
pub fn unpack(text: &[u8]) -> Option<(QueueName, Fields, Priority)> {
    let mut texts = unquote_all(text)?.into_iter();
    let queue = QueueName::new(String::from_utf8(texts.next()?).ok()?).ok()?;
    let texts: Vec<Vec<u8>> = texts.collect();
    let fields: Fields = texts.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    if texts.len() % 2 == 1 || fields.is_empty() || fields.len() > ENTRY_FIELDS_MAX {
        return None;
    }
    let priority = match field(&fields, "priority") {
        None => Priority::Medium,
        Some(word) => std::str::from_utf8(word).ok()?.parse().ok()?,
    };
    Some((queue, fields, priority))
}

fn quote(text: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for &byte in text {
        match byte {
            b'"' | b'\\' | b'/' => quoted.extend([b'\\', byte]),
            8 => quoted.extend(b"\\b"),
            b'\t' => quoted.extend(b"\\t"),
            b'\n' => quoted.extend(b"\\n"),
            12 => quoted.extend(b"\\f"),
            b'\r' => quoted.extend(b"\\r"),
            0..32 | 127 => quoted.extend(format!("\\u{byte:04x}").bytes()),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'"');
    quoted
}

/// The texts of a list of nothing but strings, without space between them.
fn unquote_all(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = text.strip_prefix(b"[")?;
    let mut texts = Vec::new();
    loop {
        let (unquoted, after) = unquote(rest.strip_prefix(b"\"")?)?;
        texts.push(unquoted);
        match after {
            b"]" => return Some(texts),
            _ => rest = after.strip_prefix(b",")?,
        }
    }
}

/// One string up to its closing quote, and what follows.
fn unquote(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut text = Vec::new();
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some((text, rest)),
            b'\\' => {
                let (&escape, after) = rest.split_first()?;
                rest = after;
                match escape {
                    b'b' => text.push(8),
                    b't' => text.push(b'\t'),
                    b'n' => text.push(b'\n'),
                    b'f' => text.push(12),
                    b'r' => text.push(b'\r'),
                    b'u' => {
                        let code = u32::from_str_radix(std::str::from_utf8(rest.get(..4)?).ok()?, 16).ok()?;
                        text.extend(char::from_u32(code)?.to_string().bytes());
                        rest = &rest[4..];
                    }
                    b'"' | b'\\' | b'/' => text.push(escape),
                    _ => return None,
                }
            }
            _ => text.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_read_back_as_themselves() {
        let all: Vec<u8> = (0..=255).collect();
        let fields = vec![(b"priority".to_vec(), b"low".to_vec()), (all.clone(), all)];
        let text = pack(&QueueName::default_queue(), &fields);
        assert!(text.starts_with(b"[\"default\",\"priority\",\"low\",\"\\u0000"));
        assert_eq!(unpack(&text), Some((QueueName::default_queue(), fields, Priority::Low)));
    }

    #[test]
    fn what_names_no_queue_or_is_no_list_of_names_and_values_is_none() {
        for text in [
            "",
            "{}",
            "[]",
            "[1,2,3]",
            "[\"q\"]",
            "[\"q\",\"a\"]",
            "[\"a b\",\"a\",\"b\"]",
            "[\"q\",\"a\",\"b\"]x",
            "[\"q\",\"priority\",\"soon\"]",
        ] {
            assert_eq!(unpack(text.as_bytes()), None, "{text}");
        }
        let many = |count| pack(&QueueName::default_queue(), &vec![(Vec::new(), Vec::new()); count]);
        assert!(unpack(&many(ENTRY_FIELDS_MAX)).is_some() && unpack(&many(ENTRY_FIELDS_MAX + 1)).is_none());
    }
}
