//! Running again what has ended: which subtasks that means, and what each of them carries.
//!
//! A set that runs again is closed in both directions. Down: whoever depends on one of them and did not complete was
//! skipped or cancelled for it, and runs again after it. Up: a parent that did not complete and whose edge asks for
//! completion runs again first, because its child could not have started without it. And where one of them ended
//! everything that was open, because an edge of it says `fail_fast`, all that was cancelled for that runs again too.
//! What has not ended is left as it is: it still has its own token.

use proto_schemas::record::{field_of, generation_field};
use proto_schemas::{OnFailure, Outcome, Record, SubtaskDefinition};
use std::collections::{BTreeSet, HashMap};

/// How a subtask stands in its current generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The generation, from 0.
    pub generation: u32,
    /// How it ended, if it has.
    pub record: Option<Record>,
}

/// A subtask that is to run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// Its index.
    pub index: u32,
    /// The generation that is replaced.
    pub generation: u32,
    /// Who depends on it, also those that do not run again: `<index>:<on_failure>`, separated by spaces.
    pub edges: String,
}

/// What is to run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection<'a> {
    /// All that did not complete; everything if all did.
    Rest,
    /// These, whatever became of them, and what they draw along.
    These(&'a [u32]),
}

/// How the subtask at `index` stands, by the fields of `outcomes:<task>`.
pub fn standing(outcomes: &HashMap<String, String>, index: u32) -> Standing {
    let generation = outcomes.get(&generation_field(index)).and_then(|text| text.parse().ok()).unwrap_or(0);
    let record = outcomes.get(&field_of(index, generation)).and_then(|text| Record::decode(text).ok());
    Standing { generation, record }
}

/// The subtasks to run again, by index; empty if what is selected has not ended.
pub fn again(plan: &[SubtaskDefinition], outcomes: &HashMap<String, String>, selection: Selection) -> Vec<Again> {
    let standings: Vec<Standing> = (0..).zip(plan).map(|(index, _)| standing(outcomes, index)).collect();
    let children = children_of(plan);
    let ended = |index: u32| standings.get(index as usize).is_some_and(|it| it.record.is_some());
    let rest = |index: u32| standings.get(index as usize).is_some_and(is_rest);
    let mut next: Vec<u32> = match selection {
        Selection::These(indexes) => indexes.iter().copied().filter(|index| ended(*index)).collect(),
        Selection::Rest => indexes(plan).filter(|index| rest(*index)).collect(),
    };
    // If something has not ended, all did not complete: somebody else had the rest run again a moment ago.
    if next.is_empty() && selection == Selection::Rest && indexes(plan).all(ended) {
        next = indexes(plan).collect();
    }
    let mut chosen = BTreeSet::new();
    while let Some(index) = next.pop() {
        if !chosen.insert(index) {
            continue;
        }
        next.extend(children[index as usize].iter().map(|(child, _)| *child).filter(|child| rest(*child)));
        let needed = plan[index as usize].depends_on.iter().filter(|parent| parent.on_failure != OnFailure::Continue);
        next.extend(needed.map(|parent| parent.index).filter(|parent| rest(*parent)));
        let fails_fast = children[index as usize].iter().any(|(_, on_failure)| *on_failure == OnFailure::FailFast);
        if fails_fast && rest(index) {
            next.extend(indexes(plan).filter(|index| is_failed_fast(&standings[*index as usize])));
        }
    }
    let item = |index: u32| Again {
        index,
        generation: standings[index as usize].generation,
        edges: encode_edges(&children[index as usize]),
    };
    chosen.into_iter().map(item).collect()
}

/// Whether it has ended, and not well.
fn is_rest(standing: &Standing) -> bool {
    standing.record.as_ref().is_some_and(|record| record.outcome != Outcome::Completed)
}

/// Whether it was cancelled because some other subtask failed, whatever it has to do with it.
fn is_failed_fast(standing: &Standing) -> bool {
    standing.record.as_ref().is_some_and(|record| record.reason.as_deref() == Some("fail_fast"))
}

fn indexes(plan: &[SubtaskDefinition]) -> impl Iterator<Item = u32> {
    (0..).zip(plan).map(|(index, _)| index)
}

/// The out-edges of each subtask, by index.
fn children_of(plan: &[SubtaskDefinition]) -> Vec<Vec<(u32, OnFailure)>> {
    let mut children = vec![Vec::new(); plan.len()];
    for (index, subtask) in (0..).zip(plan) {
        for parent in &subtask.depends_on {
            // A plan that a hand broke may name a parent that it does not have.
            if let Some(list) = children.get_mut(parent.index as usize) {
                list.push((index, parent.on_failure));
            }
        }
    }
    children
}

fn encode_edges(children: &[(u32, OnFailure)]) -> String {
    children.iter().map(|(index, on_failure)| format!("{index}:{on_failure}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_schemas::{Kind, Parent, Priority};

    /// A plan of `(index of a parent, policy)` lists.
    fn plan(parents: &[&[(u32, OnFailure)]]) -> Vec<SubtaskDefinition> {
        let kind = || Kind::new("k").unwrap();
        let parent =
            |(index, on_failure): &(u32, OnFailure)| Parent { name: kind(), index: *index, on_failure: *on_failure };
        let define = |list: &&[(u32, OnFailure)]| SubtaskDefinition {
            depends_on: list.iter().map(parent).collect(),
            ..SubtaskDefinition::new(kind(), "d", Priority::Medium)
        };
        parents.iter().map(define).collect()
    }

    fn outcomes(fields: &[(&str, &str)]) -> HashMap<String, String> {
        fields.iter().map(|(name, word)| ((*name).to_owned(), format!("{word} 1 0 5"))).collect()
    }

    fn indexes_of(plan: &[SubtaskDefinition], fields: &[(&str, &str)], selection: Selection) -> Vec<u32> {
        again(plan, &outcomes(fields), selection).into_iter().map(|it| it.index).collect()
    }

    use OnFailure::{Continue, FailFast, Skip};

    #[test]
    fn the_rest_is_what_did_not_complete_and_everything_if_all_did() {
        let plan = plan(&[&[], &[], &[]]);
        let some = [("0", "completed"), ("1", "failed"), ("2", "cancelled")];
        assert_eq!(indexes_of(&plan, &some, Selection::Rest), [1, 2]);
        let all = [("0", "completed"), ("1", "completed"), ("2", "completed")];
        assert_eq!(indexes_of(&plan, &all, Selection::Rest), [0, 1, 2]);
        assert_eq!(indexes_of(&plan, &all, Selection::These(&[2, 2])), [2]);
        assert!(indexes_of(&plan, &all[..2], Selection::Rest).is_empty(), "the rest runs already");
        assert!(indexes_of(&plan, &[], Selection::Rest).is_empty(), "what has not ended is left alone");
        assert!(indexes_of(&plan, &some[..1], Selection::These(&[1, 9])).is_empty());
    }

    #[test]
    fn a_selection_draws_along_the_dependants_that_did_not_complete() {
        let plan = plan(&[&[], &[(0, Skip)], &[(1, Skip)], &[(0, Continue)], &[(3, Skip)], &[]]);
        let fields = [
            ("0", "failed"),
            ("1", "cancelled"),
            ("2", "cancelled"),
            ("3", "completed"),
            ("4", "completed"),
            ("5", "cancelled"),
        ];
        assert_eq!(indexes_of(&plan, &fields, Selection::These(&[0])), [0, 1, 2]);
    }

    #[test]
    fn a_selection_draws_along_the_parents_it_cannot_do_without() {
        let plan = plan(&[&[], &[], &[], &[(0, FailFast), (1, Continue), (2, Skip)]]);
        let fields = [("0", "cancelled"), ("1", "failed"), ("2", "completed"), ("3", "cancelled")];
        assert_eq!(indexes_of(&plan, &fields, Selection::These(&[3])), [0, 3]);
    }

    #[test]
    fn what_failed_everything_fast_draws_along_all_that_was_cancelled_for_it() {
        let plan = plan(&[&[], &[(0, FailFast)], &[], &[], &[(2, Skip)], &[(3, Skip)]]);
        let mut outcomes = outcomes(&[("0", "failed"), ("3", "failed"), ("5", "cancelled")]);
        for index in ["1", "2", "4"] {
            outcomes.insert(index.to_owned(), "cancelled 0 0 5 fail_fast".to_owned());
        }
        let indexes = |index: u32| -> Vec<u32> {
            again(&plan, &outcomes, Selection::These(&[index])).into_iter().map(|it| it.index).collect()
        };
        assert_eq!(indexes(0), [0, 1, 2, 4]);
        assert_eq!(indexes(3), [3, 5], "it stopped nobody but who depends on it");
    }

    #[test]
    fn what_runs_again_names_its_generation_and_all_who_depend_on_it() {
        let plan = plan(&[&[], &[(0, FailFast)], &[(0, Continue)]]);
        let mut outcomes = outcomes(&[("0", "completed"), ("0@2", "failed"), ("1", "cancelled"), ("2", "completed")]);
        outcomes.insert("g:0".to_owned(), "2".to_owned());
        let items = again(&plan, &outcomes, Selection::Rest);
        let edges = "1:fail_fast 2:continue".to_owned();
        assert_eq!(items[0], Again { index: 0, generation: 2, edges });
        assert_eq!(items[1], Again { index: 1, generation: 0, edges: String::new() });
        assert_eq!(items.len(), 2);
    }

    #[test]
    fn a_standing_is_that_of_the_current_generation() {
        let mut outcomes = outcomes(&[("0", "failed")]);
        assert_eq!(standing(&outcomes, 0).record.map(|record| record.outcome), Some(Outcome::Failed));
        outcomes.insert("g:0".to_owned(), "1".to_owned());
        assert_eq!(standing(&outcomes, 0), Standing { generation: 1, record: None });
    }
}
