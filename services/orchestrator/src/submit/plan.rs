//! The plan of a task: the client's own, judged subtask by subtask and as a graph, or the planner's.

use super::{check_size, schedule};
use crate::body::violation::{Class, Pointer, Violations};
use crate::context::Context;
use crate::kinds::Served;
use crate::refusal::Refusal;
use crate::wire::json::raw;
use crate::wire::new_task::{NewBackoff, NewSubtask};
use proto_schemas::entry::KIND_DEFAULT;
use proto_schemas::limit::{
    ATTEMPTS_DEFAULT, ATTEMPTS_MAX, BACKOFF_BASE_MS, BACKOFF_CAP_MS, BACKOFF_MS_MAX, SUBTASKS_MAX, TIMEOUT_MS_DEFAULT,
    TIMEOUT_MS_MAX,
};
use proto_schemas::{Parent, Priority, SubtaskDefinition};
use std::collections::HashSet;
use task_core::graph::{self, Edge, FaultKind, Node};

/// What the planner makes of a description; what it plans must be served too.
pub async fn of_planner(
    context: &Context,
    description: &str,
    priority: Priority,
    violations: &mut Violations,
) -> Result<Vec<SubtaskDefinition>, Refusal> {
    let mut plan = context.planner().plan(description, priority);
    let served = context.kinds.served(context, plan.iter().map(|subtask| subtask.kind.as_str())).await?;
    for subtask in &mut plan {
        let Some((_, queue)) = served.find(subtask.kind.as_str()) else {
            let at = Pointer::root().field("description");
            violations.add(&at, Class::Kind, "was planned with a kind that no worker serves");
            break;
        };
        subtask.queue = queue.clone();
    }
    Ok(plan)
}

/// The client's list, whole only if nothing is wrong with it.
pub async fn of_client(
    context: &Context,
    list: Vec<NewSubtask>,
    priority: Priority,
    violations: &mut Violations,
) -> Result<Vec<SubtaskDefinition>, Refusal> {
    let at = Pointer::root().field("subtasks");
    if !(1..=SUBTASKS_MAX).contains(&list.len()) {
        violations.add(&at, Class::Rule, "must have 1 to 1000 items");
        return Ok(Vec::new());
    }
    let served = context.kinds.served(context, list.iter().map(kind_of)).await?;
    let parents = parents(&list, &at, violations);
    let mut names = HashSet::new();
    let mut defined = Vec::with_capacity(list.len());
    for ((index, new), depends_on) in list.into_iter().enumerate().zip(parents) {
        let at = at.item(index);
        if new.name.as_ref().is_some_and(|name| !names.insert(name.clone())) {
            violations.add(&at.field("name"), Class::Rule, "stands twice in the plan");
        }
        let priority = new.priority.map_or(priority, |input| input.0);
        let subtask = define(&served, new, priority, &at, violations);
        defined.extend(subtask.map(|subtask| SubtaskDefinition { depends_on, ..subtask }));
    }
    Ok(defined)
}

fn kind_of(new: &NewSubtask) -> &str {
    new.kind.as_deref().unwrap_or(KIND_DEFAULT)
}

/// The parents of each subtask; none of any if the graph is not sound.
fn parents(list: &[NewSubtask], at: &Pointer, violations: &mut Violations) -> Vec<Vec<Parent>> {
    let edges: Vec<Vec<Edge>> = list.iter().map(NewSubtask::edges).collect();
    let nodes: Vec<Node> =
        list.iter().zip(&edges).map(|(new, depends_on)| Node { name: new.name.as_deref(), depends_on }).collect();
    let faults = match graph::resolve(&nodes) {
        Ok(parents) => return parents,
        Err(faults) => faults,
    };
    for fault in faults {
        let at = at.item(fault.node).field("depends_on");
        let at = fault.edge.map_or(at.clone(), |edge| at.item(edge));
        violations.add(&at, Class::Rule, &rule(fault.what));
    }
    vec![Vec::new(); list.len()]
}

fn rule(what: FaultKind) -> String {
    match what {
        FaultKind::TooMany => "must have at most 50 items".to_owned(),
        FaultKind::Unknown => "is not the name of a subtask in this plan".to_owned(),
        FaultKind::Itself => "is the subtask itself".to_owned(),
        FaultKind::Twice => "stands twice in the list".to_owned(),
        FaultKind::Cycle(length) => format!("leads back to the subtask, in a cycle of {length}"),
    }
}

fn define(
    served: &Served,
    new: NewSubtask,
    priority: Priority,
    at: &Pointer,
    violations: &mut Violations,
) -> Option<SubtaskDefinition> {
    let found = served.find(kind_of(&new));
    if found.is_none() {
        violations.add(&at.field("kind"), Class::Kind, &served.rule());
    }
    check_size(new.params.as_ref(), &at.field("params"), violations);
    let max_attempts = new.max_attempts.unwrap_or(ATTEMPTS_DEFAULT.into());
    if !(1..=ATTEMPTS_MAX.into()).contains(&max_attempts) {
        violations.add(&at.field("max_attempts"), Class::Rule, "must be 1 to 100");
    }
    let timeout_ms = new.timeout_seconds.map_or(TIMEOUT_MS_DEFAULT, |seconds| seconds.saturating_mul(1_000));
    if !(1_000..=TIMEOUT_MS_MAX).contains(&timeout_ms) {
        violations.add(&at.field("timeout_seconds"), Class::Rule, "must be 1 to 3600");
    }
    let (backoff_base_ms, backoff_cap_ms) = backoff(new.backoff, &at.field("backoff"), violations);
    let (kind, queue) = found?;
    Some(SubtaskDefinition {
        name: new.name,
        queue: queue.clone(),
        params: new.params.map_or_else(|| raw("{}"), |params| params.0),
        max_attempts: max_attempts.try_into().ok()?,
        timeout_ms,
        backoff_base_ms,
        backoff_cap_ms,
        ..SubtaskDefinition::new(kind.clone(), new.description, priority)
    })
}

/// Base and cap in ms. A base above the usual cap raises a cap that is not given.
fn backoff(new: Option<NewBackoff>, at: &Pointer, violations: &mut Violations) -> (u64, u64) {
    let Some(NewBackoff { base_seconds, cap_seconds }) = new else { return (BACKOFF_BASE_MS, BACKOFF_CAP_MS) };
    let mut read = |name: &str, seconds: Option<f64>, default: u64| {
        let Some(seconds) = seconds else { return default };
        schedule::millis(seconds, 1..=BACKOFF_MS_MAX).unwrap_or_else(|| {
            violations.add(&at.field(name), Class::Rule, "must be 0.001 to 86400");
            default
        })
    };
    let base_ms = read("base_seconds", base_seconds, BACKOFF_BASE_MS);
    let cap_ms = read("cap_seconds", cap_seconds, BACKOFF_CAP_MS.max(base_ms));
    // A cap alone also bounds the usual base.
    let base_ms = if base_seconds.is_none() { base_ms.min(cap_ms) } else { base_ms };
    if base_ms > cap_ms {
        violations.add(&at.field("cap_seconds"), Class::Rule, "must not be below base_seconds");
    }
    (base_ms, cap_ms)
}
