//! Replies as redis-cli prints them: numbered and quoted for people, raw for programs.

use crate::resp::Reply;
use std::fmt::Write;

/// Every value on a line of its own, bytes as they are.
pub fn programs(reply: &Reply) -> Vec<u8> {
    let mut bytes = Vec::new();
    raw(reply, &mut bytes);
    bytes.push(b'\n');
    bytes
}

fn raw(reply: &Reply, bytes: &mut Vec<u8>) {
    match reply {
        Reply::Status(text) | Reply::Error(text) => bytes.extend_from_slice(text.as_bytes()),
        Reply::Integer(number) => bytes.extend_from_slice(number.to_string().as_bytes()),
        Reply::Bulk(text) => bytes.extend_from_slice(text),
        Reply::Nil => {}
        Reply::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    bytes.push(b'\n');
                }
                raw(item, bytes);
            }
        }
    }
}

/// Types told apart, arrays numbered.
pub fn people(reply: &Reply) -> Vec<u8> {
    let mut text = String::new();
    numbered(reply, "", &mut text);
    text.into_bytes()
}

fn numbered(reply: &Reply, indent: &str, text: &mut String) {
    match reply {
        Reply::Array(items) if items.is_empty() => text.push_str("(empty array)\n"),
        Reply::Array(items) => {
            let width = items.len().to_string().len();
            for (at, item) in items.iter().enumerate() {
                // The first item stands behind its parent's number.
                let number = format!("{:>width$}) ", at + 1);
                let _ = write!(text, "{}{number}", if at == 0 { "" } else { indent });
                numbered(item, &format!("{indent}{}", " ".repeat(number.len())), text);
            }
        }
        Reply::Status(status) => text.push_str(&format!("{status}\n")),
        Reply::Error(error) => text.push_str(&format!("(error) {error}\n")),
        Reply::Integer(number) => text.push_str(&format!("(integer) {number}\n")),
        Reply::Bulk(bytes) => text.push_str(&format!("{}\n", quoted(bytes))),
        Reply::Nil => text.push_str("(nil)\n"),
    }
}

fn quoted(bytes: &[u8]) -> String {
    let escape = |byte: &u8| match byte {
        b'"' => "\\\"".to_owned(),
        b'\\' => "\\\\".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        b'\t' => "\\t".to_owned(),
        b' '..=b'~' => char::from(*byte).to_string(),
        other => format!("\\x{other:02x}"),
    };
    format!("\"{}\"", bytes.iter().map(escape).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumers() -> Reply {
        let bulk = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
        let one = |name: &str, pending| {
            Reply::Array(vec![bulk("name"), bulk(name), bulk("pending"), Reply::Integer(pending)])
        };
        Reply::Array(vec![one("worker-1", 0), one("ü\n", 2)])
    }

    #[test]
    fn arrays_are_numbered_for_people() {
        let expect = "1) 1) \"name\"\n   2) \"worker-1\"\n   3) \"pending\"\n   4) (integer) 0\n\
                      2) 1) \"name\"\n   2) \"\\xc3\\xbc\\n\"\n   3) \"pending\"\n   4) (integer) 2\n";
        assert_eq!(String::from_utf8(people(&consumers())).unwrap(), expect);
        assert_eq!(people(&Reply::Nil), b"(nil)\n");
    }

    #[test]
    fn programs_get_one_value_a_line() {
        assert_eq!(programs(&consumers()), "name\nworker-1\npending\n0\nname\nü\n\npending\n2\n".as_bytes());
        assert_eq!(programs(&Reply::Bulk(b"completed".to_vec())), b"completed\n");
    }
}
