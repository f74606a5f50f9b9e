//! Entries in portions that one fold call takes.

use redis_store::events::EventEntry;

/// Facts of one fold call, so that it blocks Redis for a few ms at most; one entry alone may have more.
pub(crate) const FACTS_MAX: usize = 512;

/// Splits entries into neighbours of at most 512 lines together, in order; no portion is empty.
pub(crate) fn chunks(entries: &[EventEntry]) -> impl Iterator<Item = &[EventEntry]> {
    let mut rest = entries;
    std::iter::from_fn(move || {
        let mut lines = 0;
        let fits = |entry: &&EventEntry| {
            lines += entry.lines.len();
            lines <= FACTS_MAX
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
    fn a_chunk_is_as_large_as_its_facts_allow_and_never_empty() {
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[128; 9]), [4, 4, 1]);
        assert_eq!(sizes(&[0; 600]), [600]);
        assert_eq!(sizes(&[1, 5_000, 1]), [1, 1, 1]);
    }
}
