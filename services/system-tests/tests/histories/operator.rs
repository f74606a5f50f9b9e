//! Operators and clients of the API: they cancel, replay and empty the dead letters, by what they saw a while ago.

use crate::passing;
use crate::world::{TASK_TTL, World};
use proto_schemas::{ConsumerName, Kind, Outcome, Priority, TaskId, WorkEntry};
use redis_store::Stream;
use redis_store::cancel::{CancelOrder, Cancelled};
use redis_store::dead_letters::Exhumed;
use redis_store::read::{StreamEntry, TaskView};
use redis_store::requeue::{RequeueItem, RequeueOrder, Requeued};
use std::time::Duration;
use task_core::replay::{Again, Selection, again, standing};

const DEADLINE: Duration = Duration::from_secs(86_400);
/// How many of the newest tasks are looked at, mostly.
const NEWEST: usize = 25;
/// What was seen is remembered for so many looks.
const VIEWS: usize = 8;

#[derive(Default)]
pub struct Operator {
    views: Vec<TaskView>,
}

impl Operator {
    /// Cancels a task, or what is past its deadline.
    pub async fn cancel(&mut self, world: &mut World, held: &[TaskId]) {
        let Some(task_id) = choose(world, held) else { return };
        let only_past = world.once_in(3);
        if only_past && world.once_in(2) && is_open(world, &task_id).await {
            passing::reach_deadline(world, &task_id);
        }
        let reason = only_past.then(|| Kind::new("deadline").unwrap());
        let (by, order) = (name(), CancelOrder { reason, task_ttl: TASK_TTL, only_past, if_revision: None });
        let what = format!("cancel {task_id} past {only_past}");
        let sent = world.send("cancel", &what, async |store| store.cancel(&by, &task_id, &order).await).await;
        for answer in &sent.answers {
            match answer {
                Cancelled::Cancelled(..) => {
                    world.tally.note("cancel cancelled");
                    world.tally.note_many("cancel while held", u64::from(held.contains(&task_id)));
                }
                Cancelled::Already(_) => world.tally.note("cancel already"),
                Cancelled::Early => world.tally.note("cancel early"),
                Cancelled::Changed => panic!("nobody asked for a revision of {task_id}"),
                Cancelled::Gone => panic!("{task_id} is gone"),
            }
        }
    }

    /// Replays a task that has ended, as it was seen now or a while ago.
    pub async fn replay(&mut self, world: &mut World, held: &[TaskId]) {
        let Some(task_id) = choose(world, held) else { return };
        let view = world.store.task(&task_id).await.unwrap().unwrap();
        self.views.push(view);
        let at = if world.once_in(2) { world.random.usize(..self.views.len()) } else { self.views.len() - 1 };
        let view = self.views[at].clone();
        if self.views.len() > VIEWS {
            self.views.remove(0);
        }
        if !view.task.status.is_terminal() {
            return;
        }
        let index = world.random.u32(..view.task.total);
        let selection = if world.once_in(2) { Selection::Rest } else { Selection::These(&[index]) };
        let items = again(&view.task.subtasks, &view.outcomes, selection);
        let requeued = requeue(world, &view, &items, None).await;
        world
            .tally
            .note_many("requeue requeued", requeued.iter().filter(|one| **one == Requeued::Requeued).count() as u64);
        world.tally.note_many("requeue gone", requeued.iter().filter(|one| **one == Requeued::Gone).count() as u64);
    }

    /// Gives a dead letter back, or throws it away.
    pub async fn empty_letters(&mut self, world: &mut World) {
        let page = world.store.dead_letters_page("+", 50).await.unwrap();
        if page.is_empty() {
            return;
        }
        let is_nobodys = |letter: &&StreamEntry| decode(letter).is_ok_and(|entry| !world.ledger.knows(&entry));
        let nobodys: Vec<StreamEntry> = page.iter().filter(is_nobodys).cloned().collect();
        let letter = if nobodys.is_empty() || !world.once_in(3) { world.pick(&page) } else { world.pick(&nobodys) };
        if world.once_in(6) {
            let ids = [letter.entry_id];
            let sent = world.send("discard", "discard", async |store| store.discard_dead_letters(&ids).await).await;
            return world.tally.note_many("letter discarded", sent.answers.iter().sum());
        }
        let Ok(entry) = decode(&letter) else { return exhume(world, &letter).await };
        if !world.ledger.knows(&entry) {
            return exhume(world, &letter).await;
        }
        let view = world.store.task(&entry.task_id).await.unwrap().unwrap();
        let standing = standing(&view.outcomes, entry.index);
        let has_failed = standing.record.is_some_and(|record| record.outcome != Outcome::Completed);
        if standing.generation != entry.generation || !has_failed {
            return world.tally.note("letter gone");
        }
        let items = again(&view.task.subtasks, &view.outcomes, Selection::These(&[entry.index]));
        let requeued = requeue(world, &view, &items, Some(&letter.entry_id)).await;
        if requeued.contains(&Requeued::Requeued) {
            assert_gone(world, &letter).await;
        }
        for answer in requeued {
            world.tally.note(if answer == Requeued::Requeued { "letter requeued" } else { "letter gone" });
        }
    }
}

async fn requeue(world: &mut World, view: &TaskView, items: &[Again], letter_id: Option<&str>) -> Vec<Requeued> {
    let task_id = &view.task.task_id;
    let item = |again: &Again| {
        let definition = &view.task.subtasks[again.index as usize];
        let entry = definition.first_attempt(task_id, again.index).unwrap();
        RequeueItem { entry, generation: again.generation, definition, edges: again.edges.clone() }
    };
    let items: Vec<RequeueItem> = items.iter().map(item).collect();
    if items.is_empty() {
        return Vec::new();
    }
    let named: Vec<String> = items.iter().map(|item| format!("{}@{}", item.entry.index, item.generation)).collect();
    let order = RequeueOrder { task_id, deadline: DEADLINE, items, dead_letter: letter_id };
    let (by, what) = (name(), format!("requeue {task_id} {}", named.join(" ")));
    world.send("requeue", &what, async |store| store.requeue(&by, &order).await).await.answers
}

async fn exhume(world: &mut World, letter: &StreamEntry) {
    let source = letter.fields.iter().find(|(name, _)| name == "source").map(|(_, text)| text.as_str());
    let Some(stream) = source.and_then(|text| Stream::of_key(text.split(' ').next()?)) else { return };
    let what = format!("exhume {}", letter.entry_id);
    let sent = world.send("exhume", &what, async |store| store.exhume(&letter.entry_id, &stream).await).await;
    if sent.answers.contains(&Exhumed::Exhumed) {
        assert_gone(world, letter).await;
    }
    for exhumed in &sent.answers {
        world.tally.note(match exhumed {
            Exhumed::Exhumed => "letter exhumed",
            Exhumed::Gone => "letter gone",
            Exhumed::Unfit => "letter unfit",
        });
    }
}

/// What was given back is no letter any more: nobody gives it back once more.
async fn assert_gone(world: &mut World, letter: &StreamEntry) {
    let found = world.store.dead_letter(&letter.entry_id).await.unwrap();
    assert!(found.is_none(), "{} was given back and is still there", letter.entry_id);
}

/// The entry behind the four fields of a letter's own.
fn decode(letter: &StreamEntry) -> Result<WorkEntry, proto_schemas::EntryError> {
    let fields = letter.fields.iter().skip(4).map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    WorkEntry::decode(fields, Priority::Medium)
}

/// A task: one whose work somebody holds, or mostly one of the newest.
fn choose(world: &mut World, held: &[TaskId]) -> Option<TaskId> {
    let held: Vec<TaskId> = held.iter().filter(|task_id| world.ledger.tasks.contains_key(task_id)).cloned().collect();
    if !held.is_empty() && world.once_in(2) {
        return Some(world.pick(&held));
    }
    let count = world.ledger.created.len();
    let among = if world.once_in(8) { count } else { count.min(NEWEST) };
    (among > 0).then(|| world.ledger.created[count - 1 - world.random.usize(..among)].clone())
}

async fn is_open(world: &World, task_id: &TaskId) -> bool {
    !world.store.task(task_id).await.unwrap().unwrap().task.status.is_terminal()
}

fn name() -> ConsumerName {
    ConsumerName::new("operator").unwrap()
}
