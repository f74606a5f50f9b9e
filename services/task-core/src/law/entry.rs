//! Changing an entry before it is added again: a field's value, and what it remembers of the attempts before.

use super::{Fields, StreamName};
use proto_schemas::limit::{ENTRY_FIELDS_MAX, HISTORY_LINES_MAX};

/// The value of a field; of equal names the last counts.
pub(crate) fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a [u8]> {
    fields.iter().rfind(|(known, _)| known == name.as_bytes()).map(|(_, value)| &value[..])
}

/// Sets a field in its place, or appends it.
pub(crate) fn set_field(fields: &mut Fields, name: &str, value: impl Into<Vec<u8>>) {
    match fields.iter().rposition(|(known, _)| known == name.as_bytes()) {
        Some(at) => fields[at].1 = value.into(),
        None => fields.push((name.as_bytes().to_vec(), value.into())),
    }
}

/// Lets an entry say itself how urgent it is: what its stream says elsewhere.
pub(crate) fn keep_priority(fields: &mut Fields, stream: &StreamName) {
    if let StreamName::Work(_, priority) = stream {
        set_field(fields, "priority", priority.as_str());
    }
}

/// Adds a line to the history of an entry: at most 16 stay, the newest. One that is full keeps none.
pub(crate) fn remember(fields: &mut Fields, line: &str) {
    let known = match field(fields, "history") {
        None if fields.len() >= ENTRY_FIELDS_MAX => return,
        known => known.unwrap_or_default(),
    };
    let mut lines: Vec<&[u8]> =
        if known.is_empty() { Vec::new() } else { known.split(|&byte| byte == b'\n').collect() };
    lines.push(line.as_bytes());
    let newest = lines.split_off(lines.len().saturating_sub(HISTORY_LINES_MAX)).join(&b'\n');
    set_field(fields, "history", newest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_names_the_last_is_read_and_set() {
        let mut fields: Fields = [("a", "1"), ("a", "2"), ("b", "3")].map(super::super::stream::text_field).into();
        set_field(&mut fields, "a", "4");
        set_field(&mut fields, "c", "5");
        let values: Vec<&[u8]> = fields.iter().map(|(_, value)| &value[..]).collect();
        assert_eq!(values, [b"1", b"4", b"3", b"5"]);
        assert_eq!((field(&fields, "a"), field(&fields, "d")), (Some(&b"4"[..]), None));
    }

    #[test]
    fn the_newest_sixteen_lines_are_remembered() {
        let mut fields = Fields::new();
        for line in 0..20 {
            remember(&mut fields, &line.to_string());
        }
        let lines: Vec<String> = (4..20).map(|line| line.to_string()).collect();
        assert_eq!(field(&fields, "history"), Some(lines.join("\n").as_bytes()));
    }
}
