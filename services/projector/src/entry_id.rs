//! The id of a stream entry as a number: `<ms>-<sequence>`.

use std::fmt;
use std::str::FromStr;

/// Orders as Redis orders entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryId {
    /// Redis' clock when it was added, ms of the Unix epoch.
    pub ms: u64,
    /// Tells apart what was added in one ms.
    pub sequence: u64,
}

impl EntryId {
    /// The first id that an entry of this ms can have.
    pub(crate) fn at(ms: u64) -> Self {
        Self { ms, sequence: 0 }
    }

    /// The last id that an entry of this ms can have.
    pub(crate) fn end_of(ms: u64) -> Self {
        Self { ms, sequence: u64::MAX }
    }

    /// The greatest id below this one; `0-0` stays itself.
    pub(crate) fn before(self) -> Self {
        match (self.ms, self.sequence) {
            (0, 0) => self,
            (ms, 0) => Self { ms: ms - 1, sequence: u64::MAX },
            (ms, sequence) => Self { ms, sequence: sequence - 1 },
        }
    }
}

/// Text that is not an entry id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAnId;

impl FromStr for EntryId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (ms, sequence) = text.split_once('-').ok_or(NotAnId)?;
        Ok(Self { ms: ms.parse().map_err(|_| NotAnId)?, sequence: sequence.parse().map_err(|_| NotAnId)? })
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_order_by_number_and_not_by_text() {
        let id = |text: &str| text.parse::<EntryId>().unwrap();
        assert!(id("9-5") < id("10-0") && id("10-9") < id("10-10"));
        assert_eq!(id("1790000000000-3").to_string(), "1790000000000-3");
        assert_eq!("17".parse::<EntryId>(), Err(NotAnId));
    }

    #[test]
    fn nothing_lies_between_an_id_and_the_one_before() {
        assert_eq!(EntryId { ms: 5, sequence: 2 }.before(), EntryId { ms: 5, sequence: 1 });
        assert_eq!(EntryId::at(5).before(), EntryId { ms: 4, sequence: u64::MAX });
        assert_eq!(EntryId::default().before(), EntryId::default());
    }
}
