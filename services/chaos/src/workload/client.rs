//! A client of the API, and its ledger: what it intends is written down before it is sent, and what it was told after.

use super::order::Order;
use crate::clock::now;
use crate::error::ChaosError;
use crate::ledger::Lines;
use crate::ledger::sighting::{Ended, Sighting};
use crate::ledger::submission::{Answer, Cancel, Reopening, Submission, Try};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const ANSWER_WITHIN: Duration = Duration::from_secs(12);
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// Speaks to every orchestrator in turn.
pub struct Client {
    http: reqwest::Client,
    addresses: Vec<String>,
    turn: AtomicUsize,
    /// From which orders are drawn.
    pub seed: u64,
    submissions: Mutex<BTreeMap<u64, Submission>>,
    reopenings: Mutex<Vec<Reopening>>,
    sightings: Mutex<Vec<Sighting>>,
    ledger: Lines,
    seen: Lines,
}

/// What a reader was shown.
pub struct Shown {
    /// The document's own count of its changes.
    pub revision: u64,
    /// How the task ended, if it has.
    pub ended: Option<Ended>,
}

impl Client {
    /// A client of these addresses whose ledgers lie in `folder`.
    pub fn new(addresses: Vec<String>, seed: u64, folder: &Path) -> Result<Self, ChaosError> {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).connect_timeout(CONNECT_WITHIN).build();
        Ok(Self {
            http: http.map_err(|error| ChaosError::Setup(error.to_string()))?,
            addresses,
            turn: AtomicUsize::new(0),
            seed,
            submissions: Mutex::default(),
            reopenings: Mutex::default(),
            sightings: Mutex::default(),
            ledger: Lines::open(&folder.join("submissions.ledger"))?,
            seen: Lines::open(&folder.join("sightings.ledger"))?,
        })
    }

    /// Sends an order, or the other document of its key, once.
    pub async fn submit(&self, order: &Order, is_other_body: bool) -> Answer {
        let from = now();
        let body = if is_other_body { "other" } else { "same" };
        self.note(&self.ledger, &format!("{from} - {} {body} intent", order.seq));
        let intended = Try { from, to: u64::MAX, is_other_body, answer: Answer::Indefinite };
        let at = {
            let mut submissions = lock(&self.submissions);
            let submission = submissions.entry(order.seq).or_insert_with(|| Submission {
                seq: order.seq,
                edges: order.edges(),
                scripts: order.scripts(),
                tries: Vec::new(),
                delay_ms: order.delay_ms.unwrap_or(0),
                deadline_ms: order.deadline_ms,
                cancel: Cancel::Never,
            });
            submission.tries.push(intended.clone());
            submission.tries.len() - 1
        };
        let request = self.http.post(format!("{}/tasks", self.address())).json(&order.body(is_other_body));
        let answer = match request.header("Idempotency-Key", format!("\"{}\"", order.key)).send().await {
            Ok(response) => read_answer(response).await,
            Err(_) => Answer::Indefinite,
        };
        let told = Try { to: now(), answer: answer.clone(), ..intended };
        self.note(&self.ledger, &told.encode(order.seq));
        self.change(order.seq, |submission| submission.tries[at] = told);
        answer
    }

    /// Asks to cancel a task.
    pub async fn cancel(&self, seq: u64, task_id: &str) {
        let set = |cancel| self.change(seq, |submission| submission.cancel = cancel);
        set(Cancel::Asked);
        let answer = self.http.post(format!("{}/tasks/{task_id}/cancel", self.address())).send().await;
        if answer.is_ok_and(|answer| answer.status().as_u16() == 200) {
            set(Cancel::Acknowledged);
        }
    }

    /// Asks to run a task again that has ended.
    pub async fn replay(&self, task_id: &Arc<str>) {
        self.reopen(task_id.clone(), &format!("tasks/{task_id}/replay")).await;
    }

    /// Asks to run again what lies on top of the dead letters, at most so many.
    pub async fn requeue(&self, count: usize) -> Option<()> {
        let url = format!("{}/dead-letters?limit={count}", self.address());
        let page: Value = serde_json::from_slice(&self.http.get(url).send().await.ok()?.bytes().await.ok()?).ok()?;
        for letter in page["dead_letters"].as_array()? {
            if let (Some(id), Some(task_id)) = (letter["entry_id"].as_str(), letter["task_id"].as_str()) {
                self.reopen(task_id.into(), &format!("dead-letters/{id}/requeue")).await;
            }
        }
        Some(())
    }

    /// How many losses of everything in Redis orchestrator `number`, from 1, says it has seen; `None` if it does not
    /// say.
    pub async fn losses(&self, number: usize) -> Option<u64> {
        let answer = self.http.get(format!("{}/ready", self.addresses.get(number - 1)?)).send().await.ok()?;
        let document: Value = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
        document["redis"]["losses"].as_u64()
    }

    /// Reads a task; `None` if no whole answer came.
    pub async fn read(&self, task_id: &str) -> Option<Shown> {
        let response = self.http.get(format!("{}/tasks/{task_id}", self.address())).send().await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let document: Value = serde_json::from_slice(&response.bytes().await.ok()?).ok()?;
        Some(Shown { revision: document["revision"].as_u64()?, ended: Ended::read(document["status"].as_str()?) })
    }

    /// Notes what a reader saw.
    pub fn saw(&self, sighting: Sighting) {
        self.note(&self.seen, &sighting.encode());
        lock(&self.sightings).push(sighting);
    }

    /// Every submission so far.
    pub fn submissions(&self) -> Vec<Submission> {
        lock(&self.submissions).values().cloned().collect()
    }

    /// The numbers of those of which nobody knows whether they were stored.
    pub fn indefinite(&self) -> Vec<u64> {
        let submissions = lock(&self.submissions);
        let open = |one: &&Submission| one.task_id().is_none() && one.may_exist();
        submissions.values().filter(open).map(|one| one.seq).collect()
    }

    /// Everything that was asked to run again.
    pub fn reopenings(&self) -> Vec<Reopening> {
        lock(&self.reopenings).clone()
    }

    /// Every sighting so far.
    pub fn sightings(&self) -> Vec<Sighting> {
        lock(&self.sightings).clone()
    }

    /// Asks for it; whatever comes of it, its runs and its ends have a reason from here on.
    async fn reopen(&self, task_id: Arc<str>, path: &str) {
        let from = now();
        self.note(&self.ledger, &format!("{from} - {task_id} reopen"));
        let at = {
            let mut reopenings = lock(&self.reopenings);
            reopenings.push(Reopening { task_id, from, to: u64::MAX });
            reopenings.len() - 1
        };
        let answered = self.http.post(format!("{}/{path}", self.address())).send().await;
        if answered.is_ok_and(|answer| answer.status().as_u16() < 500) {
            lock(&self.reopenings)[at].to = now();
        }
    }

    fn change(&self, seq: u64, change: impl FnOnce(&mut Submission)) {
        if let Some(submission) = lock(&self.submissions).get_mut(&seq) {
            change(submission);
        }
    }

    fn address(&self) -> &str {
        &self.addresses[self.turn.fetch_add(1, Ordering::Relaxed) % self.addresses.len()]
    }

    fn note(&self, ledger: &Lines, line: &str) {
        if let Err(error) = ledger.write(line) {
            eprintln!("a ledger cannot be written: {error}");
        }
    }
}

async fn read_answer(response: reqwest::Response) -> Answer {
    let status = response.status().as_u16();
    if (400..500).contains(&status) {
        return Answer::Refused(status);
    }
    let document = response.bytes().await.ok().and_then(|body| serde_json::from_slice::<Value>(&body).ok());
    match document.as_ref().and_then(|document| document["task_id"].as_str()) {
        Some(task_id) if status == 202 => Answer::Accepted(Arc::from(task_id)),
        _ => Answer::Indefinite,
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
