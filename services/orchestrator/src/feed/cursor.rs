//! Places in the log as clients name them: `<entry id>.<line>`, and `<entry id>.<line>.end` behind the end of a task.

use std::fmt;
use std::str::FromStr;

/// Longer than any id of ours.
const CHARS_MAX: usize = 64;
/// What a cursor must be.
pub const CURSOR_RULE: &str = "must be the id of a message of this feed";

/// The id of an entry, in the order of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryId {
    /// Ms of the Unix epoch.
    pub ms: u64,
    /// The number within that ms.
    pub number: u64,
}

/// A line of an entry: the place of one fact. Entries of ours have at most 128 lines, from 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The entry.
    pub entry: EntryId,
    /// The line.
    pub line: u32,
}

/// Where a client goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// Behind this fact.
    After(Position),
    /// Nowhere: it has been told the end.
    Ended,
}

/// Not a place in the log.
#[derive(Debug, PartialEq, Eq)]
pub struct NoPosition;

impl EntryId {
    /// The id right before it; the first has none and is its own.
    pub fn before(self) -> Self {
        match (self.ms, self.number) {
            (ms, number @ 1..) => Self { ms, number: number - 1 },
            (ms @ 1.., 0) => Self { ms: ms - 1, number: u64::MAX },
            (0, 0) => self,
        }
    }
}

impl Position {
    /// Behind every line of an entry whose lines have not been counted.
    pub fn behind(entry: EntryId) -> Self {
        Self { entry, line: 999 }
    }
}

impl Cursor {
    /// Reads what a client sends.
    pub fn read(text: &str) -> Result<Self, NoPosition> {
        if text.len() > CHARS_MAX {
            return Err(NoPosition);
        }
        match text.strip_suffix(".end") {
            Some(position) => position.parse::<Position>().map(|_| Self::Ended),
            None => text.parse().map(Self::After),
        }
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, NoPosition> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten().ok_or(NoPosition)
}

impl FromStr for EntryId {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let (ms, in_ms) = text.split_once('-').ok_or(NoPosition)?;
        Ok(Self { ms: number(ms)?, number: number(in_ms)? })
    }
}

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let (entry, line) = text.split_once('.').ok_or(NoPosition)?;
        Ok(Self { entry: entry.parse()?, line: number(line)? })
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.number)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.entry, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_itself_and_lies_in_the_order_of_the_log() {
        let ordered = ["0-0.0", "4-18446744073709551615.0", "5-0.0", "5-0.9", "5-0.10", "5-2.0", "5-10.0", "10-0.0"];
        let read = ordered.map(|text| text.parse::<Position>().unwrap());
        assert_eq!(read.map(|position| position.to_string()), ordered);
        assert!(read.is_sorted());
        assert_eq!(Cursor::read("5-0.9"), Ok(Cursor::After(read[3])));
        assert_eq!(Cursor::read("5-0.9.end"), Ok(Cursor::Ended));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let long = format!("{}-0.0", "0".repeat(61));
        for text in [
            "",
            "5",
            "5-0",
            "5-0.",
            "5-0.x",
            "5-0.-1",
            "5-0.+1",
            "-0.0",
            "5-.0",
            "5-0.0.0",
            "5-0.0.END",
            ".end",
            "5-0.end",
            "5-0.0 ",
            "5-18446744073709551616.0",
            "5-0.4294967296",
            &long,
        ] {
            assert_eq!(Cursor::read(text), Err(NoPosition), "{text}");
        }
    }

    #[test]
    fn the_id_before_another_is_the_last_that_is_smaller() {
        for (id, before) in [("5-3", "5-2"), ("5-0", "4-18446744073709551615"), ("0-1", "0-0"), ("0-0", "0-0")] {
            assert_eq!(id.parse::<EntryId>().unwrap().before().to_string(), before);
        }
    }
}
