//! A client that submits: new tasks, the same again, its key for the same and for something else.

use crate::plan;
use crate::world::World;
use proto_schemas::{ConsumerName, TaskId};
use redis_store::submit::{Admission, Idempotency, Start, Submission, Submitted};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(86_400);
const DELAYS: [Duration; 2] = [Duration::ZERO, Duration::from_secs(3_600)];

#[derive(Default)]
pub struct Client {
    sent: Vec<Submission>,
}

impl Client {
    /// Submits something, new or not.
    pub async fn submit(&mut self, world: &mut World) {
        let submission = self.choose(world);
        let is_tight = world.once_in(12);
        let admission = Admission { backlog_max: if is_tight { 0 } else { 1_000_000 }, deadline: DEADLINE };
        let what = format!("submit {} of {}", submission.task_id, submission.subtasks.len());
        let sent = world.send("submit", &what, async |store| store.submit(&submission, admission).await).await;
        for answer in &sent.answers {
            world.ledger.submitted(&submission, answer, is_tight);
            world.tally.note(match answer {
                Submitted::Created => "submit created",
                Submitted::Existing(_) => "submit existing",
                Submitted::Conflict => "submit conflict",
                Submitted::Overloaded => "submit overloaded",
            });
        }
        self.sent.push(submission);
    }

    fn choose(&self, world: &mut World) -> Submission {
        let before = if self.sent.is_empty() { None } else { Some(world.pick(&self.sent)) };
        match (world.random.u32(..14), before) {
            (0, Some(before)) => before,
            // As after a crash of the orchestrator between its answer and the client: another id, the same request.
            (1, Some(before)) if before.idempotency.is_some() => Submission { task_id: new_id(world), ..before },
            (2, Some(before)) if before.idempotency.is_some() => {
                let other =
                    before.idempotency.map(|it| Idempotency { fingerprint: format!("{}x", it.fingerprint), ..it });
                Submission { idempotency: other, ..new(world) }
            }
            _ => new(world),
        }
    }
}

fn new(world: &mut World) -> Submission {
    let (task_id, subtasks) = (new_id(world), plan::random(world));
    let key = format!("key-{task_id}");
    let idempotency = Idempotency { client: "anonymous".to_owned(), key, fingerprint: "f".to_owned() };
    Submission {
        start: if world.once_in(5) { Start::After(world.pick(&DELAYS)) } else { Start::Now },
        deadline: world.once_in(4).then_some(DEADLINE),
        idempotency: world.once_in(3).then_some(idempotency),
        ..Submission::new(task_id, ConsumerName::new("client").unwrap(), "a task".to_owned(), subtasks)
    }
}

/// Ids of this world are short, so that a failure can be read.
fn new_id(world: &mut World) -> TaskId {
    TaskId::new(world.name("t").as_str()).unwrap()
}
