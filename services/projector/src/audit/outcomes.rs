//! The outcomes of one task, read: which generation of each subtask counts, and how the generations ended.

use super::books::Found;
use super::law::Law;
use proto_schemas::{Outcome, Progress, Record};
use redis_store::books::Books;
use std::collections::HashMap;

/// What `outcomes:<id>` says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcomes {
    current: HashMap<u32, u32>,
    /// By index and generation; `None` where a record cannot be read.
    records: HashMap<(u32, u32), Option<Outcome>>,
    /// The newest progress that was told.
    progress: HashMap<u32, Progress>,
}

/// A field of the outcomes by its name.
enum Field {
    Record(u32, u32),
    Progress(u32),
    Generation(u32),
}

impl Outcomes {
    /// Reads every field that can be read; `found` is told of the others.
    pub(crate) fn read(books: &Books, found: &mut Found<'_>) -> Self {
        let mut outcomes = Self::default();
        for (name, text) in &books.outcomes {
            let Some(field) = Field::read(name) else {
                found(Law::RecordUnreadable, None, format!("{name} is no field of outcomes"));
                continue;
            };
            let index = field.index();
            if index >= books.task.total {
                found(Law::RecordUnreadable, Some(index), "the plan has no such subtask".to_owned());
            } else if !outcomes.take(&field, text) {
                found(Law::RecordUnreadable, Some(index), format!("field {name} of its outcomes is malformed"));
            }
        }
        outcomes
    }

    /// Notes a field; says whether it could be read.
    fn take(&mut self, field: &Field, text: &str) -> bool {
        match *field {
            Field::Record(index, generation) => {
                let record = Record::decode(text).ok();
                self.records.insert((index, generation), record.as_ref().map(|record| record.outcome));
                record.is_some()
            }
            Field::Progress(index) => match Progress::decode(text) {
                Ok(told) => self.progress.insert(index, told).is_none(),
                Err(_) => false,
            },
            Field::Generation(index) => match text.parse() {
                Ok(generation) => self.current.insert(index, generation).is_none(),
                Err(_) => false,
            },
        }
    }

    /// The generation of a subtask that counts.
    pub(crate) fn generation(&self, index: u32) -> u32 {
        self.current.get(&index).copied().unwrap_or(0)
    }

    /// How a generation ended, if it did; `Some(None)` if that cannot be read.
    pub(crate) fn record(&self, index: u32, generation: u32) -> Option<Option<Outcome>> {
        self.records.get(&(index, generation)).copied()
    }

    /// How a subtask ended, if its current generation did.
    pub(crate) fn ended(&self, index: u32) -> Option<Option<Outcome>> {
        self.record(index, self.generation(index))
    }

    /// What was last told of a subtask's current generation.
    pub(crate) fn progress(&self, index: u32) -> Option<&Progress> {
        self.progress.get(&index).filter(|told| told.generation == self.generation(index))
    }

    /// How many subtasks ended so.
    pub(crate) fn count(&self, outcome: Outcome) -> u32 {
        let is_so = |((index, generation), kept): (&(u32, u32), &Option<Outcome>)| {
            *kept == Some(outcome) && *generation == self.generation(*index)
        };
        self.records.iter().filter(|entry| is_so(*entry)).count() as u32
    }

    /// Checks that each generation follows on one that has ended and that nothing is of a later one.
    pub(crate) fn check_generations(&self, books: &Books, found: &mut Found<'_>) {
        if !books.has_generations && self.current.values().any(|generation| *generation > 0) {
            found(Law::GenerationDisagrees, None, "the task does not know that it has generations".to_owned());
        }
        for (&index, &generation) in &self.current {
            if generation > 0 && self.record(index, generation - 1).is_none() {
                let detail = format!("generation {generation} is current and the one before has no record");
                found(Law::GenerationDisagrees, Some(index), detail);
            }
        }
        let told = self.progress.iter().map(|(index, told)| (*index, told.generation));
        for (index, generation) in self.records.keys().copied().chain(told) {
            let current = self.generation(index);
            if generation > current {
                let detail = format!("generation {current} is current and something is known of {generation}");
                found(Law::GenerationDisagrees, Some(index), detail);
            }
        }
    }
}

impl Field {
    fn read(name: &str) -> Option<Self> {
        if let Some(index) = name.strip_prefix('~') {
            return Some(Self::Progress(index.parse().ok()?));
        }
        if let Some(index) = name.strip_prefix("g:") {
            return Some(Self::Generation(index.parse().ok()?));
        }
        match name.split_once('@') {
            Some((index, generation)) => Some(Self::Record(index.parse().ok()?, generation.parse().ok()?)),
            None => Some(Self::Record(name.parse().ok()?, 0)),
        }
    }

    fn index(&self) -> u32 {
        match *self {
            Self::Record(index, _) | Self::Progress(index) | Self::Generation(index) => index,
        }
    }
}
