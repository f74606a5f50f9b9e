//! API-13: the whole way of a webhook over real processes, two of which die on it.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::process::Process;
use system_tests::receiver::{Delivery, Receiver};
use system_tests::stack::{Plan, SOON};

const TASKS: usize = 40;
/// How many deliveries to one webhook may be under way.
const PLACES: i64 = 5_000;

#[test]
fn every_end_is_told_whoever_dies_and_its_copies_have_one_id() {
    let receiver = Receiver::start(&["503 Service Unavailable\r\nRetry-After: 0", "200 OK"]);
    let mut stack = Plan::workers(2).set("WEBHOOK_ALLOW", receiver.address()).start();
    let url = format!("http://{}/in", receiver.address());
    let made = stack.client.post("/webhooks", &json!({"url": url, "events": ["task.completed"]}));
    assert_eq!(made.status, 201, "{}", made.body);
    let secret = made.json()["secret"].as_str().expect("a secret").to_owned();
    let mut tasks = BTreeSet::new();
    for number in 0..TASKS {
        tasks.insert(stack.client.submit(&body::simulated(2)));
        if number == TASKS / 3 {
            stack.projectors[0].kill();
            stack.add_projector();
        }
        if number == TASKS / 2 {
            stack.workers[0].kill();
            stack.add_worker();
        }
    }
    let told = eventually(SOON, "every end is told", || {
        let told = receiver.deliveries();
        let subjects: BTreeSet<String> =
            told.iter().map(|it| event(it)["subject"].as_str().expect("a task").to_owned()).collect();
        (subjects == tasks).then_some(told)
    });
    let mut ids: BTreeSet<(String, String)> = BTreeSet::new();
    for delivery in &told {
        assert!(delivery.is_signed_with(&secret), "{delivery:?}");
        let event = event(delivery);
        assert_eq!(event["id"].as_str(), Some(&*delivery.headers["webhook-id"]));
        assert_eq!(
            (&event["type"], &event["data"]["status"]),
            (&json!("millstream.task.completed"), &json!("completed"))
        );
        ids.insert((event["subject"].to_string(), event["id"].to_string()));
    }
    assert_eq!(ids.len(), TASKS, "a task has one id, however often it is told");
    stack.await_drained(SOON);
    stack.audit();
}

fn event(delivery: &Delivery) -> Value {
    serde_json::from_str(&delivery.body).expect("JSON")
}

#[test]
fn workers_may_share_out_who_works_and_who_delivers() {
    let receiver = Receiver::start(&["200 OK"]);
    let plan = Plan::workers(1).set("WORKER_KINDS", "simulate,test_task").set("WEBHOOK_ALLOW", receiver.address());
    let stack = plan.start();
    let made = stack.client.post("/webhooks", &json!({"url": format!("http://{}/", receiver.address())}));
    assert_eq!(made.status, 201, "{}", made.body);
    let task_id = stack.client.submit(&body::simulated(1));
    stack.await_status(&task_id, "completed");
    eventually(SOON, "a delivery waits", || {
        (stack.redis.command(&["XLEN", "subtasks:webhooks:medium"]).integer() == 1).then_some(())
    });
    assert_eq!(receiver.deliveries().len(), 0, "this worker does not deliver");
    let mut settings = stack.settings().clone();
    settings.insert("WORKER_KINDS".to_owned(), "webhook".to_owned());
    settings.insert("HEALTH_DIR".to_owned(), stack.directory().join("health-deliverer").display().to_string());
    let deliverer = Process::start("deliverer", &["worker"], &settings, stack.directory());
    eventually(SOON, "it is delivered", || (receiver.deliveries().len() == 1).then_some(()));
    let deleted = format!("/webhooks/{}", made.json()["webhook_id"].as_str().expect("an id"));
    assert_eq!(stack.client.get(&deleted).status, 200);
    deliverer.stop();
    stack.audit();
}

#[test]
fn a_delivery_that_is_cancelled_makes_room_for_the_next_end() {
    let receiver = Receiver::start(&["503 Service Unavailable\r\nRetry-After: 3600", "200 OK"]);
    let stack = Plan::workers(1).set("WEBHOOK_ALLOW", receiver.address()).start();
    let made = stack.client.post("/webhooks", &json!({"url": format!("http://{}/", receiver.address())}));
    let open = format!("webhooks:open:{}", made.json()["webhook_id"].as_str().expect("an id"));
    for number in 1..PLACES {
        stack.redis.command(&["ZADD", &open, "9e15", &format!("other-{number}")]);
    }
    stack.client.submit(&body::simulated(1));
    let waiting = eventually(SOON, "a delivery that waits", || receiver.deliveries().pop());
    assert_eq!(stack.redis.command(&["ZCARD", &open]).integer(), PLACES, "there is room for no other");
    let cancelled = stack.client.post(&format!("/tasks/{}/cancel", waiting.headers["webhook-id"]), &json!({}));
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    eventually(SOON, "there is room", || (stack.redis.command(&["ZCARD", &open]).integer() < PLACES).then_some(()));
    let next = stack.client.submit(&body::simulated(1));
    let told = eventually(SOON, "the next end is told", || receiver.deliveries().into_iter().nth(1));
    assert_eq!(event(&told)["subject"].as_str(), Some(&*next));
    stack.audit();
}
