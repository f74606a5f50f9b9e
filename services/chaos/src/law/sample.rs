//! Sound books for the tests of the laws, small enough to break by hand: one order of two subtasks, the second after
//! the first, which a killed worker had to be run for twice.

use crate::books::Books;
use crate::fault::Kind;
use crate::ledger::effect::{Answer as Sink, Effect};
use crate::ledger::fault::Fault;
use crate::ledger::run::{End, Fence, Run};
use crate::ledger::sighting::{Ended, Sighting};
use crate::ledger::submission::{Answer, Cancel, Submission, Try};
use crate::options::Profile;
use crate::snapshot::Snapshot;
use crate::snapshot::facts::Facts;
use crate::snapshot::tasks::{Record, TaskBook};
use crate::workload::canary::Song;
use crate::workload::order::{Edge, Script};
use proto_schemas::OnFailure;
use std::collections::HashMap;

/// The task.
pub const TASK: &str = "T";

/// The books.
pub fn books() -> Books {
    let run = |index, crashes, fence, pid, from, end| Run {
        task_id: TASK.to_owned(),
        index,
        attempt: 1,
        crashes,
        fence: Fence(fence, 0),
        seq: 1,
        pid,
        worker: format!("worker-{pid}"),
        from,
        end,
    };
    let effect =
        |index, fence, at, answer| Effect { at, task_id: TASK.to_owned(), index, fence: Fence(fence, 0), answer };
    let accepted = Try { from: 100, to: 110, is_other_body: false, answer: Answer::Accepted(TASK.into()) };
    let sighting = |at, revision, ended| Sighting { reader: 1, task_id: TASK.into(), at, revision, ended };
    let fault = Fault {
        kind: Kind::KillWorker,
        targets: vec!["worker-1".to_owned()],
        pids: vec![1],
        from: 150,
        to: 900,
        hits: 1,
        lost_from: None,
        note: String::new(),
    };
    Books {
        profile: Profile::Always,
        submissions: vec![Submission {
            seq: 1,
            edges: vec![vec![], vec![Edge { parent: 0, on_failure: OnFailure::FailFast }]],
            scripts: vec![Script { failures: 0, is_fatal: false, max_attempts: 5, overruns: false }; 2],
            tries: vec![accepted],
            delay_ms: 0,
            deadline_ms: None,
            cancel: Cancel::Never,
        }],
        reopenings: Vec::new(),
        runs: vec![
            run(0, 0, 5, 1, 120, None),
            run(0, 1, 6, 2, 1_500, Some((1_600, End::Done))),
            run(1, 0, 7, 3, 1_700, Some((1_800, End::Done))),
        ],
        refused_outcomes: 0,
        effects: vec![
            effect(0, 5, 121, Sink::Opened),
            effect(0, 6, 1_501, Sink::Opened),
            effect(0, 6, 1_599, Sink::Applied),
            effect(1, 7, 1_701, Sink::Opened),
            effect(1, 7, 1_799, Sink::Applied),
        ],
        sightings: vec![sighting(115, 1, None), sighting(1_900, 4, Some(Ended::Completed))],
        faults: vec![fault],
        songs: vec![Song { from: 950, to: 1_000 }],
        healed_at: 2_000,
        unhealed: None,
        drained_ms: Some(100),
        audit: Vec::new(),
        tellings: Vec::new(),
        snapshot: snapshot(),
    }
}

fn snapshot() -> Snapshot {
    let record = |crashes| Record { outcome: "completed".to_owned(), attempt: 1, crashes, reason: String::new() };
    let book = TaskBook {
        order: Some((1, false)),
        status: "completed".to_owned(),
        total: 2,
        counters: [2, 0, 0],
        revision: 4,
        records: HashMap::from([(0, record(1)), (1, record(0))]),
        generations: HashMap::new(),
        winners: HashMap::from([(0, Fence(6, 0)), (1, Fence(7, 0))]),
    };
    let mut facts = Facts::default();
    for (line, seen_at) in [
        ("T - 0 created 0 0 api 1", 110),
        ("T 0 0 crashed 1 1 worker-2-2-x 2", 1_460),
        ("T 0 0 completed 1 1 worker-2-2-x 3", 1_650),
        ("T 1 0 completed 1 0 worker-3-3-x 4", 1_850),
    ] {
        facts.take(line, seen_at);
    }
    let tasks = HashMap::from([(TASK.to_owned(), book)]);
    Snapshot { tasks, facts, left: Vec::new(), entries_added: 3 }
}

/// What breaks sound books, by name.
pub type Harm<'a> = (&'a str, fn(&mut Books));

/// Whether the sound books pass and each of the breaks is found.
pub fn assert_breaks(check: fn(&Books) -> Vec<String>, breaks: &[Harm<'_>]) {
    assert_eq!(check(&books()), Vec::<String>::new(), "sound books");
    for (what, harm) in breaks {
        let mut broken = books();
        harm(&mut broken);
        assert!(!check(&broken).is_empty(), "not found: {what}");
    }
}
