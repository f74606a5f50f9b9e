//! What may happen next: every step of two workers, of projectors, of a reaper and a promoter, and of a client.

use crate::stage::{Stage, moment, worker};
use crate::state::{Lease, SUBTASKS, State, Told, Word};
use crate::{step, truth};
use proto_schemas::{Kind, OnFailure, Parent, Priority, SubtaskDefinition, TaskId};
use stateright::{Model, Property};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use task_core::law::submit::{Start, Submission, Submitted};

/// Workers, each with one slot.
const WORKERS: usize = 2;
const ATTEMPTS_MAX: u8 = 2;
/// How much may go wrong in one history.
const TROUBLES_MAX: u8 = 2;
/// The edges of the plans that are searched: parent, child, what becomes of the child if the parent does not complete.
pub const PLANS: [&[(u8, u8, OnFailure)]; 2] =
    [&[(0, 1, OnFailure::Skip), (1, 2, OnFailure::Continue)], &[(0, 2, OnFailure::Skip), (1, 2, OnFailure::FailFast)]];

/// The only task.
pub fn task_id() -> TaskId {
    TaskId::new("t").unwrap()
}

/// Something that a state does not show.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    LateZombie,
    Claim,
    Duplicate,
    LostReply,
    Burial,
    Dropped,
    NotHandedBack,
}

/// The model, and how often each event was met on the way.
#[derive(Default)]
pub struct Race {
    seen: [AtomicU64; 7],
}

/// One step. Numbers are places in the lists of the state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    Lease(usize),
    Die(usize),
    Settle {
        at: usize,
        outcome: Word,
        is_lost: bool,
    },
    Retry {
        at: usize,
        is_lost: bool,
    },
    HandBack {
        at: usize,
        park_ms: u64,
    },
    Bury(usize),
    /// A worker does all that it could with what it does not have any more.
    ActLate,
    Reap(usize),
    Promote(usize),
    Fold(usize),
    FoldAgain(usize),
    FoldAll,
    Cancel,
    RequeueOne(u8),
    RequeueAll,
}

impl Action {
    /// Whether something goes wrong with it: a lease runs out, an attempt fails and is to be repeated, an entry is
    /// given back, a reply is lost, a fact is folded twice.
    fn is_trouble(self) -> bool {
        match self {
            Self::Reap(_) | Self::Retry { .. } | Self::HandBack { .. } | Self::FoldAgain(_) => true,
            Self::Settle { is_lost, .. } => is_lost,
            _ => false,
        }
    }
}

impl Race {
    /// Notes that something happened.
    pub fn witness(&self, event: Event) {
        self.seen[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it happened.
    pub fn has_seen(&self, event: Event) -> bool {
        self.seen[event as usize].load(Ordering::Relaxed) > 0
    }

    /// How often each event happened, in their order.
    pub fn witnesses(&self) -> [u64; 7] {
        std::array::from_fn(|at| self.seen[at].load(Ordering::Relaxed))
    }
}

impl Model for Race {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        (0..PLANS.len() as u8).map(submitted).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (at, (lease, it)) in state.work.iter().enumerate() {
            match lease {
                Lease::Unread if state.busy() < WORKERS => actions.push(Action::Lease(at)),
                Lease::Unread => {}
                Lease::Orphan => actions.push(Action::Reap(at)),
                Lease::Held => {
                    actions.extend([Action::Die(at), Action::Reap(at), Action::Bury(at)]);
                    for (outcome, is_lost) in [(Word::Completed, false), (Word::Completed, true), (Word::Failed, false)]
                    {
                        actions.push(Action::Settle { at, outcome, is_lost });
                    }
                    if it.attempt < ATTEMPTS_MAX {
                        actions.extend([false, true].map(|is_lost| Action::Retry { at, is_lost }));
                    }
                    actions.extend([0, 1].map(|park_ms| Action::HandBack { at, park_ms }));
                }
            }
        }
        actions.extend((state.zombies > 0).then_some(Action::ActLate));
        actions.extend((0..state.delayed.len()).map(Action::Promote));
        for (at, told) in state.log.iter().enumerate() {
            actions.push(Action::Fold(at));
            actions.extend(is_news(state, told).then_some(Action::FoldAgain(at)));
        }
        actions.extend((state.log.len() > 1).then_some(Action::FoldAll));
        if !state.was_cancelled && !state.has_ended() {
            actions.push(Action::Cancel);
        }
        let ended = (0..SUBTASKS).filter(|index| !state.was_requeued && state.record(*index).is_some());
        let ended: Vec<u8> = ended.collect();
        actions.extend(ended.iter().map(|index| Action::RequeueOne(*index)));
        actions.extend((ended.len() > 1).then_some(Action::RequeueAll));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let troubles = state.troubles + u8::from(action.is_trouble());
        let goes_on = state.broken.is_none() && troubles <= TROUBLES_MAX;
        goes_on.then(|| State { troubles, ..step::take(self, state, action) })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        truth::properties()
    }
}

/// Whether a fact would move a counter.
fn is_news(state: &State, told: &Told) -> bool {
    state.generations[told.index as usize] == told.generation && state.record(told.index).is_none()
}

/// One of the subtasks of a plan.
pub fn definition(plan: u8, index: u8) -> SubtaskDefinition {
    let mut definition = SubtaskDefinition::new(Kind::new("k").unwrap(), "", Priority::Medium);
    let parents = PLANS[plan as usize].iter().filter(|(_, child, _)| *child == index);
    let parent = |&(parent, _, on_failure): &(u8, u8, OnFailure)| Parent {
        name: Kind::new("p").unwrap(),
        index: u32::from(parent),
        on_failure,
    };
    definition.depends_on = parents.map(parent).collect();
    definition
}

/// Whether `child` cannot run again without `parent`, because that ended and did not complete.
pub fn needs(state: &State, child: u8, parent: u8) -> bool {
    let has_failed = state.record(parent).is_some_and(|(outcome, _)| outcome != Word::Completed);
    let edges = PLANS[state.plan as usize].iter();
    has_failed && edges.filter(|edge| (edge.0, edge.1) == (parent, child)).any(|edge| edge.2 != OnFailure::Continue)
}

/// A plan that was just accepted.
fn submitted(plan: u8) -> State {
    let mut stage = Stage::empty();
    let order = Submission {
        task_id: task_id(),
        by: worker(),
        fields: BTreeMap::new(),
        subtasks: (0..SUBTASKS).map(|index| definition(plan, index)).collect(),
        start: Start::Now,
        deadline_ms: 9_000,
        has_deadline: false,
        idempotency: None,
        backlog_max: 9,
    };
    assert_eq!(stage.books.submit(&mut moment(), &order), Submitted::Created);
    stage.strike(&State { plan, ..State::default() })
}
