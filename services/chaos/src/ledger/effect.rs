//! The log of the effect sink: every request and what the sink made of it.
//!
//! `<ms> <task> <index> <fence> <answer>`.

use super::run::Fence;
use crate::clock::Moment;

/// What the sink answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The run may go on: no later one is known.
    Opened,
    /// The effect took place, for the first time.
    Applied,
    /// An earlier run had the effect; nothing took place.
    Repeated,
    /// A later run is known: a zombie.
    Refused,
    /// The same run, or another under its fence, had the effect already: what must never be.
    Doubled,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// When.
    pub at: Moment,
    /// The task.
    pub task_id: String,
    /// The place in its plan.
    pub index: u32,
    /// The right of the run that asked.
    pub fence: Fence,
    /// What came of it.
    pub answer: Answer,
}

impl Answer {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Opened, "opened"),
        (Self::Applied, "applied"),
        (Self::Repeated, "repeated"),
        (Self::Refused, "refused"),
        (Self::Doubled, "doubled"),
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(answer, _)| *answer == self).map_or("", |(_, word)| word)
    }

    /// Reads the word.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == word).map(|(answer, _)| answer)
    }
}

impl Effect {
    /// The line as it is appended.
    pub fn encode(&self) -> String {
        let Self { at, task_id, index, fence, answer } = self;
        format!("{at} {task_id} {index} {fence} {}", answer.as_str())
    }

    /// Reads one line.
    pub fn decode(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [at, task_id, index, fence, answer] = words[..] else { return None };
        Some(Self {
            at: at.parse().ok()?,
            task_id: task_id.to_owned(),
            index: index.parse().ok()?,
            fence: Fence::read(fence)?,
            answer: Answer::read(answer)?,
        })
    }
}
