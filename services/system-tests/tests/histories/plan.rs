//! Plans of every shape.

use crate::world::{World, queues};
use proto_schemas::{Kind, OnFailure, Parent, Priority, SubtaskDefinition};

/// The most subtasks of a random graph.
const NODES_MAX: usize = 8;
/// A plan whose facts take more than one entry of the log.
const CROWD: usize = 140;

/// A plan: side by side, a chain, a diamond, any graph, and once in a while a crowd.
pub fn random(world: &mut World) -> Vec<SubtaskDefinition> {
    match world.random.u32(..40) {
        0..12 => side_by_side(world, 6),
        12..20 => chain(world),
        20..30 => diamond(world),
        30..39 => graph(world),
        _ => crowd(world),
    }
}

fn side_by_side(world: &mut World, most: usize) -> Vec<SubtaskDefinition> {
    (0..world.random.usize(1..=most)).map(|_| node(world, &[])).collect()
}

fn crowd(world: &mut World) -> Vec<SubtaskDefinition> {
    (0..CROWD).map(|_| node(world, &[])).collect()
}

fn chain(world: &mut World) -> Vec<SubtaskDefinition> {
    let length = world.random.usize(2..5);
    (0..length).map(|at| if at == 0 { node(world, &[]) } else { node(world, &[at - 1]) }).collect()
}

fn diamond(world: &mut World) -> Vec<SubtaskDefinition> {
    [&[][..], &[0], &[0], &[1, 2]].map(|parents| node(world, parents)).into()
}

fn graph(world: &mut World) -> Vec<SubtaskDefinition> {
    let size = world.random.usize(3..=NODES_MAX);
    let mut nodes = Vec::with_capacity(size);
    for at in 0..size {
        let parents: Vec<usize> = (0..at).filter(|_| world.once_in(3)).collect();
        nodes.push(node(world, &parents));
    }
    nodes
}

fn node(world: &mut World, parents: &[usize]) -> SubtaskDefinition {
    let policies = [OnFailure::FailFast, OnFailure::Skip, OnFailure::Continue];
    let parent = |at: &usize, world: &mut World| Parent {
        name: Kind::new(format!("n{at}")).unwrap(),
        index: *at as u32,
        on_failure: world.pick(&policies),
    };
    let priority = world.pick(Priority::ALL);
    SubtaskDefinition {
        queue: queues()[usize::from(world.once_in(4))].clone(),
        max_attempts: world.random.u32(1..4),
        depends_on: parents.iter().map(|at| parent(at, world)).collect(),
        ..SubtaskDefinition::new(Kind::new("simulate").unwrap(), "a subtask", priority)
    }
}
