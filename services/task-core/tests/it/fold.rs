//! The fold is commutative, idempotent and keeps the books.

use proptest::prelude::*;
use proptest::sample::subsequence;
use proto_schemas::{ConsumerName, Fact, FactKind, Outcome, TaskId, TaskStatus};
use task_core::fold::final_status;
use task_core::{Folded, TaskState};

const CREATED_AT_MS: u64 = 50;

/// Any fact about a plan of up to `total` subtasks, also one that is out of it.
fn fact(total: u32) -> impl Strategy<Value = Fact> {
    let index = prop_oneof![9 => (0..total + 1).prop_map(Some), 1 => Just(None)];
    let generation = prop_oneof![9 => Just(0_u32), 1 => 1_u32..3];
    let kind = prop::sample::select(FactKind::ALL);
    (index, generation, kind, 1_u32..3, 0_u32..3, 0..3_u32, 0_u64..100).prop_map(
        |(index, generation, kind, attempt, crashes, worker, at_ms)| Fact {
            task_id: TaskId::new("t").unwrap(),
            index,
            generation,
            kind,
            attempt,
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

/// A history as the ack fence lets it be: of each subtask's terminal facts only the first, however often it is told.
fn fence(facts: &[Fact]) -> Vec<Fact> {
    let terminal = |fact: &Fact| proto_schemas::Record::of(fact).is_some();
    let place = |fact: &Fact| (fact.index, fact.generation);
    let first = |at: usize| !facts[..at].iter().any(|other| terminal(other) && place(other) == place(&facts[at]));
    (0..facts.len()).filter(|&at| !terminal(&facts[at]) || first(at)).map(|at| facts[at].clone()).collect()
}

fn fold(total: u32, facts: &[Fact]) -> TaskState {
    let mut state = TaskState::new(total, CREATED_AT_MS);
    for fact in facts {
        state.apply(fact);
    }
    state
}

fn check_books(state: &TaskState) -> Result<(), TestCaseError> {
    let count = |outcome| state.records.values().filter(|record| record.outcome == outcome).count() as u32;
    let histogram = [Outcome::Completed, Outcome::Failed, Outcome::Cancelled].map(count);
    prop_assert_eq!([state.completed, state.failed, state.cancelled], histogram);
    let ended = state.completed + state.failed + state.cancelled;
    prop_assert!(ended <= state.total);
    prop_assert_eq!(state.status.is_terminal(), ended == state.total);
    prop_assert_eq!(state.finished_at_ms.is_some(), ended == state.total);
    prop_assert!(ended == 0 || state.status != TaskStatus::Queued);
    prop_assert!(state.progress.keys().all(|index| !state.records.contains_key(index)));
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
            prop_assert_ne!(state.apply(fact), Folded::Counted);
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
            prop_assert!(!before.status.is_terminal() || state.status == before.status);
            prop_assert!(before.records.iter().all(|(index, record)| state.records.get(index) == Some(record)));
            prop_assert_eq!(folded == Folded::Counted, state.records.len() > before.records.len());
            prop_assert!(folded != Folded::Ignored || state == before);
        }
        if state.status.is_terminal() {
            prop_assert_eq!(state.status, final_status(state.failed, state.cancelled));
        }
    }

    /// Rebuild: from what is kept, then from the log, is the same state, whatever part of the log is retained.
    #[test]
    fn a_recount_and_the_log_give_the_same_state((total, facts) in history()) {
        let facts = fence(&facts);
        let folded = fold(total, &facts);
        let mut rebuilt =
            TaskState::recount(total, CREATED_AT_MS, folded.records.clone(), folded.progress.clone());
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
