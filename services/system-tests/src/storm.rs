//! Clients that post tasks as fast as they are answered, and remember every answer.

use crate::client::Client;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A running storm.
pub struct Storm {
    threads: Vec<JoinHandle<()>>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    over: AtomicBool,
    accepted: Mutex<BTreeSet<String>>,
    accepted_count: AtomicUsize,
    refused: AtomicUsize,
    unanswered: AtomicUsize,
}

/// What came of a storm.
pub struct Aftermath {
    /// The ids of all tasks that were acknowledged.
    pub accepted: BTreeSet<String>,
    /// Requests that were answered with something else than 202; all of them 429 or 503.
    pub refused: usize,
    /// Requests without a whole answer: nobody told the client what became of them.
    pub unanswered: usize,
}

impl Storm {
    /// Starts `clients` threads that each post `body`, again and again.
    pub fn start(client: &Client, clients: usize, body: &Value) -> Self {
        let seen = Arc::new(Seen::default());
        let spawn = |_| {
            let (client, body, seen) = (client.clone(), body.clone(), seen.clone());
            std::thread::spawn(move || {
                while !seen.over.load(Ordering::Relaxed) {
                    seen.post(&client, &body);
                }
            })
        };
        Self { threads: (0..clients).map(spawn).collect(), seen }
    }

    /// How many tasks were acknowledged so far.
    pub fn accepted(&self) -> usize {
        self.seen.accepted_count.load(Ordering::Relaxed)
    }

    /// Ends it and answers what came of it.
    pub fn end(self) -> Aftermath {
        self.seen.over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a client does not panic");
        }
        let accepted = self.seen.accepted.lock().expect("all clients have ended").clone();
        Aftermath {
            accepted,
            refused: self.seen.refused.load(Ordering::Relaxed),
            unanswered: self.seen.unanswered.load(Ordering::Relaxed),
        }
    }
}

impl Seen {
    fn post(&self, client: &Client, body: &Value) {
        match client.try_post("/tasks", body) {
            Ok(answer) if answer.status == 202 => {
                let id = answer.json()["task_id"].as_str().expect("an id").to_owned();
                let is_new = self.accepted.lock().expect("a client does not panic").insert(id);
                assert!(is_new, "an id was given twice");
                self.accepted_count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => {
                assert!([429, 503].contains(&answer.status), "{}: {}", answer.status, answer.body);
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
