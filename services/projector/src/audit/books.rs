//! The books of one task: records against counters, counters against status, status against indexes, and a token for
//! each subtask that has not ended.

use super::findings::Findings;
use super::law::{Law, Violation};
use super::tokens::{Held, Tokens};
use proto_schemas::{Outcome, Progress, Record, Task, TaskStatus};
use redis_store::read::{IndexPlace, TaskView};
use std::collections::HashMap;
use task_core::fold::final_status;

/// How the subtasks ended that have; `None` where a record cannot be read.
type Ended = HashMap<u32, Option<Outcome>>;

/// Checks one task. Only generation 0 has books yet.
pub(crate) fn check(view: &TaskView, place: &IndexPlace, tokens: &mut Tokens, findings: &mut Findings) {
    let TaskView { task, outcomes } = view;
    let mut found = |law, index: Option<u32>, detail: String| {
        let violation = Violation { law, task_id: Some(task.task_id.clone()), index, detail };
        findings.found(violation, task.revision);
    };
    if task.subtasks.len() != task.total as usize {
        found(Law::TaskUnreadable, None, format!("total is {} and the plan has {}", task.total, task.subtasks.len()));
        return;
    }
    let ended = read_outcomes(task, outcomes, &mut found);
    let counters = [task.completed, task.failed, task.cancelled];
    let count = |outcome| ended.values().filter(|kept| **kept == Some(outcome)).count() as u32;
    let histogram = [Outcome::Completed, Outcome::Failed, Outcome::Cancelled].map(count);
    if counters != histogram {
        let text = format!("completed, failed, cancelled are {counters:?}, by the records {histogram:?}");
        found(Law::CountersDisagree, None, text);
    }
    check_status(task, &mut found);
    if place.statuses != [task.status] || place.life_ends_at_ms.is_none() {
        let listed: Vec<&str> = place.statuses.iter().map(|status| status.as_str()).collect();
        let life = if place.life_ends_at_ms.is_some() { "" } else { " and not in lifetimes" };
        found(Law::IndexDisagrees, None, format!("it is {}, listed as [{}]{life}", task.status, listed.join(" ")));
    }
    for index in 0..task.total {
        let held = tokens.claim(&task.task_id, index, 0);
        let broken = match ended.get(&index) {
            None => check_open(held),
            Some(outcome) => check_ended(held, *outcome),
        };
        if let Some(law) = broken {
            let text = format!("{} work entries and {} unfolded terminal facts", held.entries, held.facts);
            found(law, Some(index), text);
        }
    }
}

fn check_open(held: Held) -> Option<Law> {
    match held.entries + held.facts {
        0 => Some(Law::TokenMissing),
        1 => None,
        _ => Some(Law::TokenDoubled),
    }
}

/// An unfolded fact of a subtask that has ended is no token: the fold absorbs it.
fn check_ended(held: Held, outcome: Option<Outcome>) -> Option<Law> {
    let tolerated = u32::from(outcome == Some(Outcome::Cancelled));
    (held.entries > tolerated).then_some(Law::TokenAfterRecord)
}

fn check_status(task: &Task, found: &mut impl FnMut(Law, Option<u32>, String)) {
    let Task { completed, failed, cancelled, total, status, .. } = *task;
    let sum = u64::from(completed) + u64::from(failed) + u64::from(cancelled);
    if sum > u64::from(total) {
        found(Law::SumExceedsTotal, None, format!("{sum} of {total} subtasks have ended"));
    }
    let follows = match sum {
        _ if sum >= u64::from(total) => status == final_status(failed, cancelled),
        0 => !status.is_terminal(),
        _ => status == TaskStatus::Processing,
    };
    if !follows {
        found(Law::StatusDisagrees, None, format!("it is {status} and {sum} of {total} subtasks have ended"));
    } else if status.is_terminal() != task.finished_at_ms.is_some() {
        found(Law::StatusDisagrees, None, format!("it is {status} and finished_at says otherwise"));
    }
}

/// Reads every field of the outcomes; names those that cannot be read.
fn read_outcomes(
    task: &Task,
    outcomes: &HashMap<String, String>,
    found: &mut impl FnMut(Law, Option<u32>, String),
) -> Ended {
    let mut ended = Ended::new();
    for (field, value) in outcomes {
        let (index, is_sound) = if let Some(index) = field.strip_prefix('~') {
            (index.parse().ok(), Progress::decode(value).is_ok())
        } else if field.starts_with("g:") || field.contains('@') {
            continue; // of later generations
        } else {
            let index = field.parse().ok();
            let record = Record::decode(value).ok();
            if let Some(index) = index.filter(|&index| index < task.total) {
                ended.insert(index, record.as_ref().map(|record| record.outcome));
            }
            (index, record.is_some())
        };
        match index {
            Some(index) if index >= task.total => {
                found(Law::RecordUnreadable, Some(index), "the plan has no such subtask".to_owned());
            }
            Some(_) if is_sound => {}
            _ => found(Law::RecordUnreadable, index, "a field of its outcomes is malformed".to_owned()),
        }
    }
    ended
}
