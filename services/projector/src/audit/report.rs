//! What an audit answers: what it saw, and where the laws do not hold.

use super::findings::Findings;
use super::law::Violation;
use serde::Serialize;
use std::fmt;

/// What one pass saw.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub tasks: u64,
    pub subtasks: u64,
    pub entries: u64,
    pub delayed: u64,
    pub events_unfolded: u64,
    pub unknown_entries: u64,
    pub malformed_entries: u64,
}

/// The answer of an audit.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Tasks that were checked.
    pub tasks: u64,
    /// Subtasks in their plans.
    pub subtasks: u64,
    /// Work entries in all queues.
    pub entries: u64,
    /// Members of `delayed`.
    pub delayed: u64,
    /// Entries of the log that the projectors have yet to fold.
    pub events_unfolded: u64,
    /// Work entries that belong to no listed task; someone may have written them by hand. Not a violation.
    pub unknown_entries: u64,
    /// Work entries that a worker will refuse. Not a violation.
    pub malformed_entries: u64,
    /// Where a law does not hold; at most 1,000.
    pub violations: Vec<Violation>,
    /// How many more there are.
    pub violations_beyond: u64,
}

impl Report {
    pub(crate) fn new(counts: Counts, findings: Findings) -> Self {
        let Counts { tasks, subtasks, entries, delayed, events_unfolded, unknown_entries, malformed_entries } = counts;
        let (violations, violations_beyond) = findings.into_confirmed();
        Self {
            tasks,
            subtasks,
            entries,
            delayed,
            events_unfolded,
            unknown_entries,
            malformed_entries,
            violations,
            violations_beyond,
        }
    }

    /// Whether every law holds.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} tasks with {} subtasks, {} work entries, {} delayed, {} unfolded entries of the log",
            self.tasks, self.subtasks, self.entries, self.delayed, self.events_unfolded
        )?;
        for (count, note) in [
            (self.unknown_entries, "work entries belong to no listed task"),
            (self.malformed_entries, "work entries will be refused by the workers"),
        ] {
            if count > 0 {
                writeln!(f, "note: {count} {note}")?;
            }
        }
        for violation in &self.violations {
            writeln!(f, "{violation}")?;
        }
        if self.violations_beyond > 0 {
            writeln!(f, "and {} more", self.violations_beyond)?;
        }
        let count = self.violations.len() as u64 + self.violations_beyond;
        match count {
            0 => write!(f, "every law holds"),
            _ => write!(f, "violations: {count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::law::Law;
    use super::*;
    use proto_schemas::TaskId;

    #[test]
    fn people_and_programs_read_the_same_violations() {
        let mut findings = Findings::default();
        let violation = Violation::of_subtask(Law::TokenMissing, &TaskId::new("T").unwrap(), 3, "nothing waits for it");
        findings.found(violation.clone(), 7);
        let mut findings = findings.confirm();
        findings.found(violation, 7);
        let report = Report::new(Counts { tasks: 1, subtasks: 4, ..Counts::default() }, findings);
        assert!(!report.is_clean());
        let text = report.to_string();
        assert!(text.contains("token_missing task T subtask 3: nothing waits for it"), "{text}");
        assert!(text.ends_with("violations: 1"), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["violations"][0]["law"], "token_missing");
        assert_eq!(json["violations"][0]["index"], 3);
    }
}
