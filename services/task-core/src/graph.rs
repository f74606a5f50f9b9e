//! The graph of a plan: from names to indexes, and what is wrong with it.
//!
//! Everything wrong is told at once, each fault with the edge that it is about. Nothing here recurses: a chain of a
//! thousand subtasks is as deep as a thousand of them side by side.

use proto_schemas::limit::PARENTS_MAX;
use proto_schemas::{Kind, OnFailure, Parent};
use std::collections::{BTreeSet, HashMap, HashSet};

/// A subtask as its client wrote it.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// Its name, if it has one.
    pub name: Option<&'a str>,
    /// What it depends on.
    pub depends_on: &'a [Edge],
}

/// One thing that a subtask depends on, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The name that another subtask of the plan should have.
    pub name: String,
    /// What becomes of the dependant if that does not complete.
    pub on_failure: OnFailure,
}

/// What is wrong with a plan, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The index of the subtask.
    pub node: usize,
    /// The place in its list; none if it is about the list.
    pub edge: Option<usize>,
    /// What.
    pub what: FaultKind,
}

/// The ways in which an edge is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// There are more than 50 of them.
    TooMany,
    /// No subtask of the plan has this name.
    Unknown,
    /// It is the subtask's own name.
    Itself,
    /// It stands in the list already.
    Twice,
    /// Following the edges leads back to where they began, over so many subtasks.
    Cycle(usize),
}

/// The parents of each subtask by index, or everything that is wrong, in the order of the plan. Of equal names the
/// first counts; that a name stands twice is the caller's to find.
pub fn resolve(nodes: &[Node]) -> Result<Vec<Vec<Parent>>, Vec<Fault>> {
    let mut places = HashMap::new();
    for (index, name) in nodes.iter().enumerate().filter_map(|(index, node)| Some((index, node.name?))) {
        places.entry(name).or_insert(index);
    }
    let mut faults = Vec::new();
    let mut graph = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        graph.push(parents_of(index, node, &places, &mut faults));
    }
    faults.extend(find_cycle(&graph));
    faults.sort();
    if !faults.is_empty() {
        return Err(faults);
    }
    let plain = |list: Vec<Placed>| list.into_iter().map(|placed| placed.parent).collect();
    Ok(graph.into_iter().map(plain).collect())
}

/// A sound edge and its place in the client's list.
struct Placed {
    parent: Parent,
    edge: usize,
}

fn parents_of(index: usize, node: &Node, places: &HashMap<&str, usize>, faults: &mut Vec<Fault>) -> Vec<Placed> {
    let mut fault = |edge, what| faults.push(Fault { node: index, edge, what });
    if node.depends_on.len() > PARENTS_MAX {
        fault(None, FaultKind::TooMany);
        return Vec::new(); // naming each of thousands helps nobody
    }
    let mut seen = HashSet::new();
    let mut parents = Vec::new();
    for (edge, Edge { name, on_failure }) in node.depends_on.iter().enumerate() {
        let at = places.get(name.as_str()).and_then(|at| Some((*at, u32::try_from(*at).ok()?)));
        match (at, Kind::new(name.as_str())) {
            (None, _) | (_, Err(_)) => fault(Some(edge), FaultKind::Unknown),
            (Some((at, _)), _) if at == index => fault(Some(edge), FaultKind::Itself),
            (Some((at, _)), _) if !seen.insert(at) => fault(Some(edge), FaultKind::Twice),
            (Some((_, index)), Ok(name)) => {
                parents.push(Placed { parent: Parent { name, index, on_failure: *on_failure }, edge });
            }
        }
    }
    parents
}

/// One cycle if there is any, told at its subtask of the smallest index.
fn find_cycle(graph: &[Vec<Placed>]) -> Option<Fault> {
    let mut children = vec![Vec::new(); graph.len()];
    let mut waits: Vec<usize> = graph.iter().map(Vec::len).collect();
    for (index, parents) in graph.iter().enumerate() {
        for placed in parents {
            children[placed.parent.index as usize].push(index);
        }
    }
    let mut ready: Vec<usize> = (0..graph.len()).filter(|index| waits[*index] == 0).collect();
    while let Some(index) = ready.pop() {
        for child in &children[index] {
            waits[*child] -= 1;
            if waits[*child] == 0 {
                ready.push(*child);
            }
        }
    }
    // Whoever still waits has a parent that still waits: going up long enough ends on a cycle.
    let stuck = |index: usize| graph[index].iter().find(|placed| waits[placed.parent.index as usize] > 0);
    let mut at = waits.iter().position(|count| *count > 0)?;
    for _ in 0..graph.len() {
        at = stuck(at)?.parent.index as usize;
    }
    let mut cycle = BTreeSet::new();
    while cycle.insert(at) {
        at = stuck(at)?.parent.index as usize;
    }
    let node = *cycle.first()?;
    Some(Fault { node, edge: stuck(node).map(|placed| placed.edge), what: FaultKind::Cycle(cycle.len()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use FaultKind::*;

    /// A plan out of names and what they depend on, written `a: b c`.
    type Faults = Vec<(usize, Option<usize>, FaultKind)>;

    fn check(plan: &[&str]) -> Result<Vec<Vec<u32>>, Faults> {
        let read: Vec<(String, Vec<Edge>)> = plan
            .iter()
            .map(|line| {
                let (name, rest) = line.split_once(':').unwrap_or((line, ""));
                let edge = |name: &str| Edge { name: name.to_owned(), on_failure: OnFailure::Skip };
                (name.to_owned(), rest.split_whitespace().map(edge).collect())
            })
            .collect();
        let nodes: Vec<Node> = read
            .iter()
            .map(|(name, edges)| Node {
                name: Some(name).filter(|name| !name.is_empty()).map(|it| &**it),
                depends_on: edges,
            })
            .collect();
        resolve(&nodes)
            .map(|graph| graph.iter().map(|parents| parents.iter().map(|parent| parent.index).collect()).collect())
            .map_err(|faults| faults.into_iter().map(|fault| (fault.node, fault.edge, fault.what)).collect())
    }

    #[test]
    fn names_become_indexes_whatever_the_order() {
        assert_eq!(check(&["a: c b", "b", "c: b", ""]), Ok(vec![vec![2, 1], vec![], vec![1], vec![]]));
        assert_eq!(check(&[]), Ok(vec![]));
    }

    #[test]
    fn everything_wrong_is_told_at_once_in_the_order_of_the_plan() {
        let faults = check(&["a: b x", "b: b", "c: a a", "d: e", "e: d"]).unwrap_err();
        assert_eq!(faults, [(0, Some(1), Unknown), (1, Some(0), Itself), (2, Some(1), Twice), (3, Some(0), Cycle(2)),]);
        assert_eq!(check(&["a", ": b a"]).unwrap_err(), [(1, Some(0), Unknown)], "who has no name is nobody's parent");
    }

    #[test]
    fn fifty_parents_are_enough() {
        let names: Vec<String> = (0..=PARENTS_MAX).map(|number| format!("p{number}")).collect();
        let plan = |count: usize| -> Vec<String> {
            names.iter().cloned().chain([format!("last: {}", names[..count].join(" "))]).collect()
        };
        let check = |count| check(&plan(count).iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(check(PARENTS_MAX).unwrap()[PARENTS_MAX + 1].len(), PARENTS_MAX);
        assert_eq!(check(PARENTS_MAX + 1).unwrap_err(), [(PARENTS_MAX + 1, None, TooMany)]);
    }

    #[test]
    fn a_cycle_is_told_by_its_own_and_not_by_who_waits_for_it() {
        let faults = check(&["after: c", "before", "a: before c", "b: a", "c: b", "end: after"]).unwrap_err();
        assert_eq!(faults, [(2, Some(1), Cycle(3))]);
    }

    #[test]
    fn a_thousand_subtasks_of_any_shape_are_judged_without_recursion() {
        let plan = |line: &dyn Fn(usize) -> String| (0..1_000).map(line).collect::<Vec<_>>();
        let check = |plan: Vec<String>| check(&plan.iter().map(String::as_str).collect::<Vec<_>>());
        let chain = plan(&|at| if at == 0 { "n0".to_owned() } else { format!("n{at}: n{}", at - 1) });
        assert_eq!(check(chain).unwrap()[999], [998]);
        let ring = plan(&|at| format!("n{at}: n{}", (at + 999) % 1_000));
        assert_eq!(check(ring).unwrap_err(), [(0, Some(0), Cycle(1_000))]);
        let dense = plan(&|at| {
            let parents: Vec<String> = (at.saturating_sub(50)..at).map(|parent| format!("n{parent}")).collect();
            format!("n{at}: {}", parents.join(" "))
        });
        assert_eq!(check(dense).unwrap()[999].len(), 50);
    }
}
