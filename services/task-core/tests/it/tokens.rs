//! Token conservation over random histories of honest workers, clients' cancels and replays, and strangers' delays: a
//! subtask that has not ended has exactly one token of its current generation, a work entry, a member of `delayed`, a
//! blocked place in its plan or an unfolded terminal fact; one that has ended has its record, and a token at most where
//! a cancel overtook it.

use crate::world::{World, attempt, queue};
use proptest::prelude::*;
use proto_schemas::{FactKind, OnFailure, Priority, TaskId};
use std::collections::BTreeMap;
use task_core::law::StreamName;
use task_core::law::body::unpack;
use task_core::law::identity::read_lines;
use task_core::law::start::Start;

#[derive(Debug, Clone)]
enum Step {
    Submit(Priority, [OnFailure; 2], u64),
    Lease(Priority, usize),
    Start(usize),
    Settle(usize, &'static str),
    Retry(usize, u64),
    HandBack(usize, u64),
    Bury(usize),
    Reap,
    Promote,
    Cancel(usize, bool),
    Requeue(usize, u8),
    ReadLog(usize),
    Fold(usize, usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let priority = || prop::sample::select(&Priority::ALL[1..3]);
    let policy = || prop::sample::select(OnFailure::ALL);
    prop_oneof![
        2 => (priority(), policy(), policy(), prop::sample::select(vec![0, 0, 500]))
            .prop_map(|(priority, one, other, delay_ms)| Step::Submit(priority, [one, other], delay_ms)),
        5 => (priority(), 1_usize..5).prop_map(|(priority, count)| Step::Lease(priority, count)),
        1 => (0_usize..100).prop_map(Step::Start),
        6 => (0_usize..100, prop::sample::select(vec!["completed", "failed"]))
            .prop_map(|(pick, outcome)| Step::Settle(pick, outcome)),
        3 => (0_usize..100, 0_u64..900).prop_map(|(pick, delay_ms)| Step::Retry(pick, delay_ms)),
        3 => (0_usize..100, prop::sample::select(vec![0, 300])).prop_map(|(pick, ms)| Step::HandBack(pick, ms)),
        1 => (0_usize..100).prop_map(Step::Bury),
        3 => Just(Step::Reap),
        3 => Just(Step::Promote),
        1 => (0_usize..100, any::<bool>()).prop_map(|(pick, only_past)| Step::Cancel(pick, only_past)),
        2 => (0_usize..100, 1_u8..16).prop_map(|(pick, which)| Step::Requeue(pick, which)),
        4 => (1_usize..4).prop_map(Step::ReadLog),
        4 => (0_usize..100, 1_usize..4).prop_map(|(pick, count)| Step::Fold(pick, count)),
        3 => (1_u64..900).prop_map(Step::Wait),
    ]
}

fn take(world: &mut World, step: &Step) {
    match *step {
        Step::Submit(priority, policies, delay_ms) => world.submit(priority, policies, delay_ms),
        Step::Lease(priority, count) => world.lease(priority, count),
        Step::Start(pick) => {
            let facts = world.leased(pick).map(|leased| leased.fact("started")).into_iter().collect();
            let (by, mut moment) = (world.by.clone(), world.moment());
            world.books.start(&mut moment, &Start { by, facts });
        }
        Step::Settle(pick, outcome) => drop(world.leased(pick).map(|leased| world.settle(&leased, outcome))),
        Step::Retry(pick, delay_ms) => drop(world.leased(pick).map(|leased| world.retry(&leased, delay_ms))),
        Step::HandBack(pick, park_ms) => drop(world.leased(pick).map(|leased| world.hand_back(&leased, park_ms))),
        Step::Bury(pick) => drop(world.leased(pick).map(|leased| world.bury(&leased))),
        Step::Reap => world.reap(),
        Step::Promote => world.promote(),
        Step::Cancel(pick, only_past) => world.cancel(pick, only_past),
        Step::Requeue(pick, which) => world.requeue(pick, which),
        Step::ReadLog(count) => world.read_log(count),
        Step::Fold(pick, count) => world.fold(pick, count),
        Step::Wait(ms) => world.now_ms += ms,
    }
}

/// Tokens by task, index and generation.
fn tokens(world: &World) -> BTreeMap<(TaskId, u32, u32), usize> {
    let mut held = Vec::new();
    for (name, stream) in &world.books.streams {
        for (entry_id, fields) in &stream.entries {
            let unfolded = stream
                .group
                .as_ref()
                .is_some_and(|group| *entry_id > group.delivered_id || group.pending.contains_key(entry_id));
            match name {
                StreamName::Work(..) => held.push(attempt(fields)),
                StreamName::Events if unfolded => {
                    let settles = |kind| matches!(kind, FactKind::Completed | FactKind::Failed);
                    let facts = read_lines(fields).into_iter().flatten().filter(|fact| settles(fact.kind));
                    held.extend(facts.map(|fact| task_core::law::identity::Attempt {
                        subtask_id: fact.task_id.subtask(0).unwrap(),
                        index: fact.index.unwrap(),
                        task_id: fact.task_id,
                        generation: fact.generation,
                        attempt: fact.attempt,
                        crashes: fact.crashes,
                    }));
                }
                _ => {}
            }
        }
    }
    let blocked = world.books.plans.values().flat_map(|plan| plan.blocked.values());
    held.extend(world.books.bodies.values().chain(blocked).map(|body| attempt(&unpack(body).unwrap().1)));
    assert!(world.books.delayed.keys().eq(world.books.bodies.keys()), "a member without a body, or a body without one");
    let mut tokens = BTreeMap::new();
    for it in held {
        *tokens.entry((it.task_id, it.index, it.generation)).or_default() += 1;
    }
    tokens
}

fn check_tokens(world: &World) -> Result<(), TestCaseError> {
    let tokens = tokens(world);
    for (task_id, task) in &world.books.tasks {
        for index in 0..task.state.total {
            let current = task.state.generation(index);
            let held = |generation| tokens.get(&(task_id.clone(), index, generation)).copied().unwrap_or(0);
            if task.state.record(index).is_none() {
                prop_assert_eq!(held(current), 1, "{} {}", task_id, index);
            }
            for generation in 0..=current {
                if let Some(record) = task.state.records.get(&(index, generation)) {
                    let overtaken = usize::from(record.attempt == 0);
                    prop_assert!(held(generation) <= overtaken, "{task_id} {index} {generation}: {record:?}");
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn tokens_are_conserved_and_every_plan_ends(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in &steps {
            take(&mut world, step);
            check_tokens(&world)?;
        }
        world.finish();
        check_tokens(&world)?;
        for task in world.books.tasks.values() {
            prop_assert!(task.state.status.is_terminal());
        }
        prop_assert_eq!((world.books.backlog(&queue()), world.books.plans.len()), (0, 0));
    }
}
