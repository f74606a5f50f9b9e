//! TASK-14: running again what has ended.

use crate::stage::{Answer, Stage, stage};
use futures::future::join_all;
use serde_json::json;

const CHAIN: &str = r#"{"description":"d","subtasks":[{"name":"a","description":"a"},{"name":"b","description":"b","depends_on":[{"name":"a","on_failure":"skip"}]},{"name":"c","description":"c"}]}"#;

async fn replay(stage: &Stage, id: &str, body: &str) -> Answer {
    stage.post(&format!("/tasks/{id}/replay"), body.to_owned()).await
}

fn number(stage: &Stage, id: &str, field: &str) -> u64 {
    stage.hash_field(id, field).parse().expect("a number")
}

/// A task of which a failed, b was skipped and c completed.
async fn failed_chain(stage: &Stage) -> String {
    let id = stage.submit(CHAIN).await;
    let entries = stage.fetch(10).await;
    stage.bury(&entries[0], "broken").await;
    stage.complete(&entries[1], "1").await;
    stage.fold().await;
    assert_eq!(stage.statuses(&id).await, ["failed", "cancelled", "completed"]);
    assert_eq!(stage.task(&id).await["status"], "failed");
    id
}

#[tokio::test]
async fn a_failed_task_runs_again_where_it_did_not_complete() {
    let stage = stage().await;
    let id = failed_chain(&stage).await;
    let answer = replay(&stage, &id, "").await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let task = answer.json();
    assert_eq!((&task["status"], &task["completed"], &task["failed"]), (&json!("processing"), &json!(1), &json!(0)));
    assert_eq!(answer.header("etag"), format!("\"{}\"", task["revision"]));
    assert!(task.get("finished_at").is_none());
    assert_eq!(stage.statuses(&id).await, ["queued", "blocked", "completed"]);
    assert_eq!((&task["subtasks"][0]["generation"], task["subtasks"][2].get("generation")), (&json!(1), None));
    assert!(task["subtasks"][0].get("attempt").is_none(), "nothing is known of the new generation");
    stage.work().await;
    let done = stage.task(&id).await;
    assert_eq!((&done["status"], &done["completed"]), (&json!("completed"), &json!(3)));
}

#[tokio::test]
async fn a_completed_task_runs_again_as_a_whole_or_by_name() {
    let stage = stage().await;
    let id = stage.submit(CHAIN).await;
    stage.work().await;
    assert_eq!(replay(&stage, &id, "{}").await.status, 202);
    assert_eq!(stage.statuses(&id).await, ["queued", "blocked", "queued"]);
    stage.work().await;
    assert_eq!(replay(&stage, &id, r#"{"subtasks":["b",2]}"#).await.status, 202);
    assert_eq!(stage.statuses(&id).await, ["completed", "queued", "queued"]);
    stage.work().await;
    let task = stage.task(&id).await;
    assert_eq!(task["status"], "completed");
    let generations: Vec<_> = (0..3).map(|at| task["subtasks"][at]["generation"].clone()).collect();
    assert_eq!(generations, [json!(1), json!(2), json!(2)]);
}

#[tokio::test]
async fn a_completed_parent_runs_again_if_its_result_is_gone() {
    const GRAPH: &str = r#"{"description":"d","subtasks":[{"name":"a","description":"a"},{"name":"b","description":"b","depends_on":["a"]},{"name":"c","description":"c","depends_on":["b"]}]}"#;
    for (gone, expect) in [
        (&[][..], ["completed", "completed", "queued"]),
        (&[1], ["completed", "queued", "blocked"]),
        (&[0, 1], ["queued", "blocked", "blocked"]),
        (&[0], ["completed", "completed", "queued"]),
    ] {
        let stage = stage().await;
        let id = stage.submit(GRAPH).await;
        for _ in 0..2 {
            let entries = stage.fetch(10).await;
            stage.complete(&entries[0], "1").await;
            stage.fold().await;
        }
        let last = stage.fetch(10).await;
        stage.bury(&last[0], "broken").await;
        stage.fold().await;
        for index in gone {
            stage.redis.command(&["DEL", &format!("result:{id}-{index}")]);
        }
        assert_eq!(replay(&stage, &id, "").await.status, 202);
        assert_eq!(stage.statuses(&id).await, expect, "without the results of {gone:?}");
        stage.work().await;
        assert_eq!(stage.task(&id).await["status"], "completed");
    }
}

#[tokio::test]
async fn a_cancelled_task_runs_again() {
    let stage = stage().await;
    let id = stage.submit(CHAIN).await;
    stage.post(&format!("/tasks/{id}/cancel"), "").await;
    stage.fold().await;
    let leftovers = stage.fetch(10).await.len();
    assert_eq!(leftovers, 2, "what a cancel leaves behind is its next reader's to drop");
    assert_eq!(replay(&stage, &id, "").await.status, 202);
    assert_eq!(stage.statuses(&id).await, ["queued", "blocked", "queued"]);
    stage.work().await;
    assert_eq!(stage.task(&id).await["status"], "completed");
}

#[tokio::test]
async fn what_has_run_again_a_hundred_times_is_not_replayed() {
    let stage = stage().await;
    let id = stage.submit(CHAIN).await;
    stage.post(&format!("/tasks/{id}/cancel"), "").await;
    let outcomes = format!("outcomes:{id}");
    stage.redis.command(&["HSET", &outcomes, "g:2", "100", "2@100", "cancelled 0 0 5"]);
    let before = stage.footprint();
    replay(&stage, &id, "").await.problem(409, "runs_exhausted");
    assert_eq!(stage.footprint(), before);
    stage.redis.command(&["HSET", &outcomes, "g:2", "99", "2@99", "cancelled 0 0 5"]);
    assert_eq!(replay(&stage, &id, "").await.status, 202);
}

#[tokio::test]
async fn an_open_task_is_not_replayed_and_a_doubled_replay_runs_once() {
    let stage = stage().await;
    let id = stage.submit(CHAIN).await;
    replay(&stage, &id, "").await.problem(409, "not_replayable");
    let entries = stage.fetch(10).await;
    stage.complete(&entries[1], "1").await;
    stage.fold().await;
    assert_eq!(stage.statuses(&id).await, ["queued", "blocked", "completed"]);
    for body in ["", r#"{"subtasks":["c"]}"#] {
        replay(&stage, &id, body).await.problem(409, "not_replayable");
    }
    stage.complete(&entries[0], "1").await;
    stage.work().await;
    let answers = join_all((0..10).map(|_| replay(&stage, &id, ""))).await;
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    assert_eq!(accepted, 1);
    for answer in answers.iter().filter(|answer| answer.status != 202) {
        answer.problem(409, "not_replayable");
    }
    assert_eq!(stage.fetch(10).await.len(), 2, "a and c, once each");
}

#[tokio::test]
async fn a_subtask_that_the_task_does_not_have_is_refused_by_place() {
    let stage = stage().await;
    let id = failed_chain(&stage).await;
    let before = stage.footprint();
    for (body, status, code, pointers) in [
        (
            r#"{"subtasks":["a","z",3,4294967295]}"#,
            422,
            "rule_violated",
            &["/subtasks/1", "/subtasks/2", "/subtasks/3"][..],
        ),
        (r#"{"subtasks":[]}"#, 422, "rule_violated", &["/subtasks"]),
        (r#"{"subtasks":[-1,1.5,null]}"#, 400, "invalid_request", &["/subtasks/0", "/subtasks/1", "/subtasks/2"]),
        (r#"{"subtasks":"a"}"#, 400, "invalid_request", &["/subtasks"]),
        (r#"{"subtask":"a"}"#, 400, "invalid_request", &["/subtask"]),
        ("[]", 400, "invalid_request", &[""]),
        ("{", 400, "malformed_json", &[]),
    ] {
        let problem = replay(&stage, &id, body).await.problem(status, code);
        let told: Vec<&str> =
            problem["errors"].as_array().into_iter().flatten().filter_map(|it| it["pointer"].as_str()).collect();
        assert_eq!(told, pointers, "{body}");
    }
    let plain = stage.send("POST", &format!("/tasks/{id}/replay"), &[("content-type", "text/plain")], "x".into()).await;
    plain.problem(415, "unsupported_media_type");
    for unknown in ["01K5QJ0000ABCDEFGHJKMNPQRS", "a%20b"] {
        replay(&stage, unknown, "").await.problem(404, "task_not_found");
    }
    assert_eq!(stage.footprint(), before);
}

#[tokio::test]
async fn the_typed_door_reads_the_generation_that_runs() {
    let stage = stage().await;
    let answer = stage.post("/assign-task", r#"{"task_type":"test_task"}"#).await.json();
    let id = answer["task_id"].as_str().expect("an id").to_owned();
    let path = format!("/result/{id}");
    let entries = stage.fetch(1).await;
    stage.bury(&entries[0], "timeout").await;
    stage.fold().await;
    assert_eq!(stage.get(&path).await.json()["error"], "timeout");

    assert_eq!(replay(&stage, &id, "").await.status, 202);
    let running = stage.get(&path).await.json();
    assert_eq!((&running["status"], running.get("error")), (&json!("processing"), None));
    let entries = stage.fetch(1).await;
    stage.bury(&entries[0], "broken").await;
    stage.fold().await;
    assert_eq!(stage.get(&path).await.json()["error"], "broken", "the old record is not read any more");

    assert_eq!(replay(&stage, &id, "").await.status, 202);
    let entries = stage.fetch(1).await;
    stage.complete(&entries[0], r#"{"n": 2}"#).await;
    stage.fold().await;
    assert!(stage.get(&path).await.text.contains(r#""result":{"n": 2}"#));
}

#[tokio::test]
async fn what_was_told_of_an_earlier_generation_is_not_shown() {
    let stage = stage().await;
    let id = failed_chain(&stage).await;
    replay(&stage, &id, "").await;
    stage.redis.command(&["HSET", &format!("outcomes:{id}"), "~0", "0 3 1 1790000000000 started ghost"]);
    let subtask = stage.task(&id).await["subtasks"][0].clone();
    assert_eq!((&subtask["status"], subtask.get("attempt"), subtask.get("worker")), (&json!("queued"), None, None));
}

#[tokio::test]
async fn a_result_that_others_wait_for_outlives_the_new_deadline() {
    let stage = stage().await;
    let id = failed_chain(&stage).await;
    replay(&stage, &id, "").await;
    let entries = stage.fetch(10).await;
    let entry = entries[0].entry.as_ref().expect("a sound entry");
    assert_eq!((entry.generation, entry.result_ttl_s), (1, Some(604_800 + 86_400)));
}

#[tokio::test]
async fn a_deadline_that_was_asked_for_is_as_far_from_a_replay_as_it_was_from_the_start() {
    let stage = stage().await;
    let id = stage.submit(&CHAIN.replacen('{', r#"{"deadline_seconds":60,"#, 1)).await;
    let entries = stage.fetch(10).await;
    stage.bury(&entries[0], "broken").await;
    stage.complete(&entries[1], "1").await;
    stage.fold().await;
    assert_eq!(replay(&stage, &id, "").await.status, 202);
    let [deadline, replayed_at] = ["deadline_at", "updated_at"].map(|field| number(&stage, &id, field));
    assert_eq!(deadline, replayed_at + 60_000);
    let entries = stage.fetch(10).await;
    let entry = entries[0].entry.as_ref().expect("a sound entry");
    assert_eq!((entry.deadline_ms, entry.result_ttl_s), (Some(deadline), Some(60 + 86_400)));
}

#[tokio::test]
async fn a_letter_given_back_to_an_open_task_moves_no_deadline() {
    let stage = stage().await;
    let id = stage.submit(&CHAIN.replacen('{', r#"{"deadline_seconds":60,"#, 1)).await;
    let deadline = number(&stage, &id, "deadline_at");
    let entries = stage.fetch(10).await;
    let letter = stage.bury(&entries[0], "broken").await;
    stage.fold().await;
    assert_eq!(stage.post(&format!("/dead-letters/{letter}/requeue"), "").await.status, 200);
    assert_eq!(stage.statuses(&id).await, ["queued", "blocked", "queued"]);
    let again = stage.fetch(10).await.remove(0).entry.expect("a sound entry");
    assert_eq!((again.generation, again.deadline_ms), (1, Some(deadline)));
    assert_eq!(number(&stage, &id, "deadline_at"), deadline);
}
