//! TASK-15: tasks for later, and their deadlines.

use crate::stage::{Stage, eventually, stage, worker};
use redis_store::hand_back::{HandedBack, Unfinished};
use serde_json::{Value, json};
use std::time::Duration;

fn ms(value: &Value) -> i64 {
    let text = value.as_str().expect("a time");
    let times =
        text.trim_end_matches('Z').split(['-', 'T', ':', '.']).map(|part| part.parse::<i64>().expect("a number"));
    let [year, month, day, hour, minute, second, milli] = times.collect::<Vec<_>>()[..] else { panic!("{text}") };
    let days = |year: i64, month: i64, day: i64| {
        let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day
    };
    ((((days(year, month, day) - days(1970, 1, 1)) * 24 + hour) * 60 + minute) * 60 + second) * 1_000 + milli
}

async fn submitted(stage: &Stage, body: &str) -> Value {
    let answer = stage.post("/tasks", body.to_owned()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn a_delayed_task_waits_for_its_time_and_not_longer() {
    let stage = stage().await;
    let body = r#"{"description":"d","delay_seconds":0.3,"subtasks":[{"name":"a","description":"d"},{"description":"d","depends_on":["a"]}]}"#;
    let task = submitted(&stage, body).await;
    let id = task["task_id"].as_str().expect("an id").to_owned();
    assert_eq!(ms(&task["run_at"]) - ms(&task["created_at"]), 300);
    assert_eq!(stage.task(&id).await, task, "what is read is what was answered");
    assert_eq!(stage.statuses(&id).await, ["delayed", "blocked"]);
    assert!(stage.fetch(10).await.is_empty());
    eventually(Duration::from_secs(3), || async {
        stage.promote().await;
        !stage.fetch(10).await.is_empty()
    })
    .await;
    assert_eq!(stage.statuses(&id).await, ["queued", "blocked"]);
}

#[tokio::test]
async fn what_runs_again_before_its_time_starts_at_once_and_is_shown_so() {
    let stage = stage().await;
    let body = r#"{"description":"d","delay_seconds":60,"subtasks":[{"name":"a","description":"d"},{"description":"d","depends_on":["a"]}]}"#;
    let id = submitted(&stage, body).await["task_id"].as_str().expect("an id").to_owned();
    assert_eq!(stage.post(&format!("/tasks/{id}/cancel"), "").await.status, 200);
    assert_eq!(stage.post(&format!("/tasks/{id}/replay"), "").await.status, 202);
    assert_eq!(stage.statuses(&id).await, ["queued", "blocked"]);
    let entry = stage.fetch(10).await.remove(0).entry.expect("a sound entry");
    assert_eq!((entry.index, entry.generation), (0, 1));
}

#[tokio::test]
async fn a_time_in_any_zone_is_the_time_it_starts_and_one_that_is_over_is_now() {
    let stage = stage().await;
    let now = stage.store.now_ms().await.expect("a time");
    let at = now / 1_000 + 86_400;
    let zoned = rfc3339(at + 3_600).replace('Z', "+01:00");
    let ahead = submitted(&stage, &json!({ "description": "d", "run_at": zoned }).to_string()).await;
    let expect = at as i64 * 1_000;
    assert_eq!((&ahead["run_at"], ms(&ahead["run_at"])), (&json!(rfc3339(at).replace('Z', ".000Z")), expect));
    assert_eq!(ahead["subtasks"][0]["status"], "delayed");
    assert_eq!(ms(&ahead["deadline_at"]), expect + 604_800_000, "its deadline is counted from then");

    let seconds = now / 1_000 - 3_600;
    let over = stage.redis.command(&["EVAL", "return ARGV[1]", "0", &seconds.to_string()]).integer();
    let body = json!({ "description": "d", "run_at": rfc3339(over as u64) }).to_string();
    let task = submitted(&stage, &body).await;
    assert_eq!((&task["subtasks"][0]["status"], task.get("run_at")), (&json!("queued"), None));
    let none = submitted(&stage, r#"{"description":"d","delay_seconds":0}"#).await;
    assert_eq!((&none["subtasks"][0]["status"], none.get("run_at")), (&json!("queued"), None));
}

/// Seconds of the Unix epoch as RFC 3339 writes them.
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut day) = (1970, days);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while day >= if is_leap(year) { 366 } else { 365 } {
        day -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", month + 1, day + 1)
}

#[tokio::test]
async fn a_deadline_is_shown_and_only_a_given_one_travels_with_the_work() {
    let stage = stage().await;
    let plain = submitted(&stage, r#"{"description":"d","subtasks":[{"description":"d"}]}"#).await;
    assert_eq!(ms(&plain["deadline_at"]) - ms(&plain["created_at"]), 604_800_000);
    let given =
        submitted(&stage, r#"{"description":"d","deadline_seconds":60,"subtasks":[{"description":"d"}]}"#).await;
    assert_eq!(ms(&given["deadline_at"]) - ms(&given["created_at"]), 60_000);
    let entries = stage.fetch(10).await;
    let deadlines: Vec<Option<u64>> =
        entries.iter().map(|fetched| fetched.entry.as_ref().expect("a sound entry").deadline_ms).collect();
    assert_eq!(deadlines, [None, Some(ms(&given["deadline_at"]) as u64)]);
}

#[tokio::test]
async fn a_subtask_between_two_attempts_is_delayed_and_one_that_nobody_serves_is_parked() {
    let stage = stage().await;
    let id = stage.submit(r#"{"description":"d","subtasks":[{"description":"d"},{"description":"d"}]}"#).await;
    let entries = stage.fetch(2).await;
    stage.retry(&entries[0], Duration::from_secs(60)).await;
    let (stream, unserved) = (&entries[1].stream, Unfinished::from(&entries[1]));
    let parked = stage.store.park(&worker(), stream, &[unserved], Duration::from_secs(60)).await;
    assert_eq!(parked.expect("an answer"), [HandedBack::Parked]);
    stage.fold().await;
    let task = stage.task(&id).await;
    assert_eq!(task["status"], "processing");
    for (at, reason) in [(0, "retrying"), (1, "parked")] {
        let subtask = &task["subtasks"][at];
        assert_eq!((&subtask["status"], &subtask["reason"]), (&json!("delayed"), &json!(reason)));
    }
}
