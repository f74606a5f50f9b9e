//! The client's own key for a request, sent again when nobody knows what became of it.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use system_tests::body;
use system_tests::client::{Answer, Client};
use system_tests::eventually::eventually;
use system_tests::stack::{Plan, SOON};

const AT_ONCE: usize = 50;
const CLIENTS: usize = 4;
const REQUESTS: usize = 60;
const KILLS: usize = 3;

#[test]
fn fifty_requests_at_once_with_one_key_are_one_task_and_another_body_is_refused() {
    let stack = Plan::workers(1).start();
    let post = |_| {
        let client = stack.client.clone();
        thread::spawn(move || {
            id(&client.try_post_once("/tasks", "order-7", &body::authentication()).expect("an answer"))
        })
    };
    let threads: Vec<_> = (0..AT_ONCE).map(post).collect();
    let ids: BTreeSet<String> = threads.into_iter().map(|one| one.join().expect("a task")).collect();
    assert_eq!((ids.len(), stack.length("ZCARD", "tasks")), (1, 1), "{ids:?}");
    let other = stack.client.try_post_once("/tasks", "order-7", &body::simulated(1)).expect("an answer");
    assert_eq!((other.status, &other.json()["code"]), (422, &json!("idempotency_key_reused")), "{}", other.body);

    let id = ids.first().expect("one");
    stack.await_status(id, "completed");
    let again = stack.client.try_post_once("/tasks", "order-7", &body::authentication()).expect("an answer");
    assert_eq!(&self::id(&again), id, "whatever became of it");
    assert_eq!(stack.fact_count(id, "completed"), 4);
    stack.audit();
}

#[test]
fn a_request_that_is_sent_again_after_the_api_died_is_the_same_task() {
    let mut stack = Plan::workers(1).start();
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|lane| {
            let (client, answered) = (stack.client.clone(), answered.clone());
            thread::spawn(move || {
                for number in 0..REQUESTS {
                    post_until_answered(&client, &format!("{lane}-{number}"), &body::simulated(2));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for kill in 1..=KILLS {
        let enough = kill * CLIENTS * REQUESTS / (KILLS + 1);
        eventually(SOON, "requests are answered", || (answered.load(Ordering::Relaxed) >= enough).then_some(()));
        stack.orchestrator.kill();
        stack.restart_orchestrator();
    }
    for client in clients {
        client.join().expect("every request was answered");
    }
    assert_eq!(stack.await_drained(Duration::from_secs(60)), (CLIENTS * REQUESTS) as i64, "one task for each key");
    assert_eq!(stack.length("ZCARD", "tasks:completed"), (CLIENTS * REQUESTS) as i64);
    stack.audit();
}

fn post_until_answered(client: &Client, key: &str, body: &Value) {
    eventually(SOON, "an answer", || client.try_post_once("/tasks", key, body).ok().filter(|one| one.status == 202));
}

fn id(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.json()["task_id"].as_str().expect("an id").to_owned()
}
