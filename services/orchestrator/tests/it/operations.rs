//! API-12 and FLOW-5: what XINFO and XPENDING say, workers with what they run, and why a task does not go on.

use crate::stage::{Stage, eventually, stage, worker};
use futures::future::join_all;
use redis_store::heartbeat::Heartbeat;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::{Duration, Instant};

const MEDIUM: &str = "subtasks:default:medium";

async fn get(stage: &Stage, path: &str) -> Value {
    let answer = stage.get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

async fn stream(stage: &Stage, key: &str) -> Value {
    let all = get(stage, "/streams").await;
    let streams = all["streams"].as_array().expect("a list");
    streams.iter().find(|it| it["stream"] == key).expect("the stream is listed").clone()
}

/// The workers once they look like this: what is leased may be a second old.
async fn workers_once(stage: &Stage, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(Duration::from_secs(10), async || is_so(&get(stage, "/workers").await)).await;
    get(stage, "/workers").await
}

/// Says what the worker of the stage would say.
async fn beat(stage: &Stage, kinds: &str, running: usize, is_draining: bool) {
    let beat = Heartbeat {
        worker_id: "worker-1".to_owned(),
        host: "host".to_owned(),
        pid: 7,
        kinds: kinds.to_owned(),
        slots: 4,
        running,
        is_draining,
        at_ms: stage.store.now_ms().await.expect("a time"),
    };
    stage.store.beat(&worker(), &beat).await.expect("an answer");
}

async fn waits(stage: &Stage, id: &str) -> Vec<(String, Value)> {
    let explanation = get(stage, &format!("/tasks/{id}/why")).await;
    let waits = explanation["waits"].as_array().expect("a list");
    waits.iter().map(|wait| (wait["cause"].as_str().expect("a word").to_owned(), wait.clone())).collect()
}

#[tokio::test]
async fn streams_say_what_waits_what_runs_and_what_is_the_matter() {
    let stage = stage().await;
    stage
        .submit(r#"{"description":"d","subtasks":[{"description":"a"},{"description":"b"},{"description":"c"}]}"#)
        .await;
    stage.submit(r#"{"description":"d","delay_seconds":60,"subtasks":[{"description":"a"}]}"#).await;
    let before = stream(&stage, MEDIUM).await;
    assert_eq!((&before["length"], &before["ready"], &before["running"]), (&json!(3), &json!(3), &json!(0)));
    assert!(before["warnings"][0].as_str().is_some_and(|it| it.contains("nobody reads it")), "{before}");
    let unread = stream(&stage, "events").await;
    assert_eq!((&unread["ready"], &unread["oldest_age_seconds"].is_f64()), (&json!(2), &true));
    assert!(unread["warnings"][0].as_str().is_some_and(|it| it.contains("no projector has read it")), "{unread}");
    stage.fetch(2).await;
    let medium = stream(&stage, MEDIUM).await;
    assert_eq!((&medium["length"], &medium["ready"], &medium["running"]), (&json!(3), &json!(1), &json!(2)));
    assert_eq!((&medium["entries_added"], &medium["warnings"]), (&json!(3), &json!([])));
    assert!(medium["oldest_age_seconds"].as_f64().is_some_and(|age| (0.0..60.0).contains(&age)));
    let group = &medium["groups"][0];
    assert_eq!((&group["group"], &group["pending"], &group["lag"]), (&json!("workers"), &json!(2), &json!(1)));
    assert_eq!(group["consumers"][0]["consumer"], worker().as_str());
    let log = stream(&stage, "events").await;
    assert_eq!((&log["length"], &log["ready"], &log["running"]), (&json!(2), &json!(2), &json!(0)));
    assert_eq!(log["warnings"], json!([]));
    assert_eq!(get(&stage, "/streams").await["delayed"], 1);
    stage.redis.command(&["XADD", "dead-letters", "*", "reason", "x"]);
    let letters = stream(&stage, "dead-letters").await;
    assert_eq!((&letters["length"], &letters["warnings"]), (&json!(1), &json!([])), "no group has to read them");

    let ready = stage.redis.command(&["XREVRANGE", MEDIUM, "+", "-", "COUNT", "1"]).items()[0].items()[0].text();
    stage.redis.command(&["XDEL", MEDIUM, &ready]);
    let harmed = stream(&stage, MEDIUM).await;
    assert_eq!(harmed["groups"][0].get("lag"), None, "Redis cannot tell any more");
    assert!(
        harmed["warnings"][0].as_str().is_some_and(|it| it.contains("lag of group workers is unknown")),
        "{harmed}"
    );
}

#[tokio::test]
async fn workers_say_who_they_are_and_what_they_have_leased() {
    let stage = stage().await;
    assert_eq!(get(&stage, "/workers").await, json!({ "workers": [], "total": 0, "unowned": [] }));
    let id = stage.submit(r#"{"description":"d","subtasks":[{"description":"a"},{"description":"b"}]}"#).await;
    let entries = stage.fetch(1).await;
    let unowned = workers_once(&stage, |all| all["unowned"] != json!([])).await["unowned"].clone();
    assert_eq!(
        (&unowned[0]["subtask_id"], &unowned[0]["consumer"]),
        (&json!(format!("{id}-0")), &json!(worker().as_str()))
    );
    beat(&stage, "simulate,test_task", 1, false).await;
    let all = get(&stage, "/workers").await;
    assert_eq!((&all["total"], &all["unowned"]), (&json!(1), &json!([])));
    let one = &all["workers"][0];
    for (field, value) in [
        ("worker_id", json!("worker-1")),
        ("host", json!("host")),
        ("pid", json!(7)),
        ("consumer", json!(worker().as_str())),
        ("kinds", json!(["simulate", "test_task"])),
        ("slots", json!(4)),
        ("running", json!(1)),
        ("draining", json!(false)),
    ] {
        assert_eq!(one[field], value, "{field}");
    }
    let lease = &one["leases"][0];
    assert_eq!((&lease["task_id"], &lease["kind"], &lease["attempt"]), (&json!(id), &json!("simulate"), &json!(1)));
    assert_eq!((&lease["stream"], &lease["deliveries"]), (&json!(MEDIUM), &json!(1)));
    assert!(lease["idle_seconds"].as_f64() <= lease["age_seconds"].as_f64());
    assert_eq!(lease["running_seconds"], Value::Null, "it was fetched and has not begun");
    // FLOW-5: owner, idle time and delivery count, as XPENDING tells them.
    let entry_id = entries[0].entry_id.as_str();
    let consumer = worker().to_string();
    let claim = ["XCLAIM", MEDIUM, "workers", &consumer, "0", entry_id];
    stage.redis.command(&[&claim[..], &["IDLE", "40000", "RETRYCOUNT", "3", "JUSTID"]].concat());
    let idle = workers_once(&stage, |all| all["workers"][0]["leases"][0]["deliveries"] == 3).await;
    let idle = idle["workers"][0]["leases"][0]["idle_seconds"].as_f64().expect("a number");
    assert!((40.0..60.0).contains(&idle), "{idle}");
    let pending = stage.redis.command(&["XPENDING", MEDIUM, "workers", "-", "+", "1"]).items()[0].items().to_vec();
    assert_eq!((pending[1].text(), pending[3].integer()), (consumer, 3));
    let silent_since = stage.store.now_ms().await.expect("a time") - 20_000;
    stage.redis.command(&["HSET", &format!("worker:{}", worker()), "heartbeat_at", &silent_since.to_string()]);
    let age = get(&stage, "/workers").await["workers"][0]["heartbeat_age_seconds"].as_f64().expect("a number");
    assert!((20.0..30.0).contains(&age), "{age}");
    stage.start(&entries[0]).await;
    stage.fold().await;
    let has_begun = |all: &Value| all["workers"][0]["leases"][0]["running_seconds"].is_f64();
    let lease = &workers_once(&stage, has_begun).await["workers"][0]["leases"][0];
    assert!(lease["running_seconds"].as_f64() <= lease["age_seconds"].as_f64());
    let progress = format!("0 2 0 5 started {}", worker()); // of another attempt
    stage.redis.command(&["HSET", &format!("outcomes:{id}"), "~0", &progress]);
    workers_once(&stage, |all| !has_begun(all)).await;
    beat(&stage, "simulate", 1, true).await;
    assert_eq!(get(&stage, "/workers").await["workers"][0]["draining"], true);
    stage.store.leave(&worker()).await.expect("an answer");
    let left = get(&stage, "/workers").await;
    assert_eq!(
        (left["workers"].as_array().map(Vec::len), left["unowned"].as_array().map(Vec::len)),
        (Some(0), Some(1))
    );
}

#[tokio::test]
async fn however_many_ask_what_is_leased_redis_is_asked_once_a_second() {
    let stage = stage().await;
    stage.submit(r#"{"description":"d"}"#).await;
    stage.fetch(1).await;
    let reads = || {
        let text = stage.redis.command(&["INFO", "commandstats"]).text();
        let line = text.lines().find(|line| line.starts_with("cmdstat_xpending:")).expect("it was asked").to_owned();
        line.split(['=', ',']).nth(1).and_then(|calls| calls.parse::<u64>().ok()).expect("a number")
    };
    let began = Instant::now();
    get(&stage, "/workers").await;
    let one = reads();
    let answers = join_all((0..50).map(|_| stage.get("/workers"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let seconds = began.elapsed().as_secs();
    assert!(reads() <= one * (1 + seconds), "{} in {seconds} s, and {one} at first", reads());
}

#[tokio::test]
async fn every_lease_is_told_however_many_there_are() {
    let stage = stage().await;
    let subtasks = vec![json!({ "description": "d" }); 70];
    stage.submit(&json!({ "description": "d", "subtasks": subtasks }).to_string()).await;
    stage.fetch(70).await;
    let unowned = get(&stage, "/workers").await["unowned"].clone();
    let leases = unowned.as_array().expect("a list").iter();
    let subtasks: HashSet<&str> = leases.map(|lease| lease["subtask_id"].as_str().expect("an id")).collect();
    assert_eq!(subtasks.len(), 70);
}

#[tokio::test]
async fn a_task_says_what_each_of_its_subtasks_waits_for() {
    let stage = stage().await;
    let body = r#"{"description":"d","subtasks":[
        {"name":"a","description":"a"},{"description":"b","depends_on":["a"]},{"description":"c","priority":"critical"}]}"#;
    let id = stage.submit(body).await;
    let causes = async || -> Vec<String> { waits(&stage, &id).await.into_iter().map(|(cause, _)| cause).collect() };
    assert_eq!(causes().await, ["no_worker", "dependency", "no_worker"]);
    beat(&stage, "simulate", 1, true).await;
    assert_eq!(causes().await, ["no_worker", "dependency", "no_worker"], "who is about to end takes nothing");
    beat(&stage, "simulate", 1, false).await;
    let now = waits(&stage, &id).await;
    let (backlog, dependency) = (&now[0].1, &now[1].1);
    assert_eq!((&backlog["cause"], &backlog["ahead_max"]), (&json!("backlog"), &json!(1)), "behind the critical one");
    assert!(backlog["detail"].as_str().is_some_and(|it| it.ends_with("3 of 4 slots are free")), "{backlog}");
    assert_eq!((&dependency["cause"], &dependency["parents"]), (&json!("dependency"), &json!([0])));
    let entries = stage.fetch(10).await;
    assert_eq!(causes().await, ["in_hand", "dependency", "in_hand"]);
    let of =
        |index: u32| entries.iter().find(|it| it.entry.as_ref().is_ok_and(|it| it.index == index)).expect("leased");
    stage.start(of(0)).await;
    stage.retry(of(2), Duration::from_secs(60)).await;
    stage.fold().await;
    let now = waits(&stage, &id).await;
    assert_eq!((now[0].0.as_str(), now[1].0.as_str(), now[2].0.as_str()), ("running", "dependency", "retry"));
    stage.redis.command(&["ZADD", "workers", "1", worker().as_str()]);
    assert_eq!(waits(&stage, &id).await[0].0, "lost_worker", "who ran it was last heard of long ago");
    let until = now[2].1["until"].as_str().expect("a time");
    assert!(until > stage.task(&id).await["updated_at"].as_str().expect("a time"), "{until}");
    stage.redis.command(&["ZADD", "delayed", "XX", "1", &format!("{id}-2")]);
    stage.promote().await;
    beat(&stage, "simulate", 1, false).await;
    assert_eq!(waits(&stage, &id).await[2].0, "backlog", "its time has come, of which no fact tells");
    stage.post(&format!("/tasks/{id}/cancel"), "").await;
    let ended = get(&stage, &format!("/tasks/{id}/why")).await;
    assert_eq!((&ended["waits"], &ended["more"], &ended["status"]), (&json!([]), &json!(0), &json!("cancelled")));
    assert_eq!(ended["summary"], "every subtask has ended");
}

#[tokio::test]
async fn a_task_for_later_says_when_and_a_large_one_says_how_many_more() {
    let stage = stage().await;
    let subtasks = vec![json!({ "description": "x" }); 150];
    let body = json!({ "description": "d", "delay_seconds": 60, "subtasks": subtasks });
    let id = stage.submit(&body.to_string()).await;
    let explanation = get(&stage, &format!("/tasks/{id}/why")).await;
    assert_eq!((explanation["waits"].as_array().map(Vec::len), &explanation["more"]), (Some(100), &json!(50)));
    let first = &explanation["waits"][0];
    assert_eq!((&first["cause"], &first["until"]), (&json!("run_at"), &stage.task(&id).await["run_at"]));
    stage.get("/tasks/01K5QJ0000ABCDEFGHJKMNPQRS/why").await.problem(404, "task_not_found");
    stage.get("/tasks/a%20b/why").await.problem(404, "task_not_found");
    stage.get("/workers?limit=1").await.problem(400, "invalid_request");
}

#[tokio::test]
async fn what_a_stranger_has_left_in_redis_hides_nothing_from_operators() {
    let stage = stage().await;
    let id = stage.submit(r#"{"description":"d","subtasks":[{"description":"a"}]}"#).await;
    beat(&stage, "simulate", 0, false).await;
    stage.fetch(1).await;
    let no_text = b"\xff\xfe".as_slice();
    for stream in [MEDIUM, "events"] {
        stage.redis.command(&[b"XGROUP".as_slice(), b"CREATE", stream.as_bytes(), no_text, b"0"]);
        stage.redis.command(&[
            b"XREADGROUP".as_slice(),
            b"GROUP",
            no_text,
            no_text,
            b"STREAMS",
            stream.as_bytes(),
            b">",
        ]);
    }
    stage.redis.command(&["SADD", "queues", "other"]);
    stage.redis.command(&["SET", "subtasks:other:low", "no stream"]);
    let medium = stream(&stage, MEDIUM).await;
    let groups: Vec<&str> =
        medium["groups"].as_array().expect("a list").iter().map(|it| it["group"].as_str().expect("a name")).collect();
    assert_eq!(groups, ["workers", "\u{fffd}\u{fffd}"]);
    let warned = stream(&stage, "subtasks:other:low").await["warnings"][0].to_string();
    assert!(warned.contains("is no stream"), "{warned}");
    let workers = get(&stage, "/workers").await;
    assert_eq!(workers["workers"][0]["leases"].as_array().map(Vec::len), Some(1), "{workers}");
    stage.fold().await;
    assert_eq!(get(&stage, &format!("/tasks/{id}")).await["status"], "queued");
    let mut follower = crate::follower::follow(&stage, &id).await;
    follower.until("snapshot").await;
}

#[tokio::test]
async fn a_task_whose_projectors_are_gone_says_so() {
    let stage = stage().await;
    stage.store.create_projector_group().await.expect("a group");
    stage.redis.command(&["XADD", "events", "1-0", "v", "1", "by", "hand", "facts", "T - 0 created 0 0 w 1"]);
    let id = stage.submit(r#"{"description":"d","subtasks":[{"description":"a"}]}"#).await;
    beat(&stage, "simulate", 0, false).await;
    stage.fetch(1).await;
    assert_eq!(waits(&stage, &id).await[0].0, "no_projector", "the oldest fact has waited since 1970");
    stage.fold().await;
    assert_eq!(waits(&stage, &id).await[0].0, "in_hand");
}

/// An entry of the log from 1970, which a projector that is gone has read `deliveries` times and not folded. It tells
/// of `task`.
async fn leave_unfolded(stage: &Stage, entry_id: &str, task: &str, deliveries: &str) {
    let facts = format!("{task} - 0 created 0 0 w 1");
    stage.redis.command(&["XADD", "events", entry_id, "v", "1", "by", "hand", "facts", &facts]);
    stage.store.create_projector_group().await.expect("a group");
    stage.redis.command(&["XREADGROUP", "GROUP", "projector", "gone", "COUNT", "1", "STREAMS", "events", ">"]);
    let claim = ["XCLAIM", "events", "projector", "gone", "0", entry_id, "RETRYCOUNT", deliveries, "JUSTID"];
    stage.redis.command(&claim);
}

#[tokio::test]
async fn a_task_whose_projectors_are_late_says_how_old_what_it_knows_is() {
    let stage = stage().await;
    leave_unfolded(&stage, "1-0", "T", "1").await;
    let id = stage.submit(r#"{"description":"d","subtasks":[{"description":"a"},{"description":"b"}]}"#).await;
    beat(&stage, "simulate", 1, false).await;
    let entries = stage.fetch(1).await;
    stage.start(&entries[0]).await;
    stage.fold().await;
    stage.complete(&entries[0], "1").await;
    let waits = waits(&stage, &id).await;
    assert_eq!((waits[0].0.as_str(), &waits[0].1["status"]), ("no_projector", &json!("running")), "it has ended");
    let details = waits.iter().map(|(_, wait)| wait["detail"].as_str().expect("a sentence"));
    let told = [format!("when last recorded it ran on {}: no projector", worker()), "it was queued: no".to_owned()];
    assert!(details.zip(told).all(|(detail, told)| detail.contains(&told)), "{waits:?}");
    assert_eq!(waits[1].0, "no_projector", "one lies in the stream, and nobody knows whether it is this one");
}

#[tokio::test]
async fn an_entry_that_cannot_be_folded_holds_back_the_tasks_it_tells_of_and_no_other() {
    let stage = stage().await;
    let id = stage.submit(r#"{"description":"d","subtasks":[{"description":"a"}]}"#).await;
    stage.redis.command(&["DEL", "events"]); // to tell of the task in an entry that is old
    leave_unfolded(&stage, "1-0", "T", "21").await;
    beat(&stage, "simulate", 0, false).await;
    assert_eq!(waits(&stage, &id).await[0].0, "backlog");
    let entries = stage.fetch(1).await;
    assert_eq!(waits(&stage, &id).await[0].0, "in_hand");
    leave_unfolded(&stage, "2-0", &id, "21").await;
    assert_eq!(waits(&stage, &id).await[0].0, "no_projector");
    stage.redis.command(&["XACK", "events", "projector", "2-0"]);
    stage.start(&entries[0]).await;
    stage.fold().await;
    assert_eq!(waits(&stage, &id).await[0].0, "running");
}

#[tokio::test]
async fn a_task_in_a_log_that_no_projector_has_ever_read_says_so() {
    let stage = stage().await;
    stage.redis.command(&["XADD", "events", "1-0", "v", "1", "by", "hand", "facts", "T - 0 created 0 0 w 1"]);
    let id = stage.submit(r#"{"description":"d","subtasks":[{"description":"a"}]}"#).await;
    beat(&stage, "simulate", 0, false).await;
    assert_eq!(waits(&stage, &id).await[0].0, "no_projector");
    assert_eq!(stage.redis.command(&["XINFO", "GROUPS", "events"]).items().len(), 0, "there is no group");
}
