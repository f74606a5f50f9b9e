//! The fold is commutative, idempotent and keeps the books.

use proptest::prelude::*;
use proptest::sample::subsequence;
use proto_schemas::{ConsumerName, Fact, FactKind, Outcome, TaskId, TaskStatus};
use task_core::fold::final_status;
use task_core::{Folded, TaskState};

const CREATED_AT_MS: u64 = 50;

/// Any fact about a plan of up to `total` subtasks, also one that is out of it; a cancel is about all that follow too.
fn fact(total: u32) -> impl Strategy<Value = Fact> {
    let index = prop_oneof![9 => (0..total + 1).prop_map(Some), 1 => Just(None)];
    let generation = prop_oneof![6 => Just(0_u32), 4 => 1_u32..3];
    let kind = prop::sample::select(FactKind::ALL);
    (index, generation, kind, 1_u32..3, 0_u32..3, 0..3_u32, 0_u64..100).prop_map(
        move |(index, generation, kind, attempt, crashes, worker, at_ms)| Fact {
            task_id: TaskId::new("t").unwrap(),
            index,
            last: index.filter(|first| kind == FactKind::Cancelled && first + 1 < total).map(|_| total - 1),
            generation,
            kind,
            attempt: if kind == FactKind::Cancelled { attempt - 1 } else { attempt },
            crashes,
            worker: ConsumerName::new(format!("w{worker}")).unwrap(),
            at_ms,
            reason: None,
        },
    )
}

fn history() -> impl Strategy<Value = (u32, Vec<Fact>)> {
    (1_u32..5).prop_flat_map(|total| (Just(total), prop::collection::vec(fact(total), 0..60)))
}

/// A history as the ack fence lets it be: of the facts that complete or fail a place only the first, however often it
/// is told.
fn fence(facts: &[Fact]) -> Vec<Fact> {
    let settles = |fact: &Fact| matches!(fact.kind, FactKind::Completed | FactKind::Failed);
    let place = |fact: &Fact| (fact.index, fact.generation);
    let first = |at: usize| !facts[..at].iter().any(|other| settles(other) && place(other) == place(&facts[at]));
    (0..facts.len()).filter(|&at| !settles(&facts[at]) || first(at)).map(|at| facts[at].clone()).collect()
}

fn fold(total: u32, facts: &[Fact]) -> TaskState {
    let mut state = TaskState::new(total, CREATED_AT_MS);
    for fact in facts {
        state.apply(fact);
    }
    state
}

fn check_books(state: &TaskState) -> Result<(), TestCaseError> {
    let current: Vec<_> = (0..state.total).filter_map(|index| state.record(index)).collect();
    let count = |outcome| current.iter().filter(|record| record.outcome == outcome).count() as u32;
    let histogram = [Outcome::Completed, Outcome::Failed, Outcome::Cancelled].map(count);
    prop_assert_eq!([state.completed, state.failed, state.cancelled], histogram);
    let ended = state.completed + state.failed + state.cancelled;
    prop_assert!(ended <= state.total);
    prop_assert_eq!(state.status.is_terminal(), ended == state.total);
    prop_assert_eq!(state.finished_at_ms.is_some(), ended == state.total);
    prop_assert!(ended == 0 || state.status != TaskStatus::Queued);
    prop_assert!(state.progress.keys().all(|place| !state.records.contains_key(place)));
    prop_assert!(state.progress.keys().all(|(index, generation)| *generation >= state.generation(*index)));
    prop_assert!(state.finished_at_ms.is_none_or(|at_ms| at_ms <= state.updated_at_ms));
    Ok(())
}

proptest! {
    #[test]
    fn order_does_not_matter(
        (total, facts, shuffled) in history().prop_flat_map(|(total, facts)| {
            let facts = fence(&facts);
            (Just(total), Just(facts.clone()), Just(facts).prop_shuffle())
        })
    ) {
        prop_assert_eq!(fold(total, &facts), fold(total, &shuffled));
    }

    #[test]
    fn repetition_does_not_matter(
        (total, facts, repeated) in history().prop_flat_map(|(total, facts)| {
            let facts = fence(&facts);
            let again = subsequence(facts.clone(), 0..=facts.len());
            let repeated = again.prop_flat_map({
                let facts = facts.clone();
                move |again| Just([facts.clone(), again].concat()).prop_shuffle()
            });
            (Just(total), Just(facts), repeated)
        })
    ) {
        prop_assert_eq!(fold(total, &facts), fold(total, &repeated));
    }

    #[test]
    fn folding_all_again_changes_nothing((total, facts) in history()) {
        let mut state = fold(total, &facts);
        let before = state.clone();
        for fact in &facts {
            prop_assert!(!state.apply(fact).contains(&Folded::Counted));
        }
        prop_assert_eq!(state, before);
    }

    #[test]
    fn the_books_hold_after_every_fact_of_any_history((total, facts) in history()) {
        let mut state = TaskState::new(total, CREATED_AT_MS);
        for fact in &facts {
            let before = state.clone();
            let folded = state.apply(fact);
            check_books(&state)?;
            let stays = |place| state.records.get(place) == before.records.get(place);
            let cancelled = |place| state.records[place].outcome == Outcome::Cancelled;
            prop_assert!(before.records.keys().all(|place| stays(place) || cancelled(place)));
            prop_assert!(before.generations.iter().all(|(index, known)| state.generation(*index) >= *known));
            let closed = before.status.is_terminal() && before.generations == state.generations;
            prop_assert!(!closed || state.status.is_terminal());
            prop_assert!(!folded.contains(&Folded::Counted) || state.records != before.records);
            prop_assert!(!folded.iter().all(|folded| *folded == Folded::Ignored) || state == before);
        }
        if state.status.is_terminal() {
            prop_assert_eq!(state.status, final_status(state.failed, state.cancelled));
        }
    }

    /// What the scripts do: the first outcome stands for ever, and nothing is kept that was not opened.
    #[test]
    fn a_count_never_replaces_a_record_and_never_runs_ahead((total, facts) in history()) {
        let mut state = TaskState::new(total, CREATED_AT_MS);
        for fact in &facts {
            for index in fact.indexes() {
                let before = state.clone();
                let folded = state.count(index, fact);
                check_books(&state)?;
                prop_assert!(before.records.iter().all(|(place, record)| state.records.get(place) == Some(record)));
                prop_assert_eq!(folded == Folded::Counted, state.records.len() > before.records.len());
                prop_assert!(folded != Folded::Early && (folded != Folded::Ignored || state == before));
            }
        }
        prop_assert!(state.generations.is_empty() && state.records.keys().all(|(_, generation)| *generation == 0));
    }

    #[test]
    fn late_facts_of_older_generations_move_at_most_the_time(
        (total, facts, late) in history().prop_flat_map(|(total, facts)| {
            (Just(total), Just(facts), prop::collection::vec(fact(total), 0..20))
        })
    ) {
        let mut state = fold(total, &facts);
        for index in 0..total {
            state.apply(&Fact::decode(&format!("t {index} 3 requeued 1 0 o 200")).unwrap());
        }
        let mut after = state.clone();
        for fact in &late {
            prop_assert!(!after.apply(fact).contains(&Folded::Counted));
        }
        after.records.clone_from(&state.records);
        prop_assert_eq!(after, state);
    }

    /// A cancel of all that had not ended, in any order with completions that were on their way.
    #[test]
    fn a_cancelled_range_stands_whatever_was_on_its_way(
        (total, facts) in (2_u32..6).prop_flat_map(|total| {
            let line = format!("t 0-{} 0 cancelled 0 0 o 60", total - 1);
            let done = |index| Fact::decode(&format!("t {index} 0 completed 1 0 w 70")).unwrap();
            let facts: Vec<Fact> = (0..total).map(done).chain([Fact::decode(&line).unwrap()]).collect();
            (Just(total), Just(facts).prop_shuffle())
        })
    ) {
        let state = fold(total, &facts);
        prop_assert_eq!((state.status, state.cancelled), (TaskStatus::Cancelled, total));
        prop_assert_eq!((state.finished_at_ms, state.updated_at_ms), (Some(60), 70));
    }

    /// Rebuild: from what is kept, then from the log, is the same state, whatever part of the log is retained.
    #[test]
    fn a_recount_and_the_log_give_the_same_state((total, facts) in history()) {
        let facts = fence(&facts);
        let folded = fold(total, &facts);
        let mut rebuilt = TaskState::recount(folded.clone(), CREATED_AT_MS);
        prop_assert_eq!(
            (&rebuilt.records, &rebuilt.progress, rebuilt.finished_at_ms),
            (&folded.records, &folded.progress, folded.finished_at_ms)
        );
        check_books(&rebuilt)?;
        for fact in &facts {
            rebuilt.apply(fact);
        }
        prop_assert_eq!(rebuilt, folded);
    }
}
