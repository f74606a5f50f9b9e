//! Opening generations again that the log tells of and the outcomes have lost.

use super::Books;
use proto_schemas::TaskId;

/// What the log tells of one task.
#[derive(Debug, Clone)]
pub struct Reopen {
    /// The task.
    pub task_id: TaskId,
    /// Indexes and their generations, as facts `requeued` told them; of several of one index the greatest counts.
    pub told: Vec<(u32, u32)>,
}

impl Books {
    /// Raises what is lower than it was told, and nothing else: whoever asks recounts afterwards. Answers how many were
    /// lower.
    pub fn reopen(&mut self, order: &Reopen) -> u64 {
        let Some(task) = self.tasks.get_mut(&order.task_id) else { return 0 };
        let before = task.state.generations.clone();
        for (index, generation) in &order.told {
            if *index < task.state.total && *generation > task.state.generation(*index) {
                task.state.generations.insert(*index, *generation);
            }
        }
        let raised = task.state.generations.iter().filter(|(index, now)| before.get(index) != Some(now)).count();
        if raised > 0 {
            task.has_generations = true;
            task.revision += 1;
        }
        raised as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::TaskBook;
    use std::collections::BTreeMap;

    #[test]
    fn only_what_is_lower_is_raised_and_the_greatest_counts() {
        let order = Reopen { task_id: TaskId::new("T").unwrap(), told: vec![(0, 2), (0, 1), (1, 2), (2, 1), (3, 1)] };
        let mut books = Books::default();
        assert_eq!(books.reopen(&order), 0);
        let mut task = TaskBook::new(BTreeMap::new(), 3, 5, 500);
        task.state.open(1, 3);
        books.tasks.insert(order.task_id.clone(), task);
        assert_eq!(books.reopen(&order), 2);
        let task = &books.tasks[&order.task_id];
        assert_eq!(task.state.generations, BTreeMap::from([(0, 2), (1, 3), (2, 1)]));
        assert_eq!((task.has_generations, task.revision), (true, 2));
        let before = books.clone();
        assert_eq!((books.reopen(&order), &books), (0, &before));
    }
}
