//! `submit` against its law.

use crate::history::check;
use crate::snapshot::queues;
use crate::world::World;
use proto_schemas::{Door, Kind, OnFailure, Parent, Priority, SubtaskDefinition, TaskId, limit};
use redis_store::submit::{Admission, Idempotency, Start, Submission, Submitted};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::Duration;
use task_core::law;

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn submit_keeps_to_its_law() {
    check(
        call,
        &[
            "submit Created",
            "submit Existing",
            "submit Conflict",
            "submit Overloaded",
            "submit for later",
            "submit with dependencies",
        ],
    );
}

#[test]
fn a_thousand_subtasks_are_stored_by_one_call() {
    let mut world = World::start(1);
    world.begin_history();
    let subtasks = (0..limit::SUBTASKS_MAX).map(|_| subtask(&mut world)).collect();
    let admission = Admission { backlog_max: 1_000, deadline: Duration::from_secs(600) };
    let submission = submission(&mut world, "t1", subtasks);
    assert_eq!(send(&mut world, &submission, admission), Submitted::Created);
    assert_eq!(send(&mut world, &submission, admission), Submitted::Existing(submission.task_id.clone()));
    let more = self::submission(&mut world, "t2", submission.subtasks[..1].to_vec());
    let more = (0..4).map(|_| send(&mut world, &more, admission)).collect::<Vec<_>>();
    assert!(more.contains(&Submitted::Existing("t2".parse().unwrap())), "two queues share the thousand");
}

pub fn call(world: &mut World) {
    let mut subtasks: Vec<SubtaskDefinition> = (0..world.pick([1, 2, 3, 6])).map(|_| subtask(world)).collect();
    if world.random.bool() {
        subtasks.iter_mut().enumerate().for_each(|(index, subtask)| subtask.depends_on = parents(world, index as u32));
    }
    let task_id = format!("t{}", world.random.u8(..12));
    let mut submission = submission(world, &task_id, subtasks);
    let now_ms = world.now_ms();
    let later = [Start::Now, Start::After(HOUR), Start::At(now_ms + 3_600_000), Start::At(1), Start::After(HOUR / 2)];
    submission.start = if world.random.u8(..3) == 0 { world.pick(later) } else { Start::Now };
    submission.deadline = world.pick([None, None, Some(HOUR)]);
    submission.idempotency = world.random.u8(..4).eq(&0).then(|| idempotency(world));
    let backlog_max = world.pick([6, 12, 1_000]);
    let deadline = Duration::from_secs(world.pick([60, 604_800]));
    for _ in 0..world.sendings() {
        send(world, &submission, Admission { backlog_max, deadline });
    }
}

fn send(world: &mut World, submission: &Submission, admission: Admission) -> Submitted {
    let order = lawful(submission, admission);
    let answer = world.call(
        submission,
        async |store| store.submit(submission, admission).await,
        |books, moment| books.submit(moment, &order),
    );
    world.count(format!("submit {answer:?}").split('(').next().unwrap(), 1);
    let is_new = answer == Submitted::Created;
    world.count("submit for later", u64::from(is_new && world.books.tasks[&order.task_id].run_at_ms.is_some()));
    world.count("submit with dependencies", u64::from(is_new && world.books.plans.contains_key(&order.task_id)));
    answer
}

fn lawful(submission: &Submission, admission: Admission) -> law::submit::Submission {
    law::submit::Submission {
        task_id: submission.task_id.clone(),
        by: submission.by.clone(),
        fields: fields(submission),
        subtasks: submission.subtasks.clone(),
        start: match submission.start {
            Start::Now => law::submit::Start::Now,
            Start::After(delay) => law::submit::Start::After(delay.as_millis() as u64),
            Start::At(ms) => law::submit::Start::At(ms),
        },
        deadline_ms: submission.deadline.unwrap_or(admission.deadline).as_millis() as u64,
        has_deadline: submission.deadline.is_some(),
        idempotency: submission
            .idempotency
            .clone()
            .map(|it| law::submit::Idempotency { key: (it.client, it.key), fingerprint: it.fingerprint }),
        backlog_max: admission.backlog_max,
    }
}

fn idempotency(world: &mut World) -> Idempotency {
    let (key, fingerprint) = (world.pick(["k:1", "k 2", "ü"]), world.pick(["f", "f", "g"]));
    Idempotency { client: "anonymous".to_owned(), key: key.to_owned(), fingerprint: fingerprint.to_owned() }
}

fn fields(submission: &Submission) -> BTreeMap<String, String> {
    let Submission { task_id, description, door, priority, kind, context, subtasks, .. } = submission;
    let mut kinds: Vec<String> = Vec::new();
    for subtask in subtasks.iter().map(|subtask| subtask.kind.to_string()) {
        if !kinds.contains(&subtask) {
            kinds.push(subtask);
        }
    }
    let fields = [
        ("task_id", Some(task_id.to_string())),
        ("description", Some(description.clone())),
        ("door", Some(door.to_string())),
        ("priority", Some(priority.to_string())),
        ("kind", kind.as_ref().map(Kind::to_string)),
        ("context", context.clone()),
        ("subtasks", Some(serde_json::to_string(subtasks).unwrap())),
        ("kinds", Some(kinds.join(" "))),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn submission(world: &mut World, task_id: &str, subtasks: Vec<SubtaskDefinition>) -> Submission {
    Submission {
        door: world.pick(Door::ALL.to_vec()),
        priority: world.pick(Priority::ALL.to_vec()),
        kind: world.pick([None, Some(Kind::new("k").unwrap())]),
        context: world.pick([None, Some("{\"a\": [1e2]}".to_owned())]),
        ..Submission::new(TaskId::new(task_id).unwrap(), world.consumer(), text(world), subtasks)
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
        backoff_base_ms: world.pick([1, limit::BACKOFF_BASE_MS]),
        backoff_cap_ms: world.pick([0, limit::BACKOFF_CAP_MS]),
        depends_on: Vec::new(),
    }
}

/// Some of those before it.
fn parents(world: &mut World, index: u32) -> Vec<Parent> {
    let policies: [OnFailure; 2] = [world.pick(OnFailure::ALL.to_vec()), world.pick(OnFailure::ALL.to_vec())];
    let mut parents = Vec::new();
    for parent in 0..index {
        if world.random.bool() {
            let on_failure = world.pick(policies);
            parents.push(Parent { name: Kind::new(format!("n.{parent}")).unwrap(), index: parent, on_failure });
        }
    }
    world.random.shuffle(&mut parents);
    parents
}

fn text(world: &mut World) -> String {
    world.pick(["a, \"b\"\n ünï", "", "%s %d {x}", "\u{0} nul"]).to_owned()
}
