//! Entries in portions that one fold call takes.

use redis_store::events::EventEntry;

/// Facts of one fold call, so that it blocks Redis for a few ms at most; one entry alone may have more.
pub(crate) const FACTS_MAX: usize = 512;

/// How many facts an entry is to a fold call: one for each subtask that a line is about, and one for any other line.
pub(crate) fn weight(entry: &EventEntry) -> usize {
    entry.lines.iter().map(|line| line.as_ref().map_or(1, |fact| fact.indexes().count().max(1))).sum()
}

/// Splits entries into neighbours of at most 512 facts together, in order; no portion is empty.
pub(crate) fn chunks(entries: &[EventEntry]) -> impl Iterator<Item = &[EventEntry]> {
    let mut rest = entries;
    std::iter::from_fn(move || {
        let mut facts = 0;
        let fits = |entry: &&EventEntry| {
            facts += weight(entry);
            facts <= FACTS_MAX
        };
        let count = rest.iter().take_while(fits).count().max(1).min(rest.len());
        let (chunk, after) = rest.split_at(count);
        rest = after;
        (!chunk.is_empty()).then_some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(lines: &[usize]) -> Vec<usize> {
        let entry = |&count: &usize| EventEntry { entry_id: "1-1".to_owned(), lines: vec![Err(Vec::new()); count] };
        let entries: Vec<_> = lines.iter().map(entry).collect();
        chunks(&entries).map(<[_]>::len).collect()
    }

    #[test]
    fn a_line_weighs_as_many_facts_as_subtasks_it_is_about() {
        let line = |text: &str| Ok(proto_schemas::Fact::decode(text).unwrap());
        let lines = vec![line("t 0-299 0 cancelled 0 0 w 1"), line("t - 0 created 0 0 w 1"), Err(Vec::new())];
        let entry = EventEntry { entry_id: "1-1".to_owned(), lines };
        assert_eq!(weight(&entry), 302);
        assert_eq!(chunks(&[entry.clone(), entry]).count(), 2, "302 and 302 are more than one call takes");
    }

    #[test]
    fn a_chunk_is_as_large_as_its_facts_allow_and_never_empty() {
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[128; 9]), [4, 4, 1]);
        assert_eq!(sizes(&[0; 600]), [600]);
        assert_eq!(sizes(&[1, 5_000, 1]), [1, 1, 1]);
    }
}
