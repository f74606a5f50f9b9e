//! How a state becomes books, and what is left of books as a state.

use crate::race::{PLANS, task_id};
use crate::state::{Blocked, GENERATIONS, It, Lease, SUBTASKS, State, Told};
use proto_schemas::{ConsumerName, Fact, FactKind, OnFailure, Outcome, Priority, QueueName, Record};
use std::collections::BTreeMap;
use task_core::TaskState;
use task_core::law::body::{pack, unpack};
use task_core::law::identity::{identify, read_lines};
use task_core::law::{Books, Dependencies, EntryId, Fields, Moment, Pending, Stream, StreamName, TaskBook};

/// When everything happens.
pub const NOW_MS: u64 = 1_000;
/// When what waits will be due, if it is not chosen to be.
const LATER_MS: u64 = 9_000;

/// A state as books, and who among the workers has which of its entries.
pub struct Stage {
    pub books: Books,
    /// What each worker believes to hold, by entry.
    pub held: BTreeMap<EntryId, It>,
    /// The entries of the state's work and of its log, in its order.
    pub work_ids: Vec<EntryId>,
    pub log_ids: Vec<EntryId>,
    pub zombies: u8,
}

pub fn work() -> StreamName {
    StreamName::Work(QueueName::default_queue(), Priority::Medium)
}

pub fn worker() -> ConsumerName {
    ConsumerName::new("w").unwrap()
}

pub fn moment() -> Moment {
    Moment::at(NOW_MS)
}

impl Stage {
    /// Nothing at all.
    pub fn empty() -> Self {
        let (work_ids, log_ids, zombies) = Default::default();
        Self { books: Books::default(), held: BTreeMap::new(), work_ids, log_ids, zombies }
    }

    /// Lays a state out.
    pub fn set(state: &State) -> Self {
        let mut stage = Self { zombies: state.zombies, ..Self::empty() };
        let books = &mut stage.books;
        let mut task = TaskBook::new(BTreeMap::new(), u32::from(SUBTASKS), NOW_MS, LATER_MS);
        task.state = TaskState::recount(kept(state), NOW_MS);
        task.has_generations = !task.state.generations.is_empty();
        books.tasks.insert(task_id(), task);
        for it in &state.delayed {
            let member = format!("t-{}", it.index);
            books.delayed.insert(member.clone(), LATER_MS);
            books.bodies.insert(member, pack(&QueueName::default_queue(), &fields(*it)));
        }
        books.plans.extend(plan(state).map(|plan| (task_id(), plan)));
        for (lease, it) in &state.work {
            let id = stage.add(&work(), fields(*it), *lease != Lease::Unread);
            stage.work_ids.push(id);
            if *lease == Lease::Held {
                stage.held.insert(id, *it);
            }
        }
        for told in &state.log {
            let id = stage.add(&StreamName::Events, vec![(b"facts".to_vec(), line(told).into_bytes())], true);
            stage.log_ids.push(id);
        }
        stage
    }

    fn add(&mut self, name: &StreamName, fields: Fields, is_pending: bool) -> EntryId {
        self.books.create_group(name);
        let id = self.books.append(&mut Moment::at(1), name, fields);
        if is_pending {
            let group = self.books.streams.get_mut(name).and_then(|stream| stream.group.as_mut()).unwrap();
            group.delivered_id = id;
            group.pending.insert(id, Pending { consumer: worker(), since_ms: NOW_MS, deliveries: 1 });
        }
        id
    }

    /// What is left of the books; `before` says what no book keeps.
    pub fn strike(self, before: &State) -> State {
        let Self { books, held, mut zombies, .. } = self;
        let (state, empty) = (&books.tasks[&task_id()].state, Stream::default());
        let mut after = State { ..before.clone() };
        (after.work, after.log, after.delayed) = (Vec::new(), Vec::new(), Vec::new());
        let stream = books.streams.get(&work()).unwrap_or(&empty);
        let pending = |id: &EntryId| stream.group.as_ref().is_some_and(|group| group.pending.contains_key(id));
        for (id, fields) in &stream.entries {
            let lease = match pending(id) {
                true if held.contains_key(id) => Lease::Held,
                true => Lease::Orphan,
                false => Lease::Unread,
            };
            after.work.push((lease, read(fields)));
        }
        zombies += held.keys().filter(|id| !stream.entries.contains_key(id)).count() as u8;
        after.zombies = zombies;
        after.delayed = books.bodies.values().map(|body| read(&unpack(body).unwrap().1)).collect();
        let plan = books.plans.get(&task_id());
        after.blocked = plan.map(|plan| plan.blocked.iter().map(|(index, body)| blocked(plan, *index, body)).collect());
        after.edges = plan.map(|plan| plan.edges.keys().map(|index| *index as u8).collect()).unwrap_or_default();
        after.log = unfolded(&books);
        keep_one_line(&mut after.log);
        for index in 0..SUBTASKS {
            after.generations[index as usize] = state.generation(u32::from(index)) as u8;
            for generation in 0..GENERATIONS {
                let record = state.records.get(&(u32::from(index), u32::from(generation)));
                let kept = record.map(|record| (record.outcome.into(), record.attempt == 0));
                after.records[index as usize][generation as usize] = kept;
            }
        }
        after.work.sort_unstable();
        after.delayed.sort_unstable();
        after.log.sort_unstable();
        after.broken = after.broken.or_else(|| broken(before, &after, state));
        after
    }
}

/// What a step broke that its outcome alone does not show.
fn broken(before: &State, after: &State, state: &TaskState) -> Option<&'static str> {
    let was_replaced =
        (0..SUBTASKS as usize).flat_map(|index| (0..GENERATIONS as usize).map(move |at| (index, at))).any(
            |(index, at)| before.records[index][at].is_some() && before.records[index][at] != after.records[index][at],
        );
    let sums = |state: &TaskState| (state.completed, state.failed, state.cancelled, state.status.is_terminal());
    let counted = TaskState::recount(state.clone(), NOW_MS);
    match () {
        () if was_replaced => Some("a record was replaced"),
        () if sums(state) != sums(&counted) => Some("the counters are not the histogram of the records"),
        () if state.status.is_terminal() && after.blocked.is_some() => Some("a plan outlived its task"),
        () => None,
    }
}

/// Of the lines in which a cancel tells the log what it recorded, one may be late and the others are folded at once:
/// all of them are about records that stand.
fn keep_one_line(log: &mut Vec<Told>) {
    let kept = log.iter().filter(|told| told.is_outside).min().copied();
    log.retain(|told| !told.is_outside);
    log.extend(kept);
}

/// The terminal facts that no projector has acknowledged, one for each index. What other facts tell changes no law.
fn unfolded(books: &Books) -> Vec<Told> {
    let Some(log) = books.streams.get(&StreamName::Events) else { return Vec::new() };
    let is_folded = |id: &EntryId| {
        log.group.as_ref().is_some_and(|group| *id <= group.delivered_id && !group.pending.contains_key(id))
    };
    let facts = log.entries.iter().filter(|(id, _)| !is_folded(id)).flat_map(|(_, told)| read_lines(told));
    let mut unfolded = Vec::new();
    for fact in facts.map(Result::unwrap) {
        if let Some(Record { outcome, .. }) = Record::of(&fact) {
            let (generation, outcome, is_outside) = (fact.generation as u8, outcome.into(), fact.attempt == 0);
            let told = |index| Told { index: index as u8, generation, outcome, is_outside };
            unfolded.extend(fact.indexes().map(told));
        }
    }
    unfolded
}

fn kept(state: &State) -> TaskState {
    let mut kept = TaskState::new(u32::from(SUBTASKS), NOW_MS);
    for index in 0..SUBTASKS {
        let current = state.generations[index as usize];
        if current > 0 {
            kept.generations.insert(u32::from(index), u32::from(current));
        }
        for generation in 0..GENERATIONS {
            if let Some((word, is_outside)) = state.records[index as usize][generation as usize] {
                let (outcome, attempt) = (word.into(), u32::from(!is_outside));
                let record = Record { outcome, attempt, crashes: 0, at_ms: NOW_MS, reason: None };
                kept.records.insert((u32::from(index), u32::from(generation)), record);
            }
        }
    }
    kept
}

fn plan(state: &State) -> Option<Dependencies> {
    let mut plan = Dependencies { queues: [QueueName::default_queue()].into(), ..Dependencies::default() };
    for blocked in state.blocked.as_ref()? {
        let index = u32::from(blocked.it.index);
        plan.blocked.insert(index, pack(&QueueName::default_queue(), &fields(blocked.it)));
        plan.waits.insert(index, blocked.waits.iter().map(|parent| u32::from(*parent)).collect());
    }
    plan.edges = state.edges.iter().map(|parent| (u32::from(*parent), edges(state.plan, *parent))).collect();
    Some(plan)
}

/// Who depends on `parent` in a plan.
pub fn edges(plan: u8, parent: u8) -> Vec<(u32, OnFailure)> {
    let edges = PLANS[plan as usize].iter().filter(|(from, _, _)| *from == parent);
    edges.map(|(_, child, on_failure)| (u32::from(*child), *on_failure)).collect()
}

fn blocked(plan: &Dependencies, index: u32, body: &[u8]) -> Blocked {
    let mut waits: Vec<u8> = plan.waits[&index].iter().map(|parent| *parent as u8).collect();
    waits.sort_unstable();
    Blocked { it: read(&unpack(body).unwrap().1), waits }
}

fn fields(it: It) -> Fields {
    let It { index, generation, attempt, crashes } = it;
    let numbers = [("index", index), ("generation", generation), ("attempt", attempt), ("crashes", crashes)];
    let texts = [("task_id", "t".to_owned()), ("subtask_id", format!("t-{index}")), ("description", String::new())];
    let all = texts.into_iter().chain(numbers.map(|(name, number)| (name, number.to_string())));
    all.map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes())).collect()
}

fn read(fields: &Fields) -> It {
    let it = identify(fields).known().unwrap();
    let (index, generation) = (it.index as u8, it.generation as u8);
    It { index, generation, attempt: it.attempt as u8, crashes: it.crashes as u8 }
}

fn line(told: &Told) -> String {
    let Told { index, generation, outcome, is_outside } = *told;
    let it = It { index, generation, attempt: u8::from(!is_outside), crashes: 0 };
    fact(it, Outcome::from(outcome).as_str()).encode()
}

/// What a worker says of an attempt.
pub fn fact(it: It, word: &str) -> Fact {
    Fact {
        task_id: task_id(),
        index: Some(u32::from(it.index)),
        last: None,
        generation: u32::from(it.generation),
        kind: word.parse::<FactKind>().unwrap(),
        attempt: u32::from(it.attempt),
        crashes: u32::from(it.crashes),
        worker: worker(),
        at_ms: NOW_MS,
        reason: None,
    }
}
