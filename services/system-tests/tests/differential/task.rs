//! A task's three hashes as the books keep them.

use crate::snapshot::parse;
use proto_schemas::{OnFailure, Progress, Record};
use std::collections::BTreeMap;
use task_core::TaskState;
use task_core::law::{Dependencies, TaskBook};

/// What `task:<id>` says.
pub fn read_task(fields: Vec<(String, String)>) -> TaskBook {
    let mut fields: BTreeMap<String, String> = fields.into_iter().collect();
    let mut take = |name: &str| fields.remove(name);
    let has_generations = take("generations").is_some_and(|flag| flag == "1");
    let status = parse(&take("status").unwrap());
    let mut number = |name: &str| take(name).map(|text| parse::<u64>(&text));
    let (created_at_ms, revision) = (number("created_at").unwrap(), number("revision").unwrap());
    let (run_at_ms, deadline_at_ms) = (number("run_at"), number("deadline_at").unwrap());
    let (deadline_after_ms, outcome_at_ms) = (number("deadline_after_ms"), number("outcome_at"));
    let mut state = TaskState::new(number("total").unwrap() as u32, created_at_ms);
    state.completed = number("completed").unwrap() as u32;
    state.failed = number("failed").unwrap() as u32;
    state.cancelled = number("cancelled").unwrap() as u32;
    state.updated_at_ms = number("updated_at").unwrap();
    state.finished_at_ms = number("finished_at");
    state.status = status;
    TaskBook {
        fields,
        created_at_ms,
        run_at_ms,
        deadline_at_ms,
        deadline_after_ms,
        has_generations,
        state,
        outcome_at_ms,
        revision,
    }
}

/// What `outcomes:<id>` says.
pub fn enter_outcomes(state: &mut TaskState, fields: Vec<(String, String)>) {
    for (field, value) in fields {
        if let Some(index) = field.strip_prefix('~') {
            let progress = Progress::decode(&value).unwrap();
            assert_eq!(progress.encode(), value);
            state.progress.insert((parse(index), progress.generation), progress);
        } else if let Some(index) = field.strip_prefix("g:") {
            state.generations.insert(parse(index), parse(&value));
        } else {
            let record = Record::decode(&value).unwrap();
            assert_eq!(record.encode(), value);
            let (index, generation) = field.split_once('@').unwrap_or((&field, "0"));
            state.records.insert((parse(index), parse(generation)), record);
        }
    }
}

/// What `plan:<id>` says.
pub fn read_plan(fields: Vec<(String, Vec<u8>)>) -> Dependencies {
    let mut plan = Dependencies::default();
    for (field, value) in fields {
        let text = String::from_utf8_lossy(&value).into_owned();
        match field.split_once(':') {
            Some(("b", index)) => drop(plan.blocked.insert(parse(index), value)),
            Some(("w", index)) => {
                let awaited = text.split(',').filter(|index| !index.is_empty());
                plan.waits.insert(parse(index), awaited.map(parse).collect());
            }
            Some(("e", index)) => drop(plan.edges.insert(parse(index), text.split(' ').map(read_edge).collect())),
            _ => {
                assert_eq!(field, "queues");
                plan.queues = text.split_whitespace().map(parse).collect();
            }
        }
    }
    plan
}

fn read_edge(text: &str) -> (u32, OnFailure) {
    let (child, on_failure) = text.split_once(':').unwrap();
    (parse(child), parse(on_failure))
}
