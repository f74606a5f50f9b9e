//! What the waiting places of one task lack, worked out from its definitions and its records. Pure.

use crate::audit::delayed::{Body, read_body};
use crate::audit::outcomes::Outcomes;
use crate::audit::plan::Plan;
use proto_schemas::{OnFailure, Outcome, QueueName, SubtaskDefinition, WorkEntry, limit};
use redis_store::books::Books;
use redis_store::restore::{Restoration, pack_body};
use std::collections::{BTreeMap, BTreeSet};

/// What it takes to put a task's waiting places right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Tokens and fields of the plan.
    pub restoration: Restoration,
    /// Ends that their dependants have yet to be told of, because they mean a skip or the end of the task.
    pub untold: BTreeSet<u32>,
    /// Subtasks that are put into a stream, into `delayed` or into the plan.
    pub placed: BTreeSet<u32>,
}

/// Works out what a task needs in which nothing stands for the subtasks `missing`, at `now_ms`.
pub(crate) fn work_out(books: &Books, missing: &BTreeSet<u32>, now_ms: u64) -> Needs {
    let outcomes = Outcomes::read(books, &mut |_, _, _| {});
    let plan = Plan::read(&books.plan);
    let mut work = Work { books, outcomes, plan, now_ms, wanted: BTreeMap::new(), needs: Needs::default() };
    if books.task.status.is_terminal() {
        work.needs.restoration.plan_gone = books.plan.keys().cloned().collect();
        work.needs.restoration.plan_gone.sort();
        return work.needs;
    }
    let mut edges = BTreeSet::new();
    let mut queues = BTreeSet::new();
    for index in 0..books.task.total {
        let is_waiting = missing.contains(&index) || work.plan.is_blocked(index);
        if is_waiting && work.outcomes.ended(index).is_none() {
            work.place(index, &mut edges, &mut queues);
        }
    }
    work.want_edges(&edges);
    work.want_queues(queues);
    work.compare();
    work.needs
}

struct Work<'a> {
    books: &'a Books,
    outcomes: Outcomes,
    plan: Plan,
    now_ms: u64,
    /// Fields of the plan as they have to be.
    wanted: BTreeMap<String, String>,
    needs: Needs,
}

impl Work<'_> {
    /// Finds the place of a subtask that waits; notes whose end it waits for, and the queue, if that is in the plan.
    fn place(&mut self, index: u32, edges: &mut BTreeSet<u32>, queues: &mut BTreeSet<QueueName>) {
        let Some(definition) = self.books.task.subtasks.get(index as usize) else { return };
        let awaited = self.awaited(index, definition);
        let Some((queue, entry)) = self.kept(index).or_else(|| self.defined(index, definition)) else { return };
        let is_blocked = self.plan.is_blocked(index);
        if !awaited.is_empty() {
            let waits: Vec<String> = awaited.iter().map(u32::to_string).collect();
            self.wanted.insert(format!("w:{index}"), format!(",{},", waits.join(",")));
            let kept = self.books.plan.get(&format!("b:{index}")).filter(|_| self.kept(index).is_some());
            let body = kept.cloned().unwrap_or_else(|| pack_body(&queue, &entry));
            self.wanted.insert(format!("b:{index}"), body);
            edges.extend(awaited);
            queues.insert(queue);
            if !is_blocked {
                self.needs.placed.insert(index);
            }
            return;
        }
        self.needs.placed.insert(index);
        match self.books.task.run_at_ms.filter(|due_ms| *due_ms > self.now_ms && entry.generation == 0) {
            Some(due_ms) => self.needs.restoration.later.push((due_ms, queue, entry)),
            None => self.needs.restoration.ready.push((queue, entry)),
        }
    }

    /// Whom a subtask has to wait for. A parent that runs again may have ended before, and been told then.
    fn awaited(&mut self, index: u32, definition: &SubtaskDefinition) -> BTreeSet<u32> {
        let known = self.plan.waits(index).filter(|_| self.plan.is_blocked(index));
        let mut awaited = BTreeSet::new();
        for parent in &definition.depends_on {
            let was_told = known.is_some_and(|waits| !waits.contains(&parent.index));
            match self.outcomes.ended(parent.index) {
                None if was_told && self.outcomes.generation(parent.index) > 0 => {}
                None => drop(awaited.insert(parent.index)),
                Some(Some(Outcome::Completed)) => {}
                Some(_) if parent.on_failure == OnFailure::Continue => {}
                Some(_) => {
                    awaited.insert(parent.index);
                    self.needs.untold.insert(parent.index);
                }
            }
        }
        awaited
    }

    /// The entry of a blocked place, if it is the subtask's own.
    fn kept(&self, index: u32) -> Option<(QueueName, WorkEntry)> {
        match read_body(self.books.plan.get(&format!("b:{index}"))?) {
            Body::Entry(queue, entry) => {
                let is_its = entry.task_id == self.books.task.task_id && entry.index == index;
                (is_its && entry.generation == self.outcomes.generation(index)).then_some((queue, *entry))
            }
            _ => None,
        }
    }

    /// The entry as its definition says, with the attempts that were told.
    fn defined(&self, index: u32, definition: &SubtaskDefinition) -> Option<(QueueName, WorkEntry)> {
        let task = &self.books.task;
        let first = definition.first_attempt(&task.task_id, index).ok()?;
        let told = self.outcomes.progress(index);
        let is_awaited = task.subtasks.iter().flat_map(|subtask| &subtask.depends_on).any(|it| it.index == index);
        let life_ms = task.deadline_at_ms.map_or(limit::TASK_DEADLINE_MS, |at| at.saturating_sub(task.created_at_ms));
        let entry = WorkEntry {
            generation: self.outcomes.generation(index),
            attempt: told.map_or(1, |told| told.attempt.max(1)),
            crashes: told.map_or(0, |told| told.crashes),
            deadline_ms: task.deadline_at_ms.filter(|_| task.deadline_after_ms.is_some()),
            result_ttl_s: is_awaited.then_some(life_ms / 1_000 + limit::RESULT_TTL_SECONDS),
            ..first
        };
        Some((definition.queue.clone(), entry))
    }

    /// Whoever is waited for tells all that depend on it; telling one that waits no more changes nothing.
    fn want_edges(&mut self, parents: &BTreeSet<u32>) {
        for parent in parents {
            let children = (0..).zip(&self.books.task.subtasks).filter_map(|(child, subtask): (u32, _)| {
                let edge = subtask.depends_on.iter().find(|edge| edge.index == *parent)?;
                Some(format!("{child}:{}", edge.on_failure))
            });
            let text = children.collect::<Vec<_>>().join(" ");
            self.wanted.insert(format!("e:{parent}"), text);
        }
    }

    fn want_queues(&mut self, mut queues: BTreeSet<QueueName>) {
        if queues.is_empty() {
            return;
        }
        let named = self.books.plan.get("queues").map(String::as_str).unwrap_or_default();
        queues.extend(named.split_whitespace().filter_map(|name| name.parse().ok()));
        let names: Vec<&str> = queues.iter().map(QueueName::as_str).collect();
        self.wanted.insert("queues".to_owned(), names.join(" "));
    }

    /// What differs from what is there. Edges and queues that nobody needs may stay until the task ends.
    fn compare(&mut self) {
        let is_sound = |name: &str| name == "queues" || name.starts_with("e:") && !self.plan.is_strange(name);
        let is_left = |name: &&String| !self.wanted.contains_key(*name) && !is_sound(name);
        let mut gone: Vec<String> = self.books.plan.keys().filter(is_left).cloned().collect();
        gone.sort();
        let differs = |(name, text): &(&String, &String)| self.books.plan.get(*name) != Some(*text);
        let set = self.wanted.iter().filter(differs).map(|(name, text)| (name.clone(), text.clone())).collect();
        self.needs.restoration.plan_gone = gone;
        self.needs.restoration.plan_set = set;
    }
}
