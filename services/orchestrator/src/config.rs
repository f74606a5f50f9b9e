//! What the binary decides for this service.

use proto_schemas::{Kind, limit};
use std::time::Duration;
use task_core::Rules;

/// The kinds that every worker of Millstream serves.
pub const BUILT_IN_KINDS: [&str; 2] = ["simulate", "test_task"];

/// The settings of one orchestrator.
#[derive(Debug, Clone)]
pub struct Config {
    /// A name or an address to listen on.
    pub host: String,
    /// 0 takes any free port.
    pub port: u16,
    /// Plans a task that brings no subtasks of its own.
    pub plan_rules: Rules,
    /// The kinds that are accepted.
    pub kinds: Vec<Kind>,
    /// Entries a queue may hold before a submission is refused.
    pub backlog_max: u64,
    /// From acceptance to the deadline of a task.
    pub task_deadline: Duration,
    /// How long requests in flight may go on after the signal to stop.
    pub shutdown_grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8000,
            plan_rules: Rules::built_in(),
            kinds: BUILT_IN_KINDS.iter().map(|kind| Kind::new(*kind).expect("a built-in kind is a token")).collect(),
            backlog_max: limit::BACKLOG_MAX,
            task_deadline: Duration::from_millis(limit::TASK_DEADLINE_MS),
            shutdown_grace: Duration::from_secs(25),
        }
    }
}
