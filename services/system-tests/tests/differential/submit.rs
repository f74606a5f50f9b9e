//! `submit` against its law.

use crate::history::check;
use crate::snapshot::queues;
use crate::world::World;
use proto_schemas::{Door, Kind, Priority, SubtaskDefinition, TaskId, limit};
use redis_store::submit::{Admission, Submission, Submitted};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::Duration;
use task_core::law;

#[test]
fn submit_keeps_to_its_law() {
    check(call, &["submit Created", "submit Existing", "submit Overloaded"]);
}

#[test]
fn a_thousand_subtasks_are_stored_by_one_call() {
    let mut world = World::start(1);
    world.begin_history();
    let subtasks = (0..limit::SUBTASKS_MAX).map(|_| subtask(&mut world)).collect();
    let admission = Admission { backlog_max: 1_000, deadline: Duration::from_secs(600) };
    let submission = submission(&mut world, "t1", subtasks);
    assert_eq!(send(&mut world, &submission, admission), Submitted::Created);
    assert_eq!(send(&mut world, &submission, admission), Submitted::Existing);
    let more = self::submission(&mut world, "t2", submission.subtasks[..1].to_vec());
    let more = (0..4).map(|_| send(&mut world, &more, admission)).collect::<Vec<_>>();
    assert!(more.contains(&Submitted::Existing), "two queues share the thousand");
}

pub fn call(world: &mut World) {
    let subtasks = (0..world.pick([1, 2, 3, 6])).map(|_| subtask(world)).collect();
    let task_id = format!("t{}", world.random.u8(..12));
    let submission = submission(world, &task_id, subtasks);
    let backlog_max = world.pick([6, 12, 1_000]);
    let deadline = Duration::from_secs(world.pick([60, 604_800]));
    for _ in 0..world.sendings() {
        send(world, &submission, Admission { backlog_max, deadline });
    }
}

fn send(world: &mut World, submission: &Submission, admission: Admission) -> Submitted {
    let order = law::submit::Submission {
        task_id: submission.task_id.clone(),
        by: submission.by.clone(),
        fields: fields(submission),
        subtasks: submission.subtasks.clone(),
        backlog_max: admission.backlog_max,
        deadline_ms: admission.deadline.as_millis() as u64,
    };
    let answer = world.call(
        submission,
        async |store| store.submit(submission, admission).await,
        |books, moment| books.submit(moment, &order),
    );
    world.count(format!("submit {answer:?}"), 1);
    answer
}

fn fields(submission: &Submission) -> BTreeMap<String, String> {
    let Submission { task_id, description, door, priority, kind, context, subtasks, .. } = submission;
    let fields = [
        ("task_id", Some(task_id.to_string())),
        ("description", Some(description.clone())),
        ("door", Some(door.to_string())),
        ("priority", Some(priority.to_string())),
        ("kind", kind.as_ref().map(Kind::to_string)),
        ("context", context.clone()),
        ("subtasks", Some(serde_json::to_string(subtasks).unwrap())),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn submission(world: &mut World, task_id: &str, subtasks: Vec<SubtaskDefinition>) -> Submission {
    Submission {
        task_id: TaskId::new(task_id).unwrap(),
        by: world.consumer(),
        description: text(world),
        door: world.pick(Door::ALL.to_vec()),
        priority: world.pick(Priority::ALL.to_vec()),
        kind: world.pick([None, Some(Kind::new("k").unwrap())]),
        context: world.pick([None, Some("{\"a\": [1e2]}".to_owned())]),
        subtasks,
    }
}

fn subtask(world: &mut World) -> SubtaskDefinition {
    let params = world.pick(["{}", "{\"n\": 18446744073709551616, \"n\": 1.0}", "[1,\"a\\nb\"]"]);
    SubtaskDefinition {
        name: world.pick([None, Some("n".to_owned())]),
        kind: Kind::new(world.pick(["simulate", "k.2"])).unwrap(),
        queue: queues()[usize::from(world.random.u8(..4) == 0)].clone(),
        description: text(world),
        priority: world.pick(Priority::ALL.to_vec()),
        params: RawValue::from_string(params.to_owned()).unwrap(),
        max_attempts: world.random.u32(1..9),
        timeout_ms: world.pick([1, limit::TIMEOUT_MS_DEFAULT]),
    }
}

fn text(world: &mut World) -> String {
    world.pick(["a, \"b\"\n ünï", "", "%s %d {x}", "\u{0} nul"]).to_owned()
}
