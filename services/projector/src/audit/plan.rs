//! What is kept of a task's dependencies, read and checked against its definitions.

use super::books::Found;
use super::delayed::{Body, read_body};
use super::law::Law;
use super::outcomes::Outcomes;
use proto_schemas::{OnFailure, Parent, Task};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What `plan:<id>` says. What cannot be read is as if it were not there, but for a blocked place: that is one however
/// broken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    is_there: bool,
    queues: BTreeSet<String>,
    /// Blocked places with their bodies as stored.
    blocked: BTreeMap<u32, String>,
    waits: BTreeMap<u32, BTreeSet<u32>>,
    edges: BTreeMap<u32, Vec<(u32, OnFailure)>>,
    /// Fields that are none of these.
    strange: Vec<String>,
}

impl Plan {
    /// Reads the fields of the hash.
    pub(crate) fn read(fields: &HashMap<String, String>) -> Self {
        let mut plan = Self { is_there: !fields.is_empty(), ..Self::default() };
        for (name, text) in fields {
            if plan.take(name, text).is_none() {
                plan.strange.push(name.clone());
            }
        }
        plan
    }

    fn take(&mut self, name: &str, text: &str) -> Option<()> {
        if name == "queues" {
            self.queues = text.split_whitespace().map(str::to_owned).collect();
            return Some(());
        }
        let (kind, index) = name.split_once(':')?;
        let index = index.parse().ok()?;
        match kind {
            "b" => drop(self.blocked.insert(index, text.to_owned())),
            "w" => drop(self.waits.insert(index, read_waits(text)?)),
            "e" => drop(self.edges.insert(index, read_edges(text)?)),
            _ => return None,
        }
        Some(())
    }

    /// Whether a subtask waits for others here.
    pub(crate) fn is_blocked(&self, index: u32) -> bool {
        self.blocked.contains_key(&index)
    }

    /// Whom a blocked subtask waits for, if that can be read.
    pub(crate) fn waits(&self, index: u32) -> Option<&BTreeSet<u32>> {
        self.waits.get(&index)
    }

    /// Whether a field is none that a plan has.
    pub(crate) fn is_strange(&self, name: &str) -> bool {
        self.strange.iter().any(|strange| strange == name)
    }

    /// Checks every blocked place. Of a parent whose end `is_told` in the unfolded log, the fold will tell it.
    pub(crate) fn check(
        &self,
        task: &Task,
        outcomes: &Outcomes,
        is_told: &mut dyn FnMut(u32) -> bool,
        found: &mut Found<'_>,
    ) {
        if task.status.is_terminal() {
            if self.is_there {
                found(Law::PlanDisagrees, None, "it has ended and its plan is still there".to_owned());
            }
            return;
        }
        for name in &self.strange {
            found(Law::PlanDisagrees, None, format!("{name} is no field of a plan"));
        }
        let without_place = self.waits.keys().filter(|index| !self.is_blocked(**index));
        for &index in without_place {
            found(Law::PlanDisagrees, Some(index), "it waits for others and has no place".to_owned());
        }
        for &index in self.blocked.keys() {
            let Some(definition) = task.subtasks.get(index as usize) else {
                found(Law::PlanDisagrees, Some(index), "no such subtask is defined".to_owned());
                continue;
            };
            if outcomes.ended(index).is_some() {
                continue; // a token after its record
            }
            if let Some(detail) = self.broken_place(task, index, outcomes) {
                found(Law::PlanDisagrees, Some(index), detail);
            }
            let waits = self.waits.get(&index).cloned().unwrap_or_default();
            if let Some(detail) = disagreement(&waits, &definition.depends_on, outcomes) {
                found(Law::PlanDisagrees, Some(index), detail);
            }
            if let Some(parent) = waits.iter().find(|parent| outcomes.ended(**parent).is_some() && !is_told(**parent)) {
                found(Law::BlockedStuck, Some(index), format!("it waits for {parent}, which has ended"));
            } else if waits.is_empty() {
                found(Law::BlockedStuck, Some(index), "it waits for nobody".to_owned());
            }
            self.check_edges(index, &waits, &definition.depends_on, found);
        }
    }

    /// What is wrong with the entry of a blocked place.
    fn broken_place(&self, task: &Task, index: u32, outcomes: &Outcomes) -> Option<String> {
        let text = self.blocked.get(&index)?;
        match read_body(text) {
            Body::Newer => None,
            Body::Missing | Body::Malformed => Some("its entry cannot be read".to_owned()),
            Body::Entry(queue, entry) => {
                let is_its = entry.task_id == task.task_id && entry.index == index;
                if !is_its || entry.generation != outcomes.generation(index) {
                    Some("its entry is another's".to_owned())
                } else if !self.queues.contains(queue.as_str()) {
                    Some(format!("the plan does not name its queue {queue}"))
                } else {
                    None
                }
            }
        }
    }

    /// Everyone whom a blocked subtask waits for has to tell it of its end.
    fn check_edges(&self, index: u32, waits: &BTreeSet<u32>, parents: &[Parent], found: &mut Found<'_>) {
        for parent in parents.iter().filter(|parent| waits.contains(&parent.index)) {
            let edges = self.edges.get(&parent.index).map(Vec::as_slice).unwrap_or_default();
            if !edges.contains(&(index, parent.on_failure)) {
                let detail = format!("{} has no edge {} to it", parent.index, parent.on_failure);
                found(Law::PlanDisagrees, Some(index), detail);
            }
        }
    }
}

/// How waits differ from what is defined. A parent that runs again may have ended before, so only one of generation 0
/// has to be waited for.
fn disagreement(waits: &BTreeSet<u32>, parents: &[Parent], outcomes: &Outcomes) -> Option<String> {
    let is_parent = |index: &u32| parents.iter().any(|parent| parent.index == *index);
    if let Some(stranger) = waits.iter().find(|index| !is_parent(index)) {
        return Some(format!("it waits for {stranger}, on which it does not depend"));
    }
    let is_overlooked = |parent: &&Parent| {
        let index = parent.index;
        outcomes.generation(index) == 0 && outcomes.ended(index).is_none() && !waits.contains(&index)
    };
    parents.iter().find(is_overlooked).map(|parent| format!("it does not wait for {}", parent.index))
}

/// `,0,2,`: the parents that are awaited.
fn read_waits(text: &str) -> Option<BTreeSet<u32>> {
    let inner = text.strip_prefix(',')?;
    inner.split_terminator(',').map(|index| index.parse().ok()).collect()
}

/// `3:skip 7:continue`: who is told of an end, and what a bad one means for it.
fn read_edges(text: &str) -> Option<Vec<(u32, OnFailure)>> {
    let read = |edge: &str| {
        let (index, on_failure) = edge.split_once(':')?;
        Some((index.parse().ok()?, on_failure.parse().ok()?))
    };
    text.split_whitespace().map(read).collect()
}
