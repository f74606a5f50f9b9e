//! Keeping what gave up: its bytes behind a reason.

use super::stream::text_field;
use super::{Books, Fields, Moment, StreamName};
use proto_schemas::ConsumerName;
use proto_schemas::limit::{DEAD_LETTERS_MAX, ENTRY_FIELDS_MAX};

/// What a dead letter says before the bytes of the entry.
pub(crate) struct Epitaph<'a> {
    /// One word why.
    pub reason: &'a str,
    /// A sentence why.
    pub error: &'a str,
    /// Who gave up on it.
    pub by: &'a ConsumerName,
    /// Where it was: a stream and an entry id, or `delayed` and a member.
    pub source: String,
}

impl Books {
    /// Appends a dead letter. What the server then trims of the oldest, beyond the bound, is counted.
    pub(crate) fn append_dead_letter(&mut self, moment: &mut Moment, epitaph: &Epitaph, fields: Fields) {
        let Epitaph { reason, error, by, source } = epitaph;
        let head = [("reason", *reason), ("error", error), ("worker", by.as_str()), ("source", source)];
        let letter = head.map(text_field).into_iter().chain(pack(fields)).collect();
        self.append(moment, &StreamName::DeadLetters, letter);
        let letters = &mut self.streams.entry(StreamName::DeadLetters).or_default().entries;
        while moment.trimmed > 0 && letters.len() as u64 > DEAD_LETTERS_MAX {
            letters.pop_first();
            moment.trimmed -= 1;
            self.dead_letters_trimmed += 1;
        }
    }
}

/// The fields of a dead letter: as they were, or too many of them as netstrings in the one field `packed`.
fn pack(fields: Fields) -> Fields {
    if fields.len() <= ENTRY_FIELDS_MAX {
        return fields;
    }
    let netstring = |text: &Vec<u8>| [text.len().to_string().as_bytes(), b":", text, b","].concat();
    let packed = fields.iter().flat_map(|(name, value)| [netstring(name), netstring(value)].concat()).collect();
    vec![(b"packed".to_vec(), packed)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_fields_are_packed_byte_for_byte() {
        let few = vec![(b"a".to_vec(), b"".to_vec()); ENTRY_FIELDS_MAX];
        assert_eq!(pack(few.clone()), few);
        let packed = pack([few, vec![(b"b,".to_vec(), b"\xff\n".to_vec())]].concat());
        assert_eq!(packed.len(), 1);
        assert!(packed[0].1.starts_with(b"1:a,0:,1:a,") && packed[0].1.ends_with(b",2:b,,2:\xff\n,"));
    }

    #[test]
    fn what_the_bound_trims_is_counted_and_nothing_below_it_goes() {
        let by = ConsumerName::new("w").unwrap();
        let epitaph = Epitaph { reason: "r", error: "", by: &by, source: "s".to_owned() };
        let mut books = Books::default();
        for _ in 0..DEAD_LETTERS_MAX {
            books.append(&mut Moment::at(1), &StreamName::DeadLetters, Fields::new());
        }
        books.append_dead_letter(&mut Moment::at(2).trimming(100), &epitaph, Fields::new());
        assert_eq!((books.dead_letters_trimmed, books.streams[&StreamName::DeadLetters].entries.len()), (1, 100_000));
        books.append_dead_letter(&mut Moment::at(3), &epitaph, Fields::new());
        assert_eq!(books.dead_letters_trimmed, 1);
    }
}
