//! One order: a task with all that the client means to do with it, drawn from the seed and its number alone, so that it
//! can be sent again word for word long after.

use crate::handler::{KIND, Params};
use crate::installation::LEASE_MS;
use fastrand::Rng;
use proto_schemas::OnFailure;
use serde_json::{Value, json};

/// From this number on, orders are the canary's.
pub const CANARIES: u64 = 1 << 40;

/// How long an attempt may take where an order says so: the least that the API takes.
const TIMEOUT_MS: u64 = 1_000;

/// What the client does beside submitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Nothing.
    Plain,
    /// It submits the same again under the same key.
    Repeats,
    /// It submits something else under the same key.
    Confuses,
    /// It cancels after so many ms.
    Cancels(u64),
    /// It runs the task again when it has ended.
    Replays,
}

/// How the handler is told to behave in one subtask, and how often it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// How many of its attempts fail before one succeeds.
    pub failures: u32,
    /// Whether it fails for good instead.
    pub is_fatal: bool,
    /// The attempt after which a failure is final.
    pub max_attempts: u32,
    /// Whether it works longer than an attempt may.
    pub overruns: bool,
}

/// What one subtask waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The index of the other one.
    pub parent: u32,
    /// What becomes of the waiting one if that does not complete.
    pub on_failure: OnFailure,
}

/// One order.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its number.
    pub seq: u64,
    /// The key under which it is sent.
    pub key: String,
    /// What else the client does.
    pub habit: Habit,
    /// Whether somebody follows the task to its end.
    pub is_followed: bool,
    /// Whether nothing of it is to start at once.
    pub delay_ms: Option<u64>,
    /// How long after that what has not ended is given up.
    pub deadline_ms: Option<u64>,
    priority: u8,
    steps: Vec<Step>,
}

/// One subtask.
#[derive(Debug, Clone)]
struct Step {
    edges: Vec<Edge>,
    params: Params,
    max_attempts: u32,
    timeout_ms: Option<u64>,
}

impl Order {
    /// Draws order `seq` of a run.
    pub fn draw(seed: u64, seq: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ seq.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let key = format!("chaos-{seed}-{seq}");
        if seq >= CANARIES {
            let steps = vec![Step::of(Params { work_ms: 0, ..Params::plain(seq) }, Vec::new())];
            let (habit, is_followed, delay_ms, deadline_ms) = (Habit::Plain, false, None, None);
            return Self { seq, key, habit, is_followed, delay_ms, deadline_ms, priority: 3, steps };
        }
        let shape = rng.f64();
        let steps = if shape < 0.2 { graph(seq, &mut rng) } else { fan_out(seq, &mut rng) };
        let habit = match rng.f64() {
            part if part < 0.05 => Habit::Repeats,
            part if part < 0.10 => Habit::Confuses,
            part if part < 0.13 => Habit::Cancels(rng.u64(..600)),
            part if part < 0.16 => Habit::Replays,
            _ => Habit::Plain,
        };
        let delay_ms = (rng.f64() < 0.1).then(|| rng.u64(300..3_000));
        let deadline_ms = (rng.f64() < 0.04).then(|| 1_000 * rng.u64(1..4));
        // Who follows a task expects its end to be final.
        let (is_followed, priority) = (rng.f64() < 0.3 && habit != Habit::Replays, rng.u8(..4));
        Self { seq, key, habit, is_followed, delay_ms, deadline_ms, priority, steps }
    }

    /// What each of its subtasks waits for.
    pub fn edges(&self) -> Vec<Vec<Edge>> {
        self.steps.iter().map(|step| step.edges.clone()).collect()
    }

    /// What its subtasks are to do.
    pub fn scripts(&self) -> Vec<Script> {
        let script = |Step { params, max_attempts, timeout_ms, .. }: &Step| Script {
            failures: params.failures,
            is_fatal: params.is_fatal,
            max_attempts: *max_attempts,
            overruns: timeout_ms.is_some_and(|ms| params.work_ms > ms),
        };
        self.steps.iter().map(script).collect()
    }

    /// The document to post; `is_other` makes it another one of the same key.
    pub fn body(&self, is_other: bool) -> Value {
        let other = if is_other { " but otherwise" } else { "" };
        let mut body = json!({
            "description": format!("chaos {}{other}", self.seq),
            "priority": self.priority,
            "subtasks": self.steps.iter().enumerate().map(|(index, step)| step.body(index)).collect::<Vec<_>>(),
        });
        if let Some(ms) = self.delay_ms {
            body["delay_seconds"] = json!(ms as f64 / 1_000.0);
        }
        if let Some(ms) = self.deadline_ms {
            body["deadline_seconds"] = json!(ms / 1_000);
        }
        body
    }
}

/// The number in a description, and whether it is the other document of its key.
pub fn seq_of(description: &str) -> Option<(u64, bool)> {
    let rest = description.strip_prefix("chaos ")?;
    match rest.split_once(' ') {
        Some((seq, _)) => Some((seq.parse().ok()?, true)),
        None => Some((rest.parse().ok()?, false)),
    }
}

impl Step {
    fn of(params: Params, edges: Vec<Edge>) -> Self {
        Self { edges, params, max_attempts: 5, timeout_ms: None }
    }

    fn draw(seq: u64, edges: Vec<Edge>, rng: &mut Rng) -> Self {
        let mut params = Params::plain(seq);
        params.work_ms = match rng.f64() {
            part if part < 0.03 => rng.u64(LEASE_MS..5 * LEASE_MS),
            _ => (5.0 * (1.2 * normal(rng)).exp()).min(1_000.0) as u64,
        };
        params.is_stubborn = params.work_ms >= LEASE_MS || rng.f64() < 0.05;
        let mut step = Self::of(params, edges);
        match rng.f64() {
            part if part < 0.05 => step.params.failures = rng.u32(1..3),
            part if part < 0.065 => step.params.is_fatal = true,
            part if part < 0.08 => (step.params.failures, step.max_attempts) = (u32::MAX, 2),
            // An abort reaches it: late effects are left to those that faults make.
            part if part < 0.09 => {
                (step.params.work_ms, step.params.is_stubborn) = (3 * TIMEOUT_MS, false);
                (step.timeout_ms, step.max_attempts) = (Some(TIMEOUT_MS), 2);
            }
            _ => {}
        }
        let bytes = match rng.f64() {
            part if part < 0.001 => 60 * 1024,
            part if part < 0.02 => rng.usize(1_000..8_000),
            _ => rng.usize(..100),
        };
        step.params.padding = "x".repeat(bytes);
        step
    }

    fn body(&self, index: usize) -> Value {
        let depends_on = |Edge { parent, on_failure }: &Edge| json!({ "name": format!("s{parent}"), "on_failure": on_failure.as_str() });
        let mut body = json!({
            "name": format!("s{index}"),
            "kind": KIND,
            "description": "chaos",
            "params": self.params,
            "max_attempts": self.max_attempts,
        });
        body["backoff"] = json!({ "base_seconds": 0.2, "cap_seconds": 1 });
        if !self.edges.is_empty() {
            body["depends_on"] = self.edges.iter().map(depends_on).collect();
        }
        if let Some(ms) = self.timeout_ms {
            body["timeout_seconds"] = json!(ms / 1_000);
        }
        body
    }
}

impl Params {
    fn plain(seq: u64) -> Self {
        Self { seq, work_ms: 0, is_stubborn: false, failures: 0, is_fatal: false, padding: String::new() }
    }
}

fn fan_out(seq: u64, rng: &mut Rng) -> Vec<Step> {
    let count = if rng.f64() < 0.1 { rng.usize(8..20) } else { rng.usize(1..6) };
    (0..count).map(|_| Step::draw(seq, Vec::new(), rng)).collect()
}

/// A chain, a diamond, or any graph whose edges point back.
fn graph(seq: u64, rng: &mut Rng) -> Vec<Step> {
    let count = rng.u32(2..8);
    let kind = rng.u8(..3);
    let parents = |index: u32, rng: &mut Rng| match (kind, index) {
        (_, 0) => Vec::new(),
        (0, _) => vec![index - 1],
        (1, last) if last == count - 1 => (0..last).filter(|&parent| parent > 0 || last == 1).collect(),
        (1, _) => vec![0],
        _ => (0..index).filter(|_| rng.f64() < 0.4).collect(),
    };
    (0..count)
        .map(|index| {
            let edge = |parent, rng: &mut Rng| Edge { parent, on_failure: policy(rng) };
            let edges = parents(index, rng).into_iter().map(|parent| edge(parent, rng)).collect();
            Step::draw(seq, edges, rng)
        })
        .collect()
}

fn policy(rng: &mut Rng) -> OnFailure {
    match rng.u8(..4) {
        0 => OnFailure::Skip,
        1 => OnFailure::Continue,
        _ => OnFailure::FailFast,
    }
}

/// A number of the normal distribution, by twelve dice.
fn normal(rng: &mut Rng) -> f64 {
    (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_drawn_again_word_for_word_and_its_number_is_read_from_it() {
        for seq in [0, 1, 77, CANARIES] {
            let body = Order::draw(9, seq).body(false);
            assert_eq!(body, Order::draw(9, seq).body(false));
            assert_eq!(seq_of(body["description"].as_str().unwrap()), Some((seq, false)));
            let other = Order::draw(9, seq).body(true);
            assert_eq!(seq_of(other["description"].as_str().unwrap()), Some((seq, true)));
        }
        assert_eq!(seq_of("something else"), None);
    }

    #[test]
    fn every_shape_and_habit_is_drawn_and_edges_point_back() {
        let orders: Vec<Order> = (0..2_000).map(|seq| Order::draw(3, seq)).collect();
        let has = |test: &dyn Fn(&Order) -> bool| orders.iter().any(test);
        assert!(has(&|order| order.delay_ms.is_some()));
        assert!(has(&|order| order.habit == Habit::Repeats) && has(&|order| order.habit == Habit::Confuses));
        assert!(has(&|order| matches!(order.habit, Habit::Cancels(_))) && has(&|order| order.habit == Habit::Replays));
        assert!(has(&|order| order.steps.iter().any(|step| step.params.is_fatal)));
        assert!(has(&|order| order.steps.iter().any(|step| step.params.is_stubborn)));
        assert!(has(&|order| order.steps.iter().any(|step| step.edges.len() > 1)));
        assert!(has(&|order| order.deadline_ms.is_some()));
        assert!(has(&|order| order.scripts().iter().any(|script| script.overruns)));
        for policy in [OnFailure::FailFast, OnFailure::Skip, OnFailure::Continue] {
            assert!(has(&|order| order.edges().concat().iter().any(|edge| edge.on_failure == policy)), "{policy}");
        }
        for order in &orders {
            for (index, edges) in order.edges().iter().enumerate() {
                assert!(edges.iter().all(|edge| (edge.parent as usize) < index), "{order:?}");
            }
        }
        let subtasks: usize = orders.iter().map(|order| order.steps.len()).sum();
        assert!((2.0..8.0).contains(&(subtasks as f64 / orders.len() as f64)));
    }
}
