//! Plans as definitions say them, and as a hand writes them.

use crate::world::World;
use proto_schemas::{OnFailure, SubtaskDefinition, TaskId};
use task_core::law::{Dependencies, PlanField};

/// The definitions of a task's subtasks.
pub fn definitions(world: &World, task_id: &TaskId) -> Vec<SubtaskDefinition> {
    serde_json::from_str(&world.books.tasks[task_id].fields["subtasks"]).unwrap()
}

/// Who depends on `parent`, and what becomes of them if it does not complete.
pub fn dependants(plan: &[SubtaskDefinition], parent: u32) -> Vec<(u32, OnFailure)> {
    let edges = (0..).zip(plan).flat_map(|(child, subtask)| subtask.depends_on.iter().map(move |edge| (child, edge)));
    edges.filter(|(_, edge)| edge.index == parent).map(|(child, edge)| (child, edge.on_failure)).collect()
}

/// The same as a plan keeps it.
pub fn edges_text(edges: &[(u32, OnFailure)]) -> String {
    edges.iter().map(|(child, on_failure)| format!("{child}:{on_failure}")).collect::<Vec<_>>().join(" ")
}

/// Every field of a plan, as its hash keeps it.
pub fn fields(plan: &Dependencies) -> Vec<(String, String)> {
    let joined = |parts: Vec<String>, with: &str| parts.join(with);
    let mut fields = Vec::new();
    for (index, body) in &plan.blocked {
        fields.push((PlanField::Blocked(*index), String::from_utf8(body.clone()).unwrap()));
    }
    for (index, parents) in &plan.waits {
        let parents = joined(parents.iter().map(u32::to_string).collect(), ",");
        fields.push((PlanField::Waits(*index), format!(",{parents},")));
    }
    for (index, edges) in &plan.edges {
        fields.push((PlanField::Edges(*index), edges_text(edges)));
    }
    if !plan.queues.is_empty() {
        fields.push((PlanField::Queues, joined(plan.queues.iter().map(ToString::to_string).collect(), " ")));
    }
    fields.into_iter().map(|(field, text)| (field.to_string(), text)).collect()
}

/// Someone writes fields of a plan.
pub fn write_by_hand(world: &mut World, task_id: &TaskId, written: &Dependencies) {
    let mut command = vec!["HSET".to_owned(), format!("plan:{task_id}")];
    command.extend(fields(written).into_iter().flat_map(|(name, text)| [name, text]));
    world.stranger(&command);
    let plan = world.books.plans.entry(task_id.clone()).or_default();
    plan.queues = written.queues.clone();
    plan.blocked.extend(written.blocked.clone());
    plan.waits.extend(written.waits.clone());
    plan.edges.extend(written.edges.clone());
}

/// Someone deletes the place of a subtask that waits for others.
pub fn unblock_by_hand(world: &mut World, task_id: &TaskId, index: u32) {
    let names = [PlanField::Blocked(index), PlanField::Waits(index)].map(|field| field.to_string());
    world.stranger(&["HDEL", &format!("plan:{task_id}"), &names[0], &names[1]]);
    let Some(plan) = world.books.plans.get_mut(task_id) else { return };
    plan.blocked.remove(&index);
    plan.waits.remove(&index);
    if *plan == Dependencies::default() {
        world.books.plans.remove(task_id);
    }
}
