//! The books of one task: records against counters, counters against status, status against indexes, the plan against
//! the definitions, and a token for each subtask that has not ended.

use super::findings::Findings;
use super::law::{Law, Violation};
use super::outcomes::Outcomes;
use super::plan::Plan;
use super::tokens::{Held, Tokens};
use proto_schemas::{Outcome, Task, TaskId, TaskStatus};
use redis_store::books::Books;
use redis_store::key;
use redis_store::read::IndexPlace;
use task_core::fold::final_status;

/// Is told of a law that does not hold, of which subtask, and what was found instead.
pub(crate) type Found<'a> = dyn FnMut(Law, Option<u32>, String) + 'a;

/// Checks one task.
pub(crate) fn check(books: &Books, place: &IndexPlace, tokens: &mut Tokens, findings: &mut Findings) {
    let task = &books.task;
    let mut found = |law: Law, index: Option<u32>, detail: String| {
        let of_task = Violation::of_task(law, &task.task_id, detail);
        findings.found(Violation { index, ..of_task }.seen_at(task.revision), task.revision);
    };
    if task.subtasks.len() != task.total as usize {
        found(Law::TaskUnreadable, None, format!("total is {} and the plan has {}", task.total, task.subtasks.len()));
        return;
    }
    let outcomes = Outcomes::read(books, &mut found);
    outcomes.check_generations(books, &mut found);
    let counters = [task.completed, task.failed, task.cancelled];
    let histogram = [Outcome::Completed, Outcome::Failed, Outcome::Cancelled].map(|outcome| outcomes.count(outcome));
    if counters != histogram {
        let text = format!("completed, failed, cancelled are {counters:?}, by the records {histogram:?}");
        found(Law::CountersDisagree, None, text);
    }
    check_status(task, &mut found);
    check_place(task, place, &mut found);
    let plan = Plan::read(&books.plan);
    let mut is_told = |index: u32| {
        let held = tokens.claim(&task.task_id, index, outcomes.generation(index));
        held.facts + held.fresh > 0
    };
    plan.check(task, &outcomes, &mut is_told, &mut found);
    for index in 0..task.total {
        check_tokens(&task.task_id, index, &Known { outcomes: &outcomes, plan: &plan }, tokens, &mut found);
    }
}

fn check_place(task: &Task, place: &IndexPlace, found: &mut Found<'_>) {
    if place.statuses != [task.status] || place.life_ends_at_ms.is_none() {
        let listed: Vec<&str> = place.statuses.iter().map(|status| status.as_str()).collect();
        let life = if place.life_ends_at_ms.is_some() { "" } else { " and not in lifetimes" };
        found(Law::IndexDisagrees, None, format!("it is {}, listed as [{}]{life}", task.status, listed.join(" ")));
    }
}

/// What is kept of a task beside its hash.
struct Known<'a> {
    outcomes: &'a Outcomes,
    plan: &'a Plan,
}

/// Checks the tokens of one subtask, those of its current generation first.
fn check_tokens(task_id: &TaskId, index: u32, known: &Known<'_>, tokens: &mut Tokens, found: &mut Found<'_>) {
    let current = known.outcomes.generation(index);
    let is_blocked = known.plan.is_blocked(index);
    let held = tokens.claim(task_id, index, current);
    match known.outcomes.ended(index) {
        None => check_open(held, is_blocked, index, found),
        Some(outcome) => check_ended(held, is_blocked, (index, outcome), found),
    }
    let later = tokens.later_generations(task_id, index);
    let first = (current > 0).then_some(0);
    for generation in first.into_iter().chain(later).filter(|generation| *generation != current) {
        let held = tokens.claim(task_id, index, generation);
        if generation < current {
            let outcome = known.outcomes.record(index, generation).flatten();
            check_ended(held, false, (index, outcome), found);
        } else if held.is_any() {
            let detail = format!("generation {current} is current and a token is of {generation}");
            found(Law::GenerationDisagrees, Some(index), detail);
        }
    }
}

fn check_open(held: Held, is_blocked: bool, index: u32, found: &mut Found<'_>) {
    // A blocked place is read last and never comes back within a generation: it was there all the while.
    let certain = held.certain() + u32::from(is_blocked);
    if !held.is_any() && !is_blocked {
        found(Law::TokenMissing, Some(index), "nothing stands for it".to_owned());
    } else if certain > 1 {
        found(Law::TokenDoubled, Some(index), tell(held, is_blocked));
    }
}

/// An unfolded fact of a subtask that has ended is no token: the fold absorbs it. What a worker held when a cancel came
/// may still be on its way, in a stream or parked.
fn check_ended(held: Held, is_blocked: bool, ended: (u32, Option<Outcome>), found: &mut Found<'_>) {
    let (index, outcome) = ended;
    let tolerated = u32::from(outcome == Some(Outcome::Cancelled));
    if held.entries > tolerated || is_blocked {
        found(Law::TokenAfterRecord, Some(index), tell(held, is_blocked));
    }
    if held.is_delayed && !(held.is_parked && held.entries < tolerated) {
        found(Law::DelayedLeftover, Some(index), format!("it has ended and waits in {}", key::DELAYED));
    }
}

fn tell(held: Held, is_blocked: bool) -> String {
    let Held { entries, facts, is_delayed, .. } = held;
    let (delayed, blocked) = (u32::from(is_delayed), u32::from(is_blocked));
    format!(
        "{entries} work entries, {delayed} delayed members, {blocked} places in the plan, {facts} unfolded terminal facts"
    )
}

fn check_status(task: &Task, found: &mut Found<'_>) {
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
