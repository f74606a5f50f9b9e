//! What a state is: what is left of books, workers and log once names, times and the order of equals are taken away.

use proto_schemas::Outcome;

/// Subtasks of the plan.
pub const SUBTASKS: u8 = 3;
/// Generations that are searched.
pub const GENERATIONS: u8 = 2;

/// An attempt, as its entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct It {
    pub index: u8,
    pub generation: u8,
    pub attempt: u8,
    pub crashes: u8,
}

/// Who has a work entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lease {
    /// A worker that runs it.
    Held,
    /// A worker that is dead.
    Orphan,
    /// Nobody yet.
    Unread,
}

/// A fact that ends something and that no projector has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Told {
    pub index: u8,
    pub generation: u8,
    pub outcome: Word,
    /// Told by a cancel, whose records stand already.
    pub is_outside: bool,
}

/// How something ended; ordered, as states are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Word {
    Completed,
    Failed,
    Cancelled,
}

/// A subtask that waits for others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blocked {
    pub it: It,
    pub waits: Vec<u8>,
}

/// One state. All lists are sorted, so that the two workers, and facts told in another order, make no difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// Which plan is searched; see `race::PLANS`.
    pub plan: u8,
    /// The entries of the work stream; those that were delivered stand first.
    pub work: Vec<(Lease, It)>,
    /// How many workers run what they do not have any more: a lease ran out, or a reply was lost. Which attempt it is
    /// makes no difference as long as they are powerless, and that is what is checked.
    pub zombies: u8,
    /// What waits for its time.
    pub delayed: Vec<It>,
    /// Who waits for others; `None` once there is no plan any more.
    pub blocked: Option<Vec<Blocked>>,
    /// Whose dependants the plan names.
    pub edges: Vec<u8>,
    /// The log.
    pub log: Vec<Told>,
    /// Current generations.
    pub generations: [u8; SUBTASKS as usize],
    /// Records by index and generation, and whether they came from outside, as a cancel does.
    pub records: [[Option<(Word, bool)>; GENERATIONS as usize]; SUBTASKS as usize],
    /// Of which index and generation a worker or reaper was told that its outcome counts; a bit each.
    pub answered: u8,
    /// How much has gone wrong so far.
    pub troubles: u8,
    /// Whether a client has cancelled.
    pub was_cancelled: bool,
    /// Whether a client has asked for another run.
    pub was_requeued: bool,
    /// What a transition broke, if it broke anything that a state alone does not show.
    pub broken: Option<&'static str>,
}

impl From<Outcome> for Word {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Completed => Self::Completed,
            Outcome::Failed => Self::Failed,
            Outcome::Cancelled => Self::Cancelled,
        }
    }
}

impl From<Word> for Outcome {
    fn from(word: Word) -> Self {
        match word {
            Word::Completed => Self::Completed,
            Word::Failed => Self::Failed,
            Word::Cancelled => Self::Cancelled,
        }
    }
}

impl It {
    /// Its bit in [`State::answered`].
    pub fn bit(self) -> u8 {
        1 << (self.index * GENERATIONS + self.generation)
    }
}

impl State {
    /// How an index ended in its current generation.
    pub fn record(&self, index: u8) -> Option<(Word, bool)> {
        self.records[index as usize][self.generations[index as usize] as usize]
    }

    /// Whether every subtask has ended.
    pub fn has_ended(&self) -> bool {
        (0..SUBTASKS).all(|index| self.record(index).is_some())
    }

    /// How many workers are busy.
    pub fn busy(&self) -> usize {
        usize::from(self.zombies) + self.work.iter().filter(|(lease, _)| *lease == Lease::Held).count()
    }
}
