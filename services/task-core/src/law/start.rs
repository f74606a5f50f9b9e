//! Telling the log what has been running for a while.

use super::{Books, Moment};
use proto_schemas::{ConsumerName, Fact};

/// Attempts that are running.
#[derive(Debug, Clone)]
pub struct Start {
    /// Who runs them.
    pub by: ConsumerName,
    /// The `started` facts; their time is the moment's.
    pub facts: Vec<Fact>,
}

impl Books {
    /// Appends one entry of facts. Harmless twice: the fold keeps the greatest.
    pub fn start(&mut self, moment: &mut Moment, order: &Start) {
        let at_ms = moment.now_ms;
        let lines: Vec<String> = order.facts.iter().map(|fact| format!("{} {at_ms}", fact.encode_prefix())).collect();
        self.append_facts(moment, &order.by, &lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::StreamName;
    use crate::law::identity::read_lines;

    #[test]
    fn one_entry_tells_all_and_no_entry_tells_nothing() {
        let (by, fact) = (ConsumerName::new("w").unwrap(), Fact::decode("T 0 0 started 1 0 w 1").unwrap());
        let mut books = Books::default();
        books.start(&mut Moment::at(9), &Start { by: by.clone(), facts: vec![] });
        assert_eq!(books, Books::default());
        books.start(&mut Moment::at(9), &Start { by, facts: vec![fact.clone(), fact.clone()] });
        let log = &books.streams[&StreamName::Events];
        let told = Ok(Fact { at_ms: 9, ..fact });
        assert_eq!(read_lines(&log.entries[&log.last_id]), [told.clone(), told]);
    }
}
