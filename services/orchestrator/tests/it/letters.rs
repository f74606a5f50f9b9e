//! FLOW-12: dead letters are listed, shown, given back and thrown away.

use crate::stage::{Answer, Stage, config, stage, stage_on};
use orchestrator::Config;
use serde_json::{Value, json};
use std::time::Duration;
use system_tests::redis::PrivateRedis;

const PAIR: &str = r#"{"description":"d","subtasks":[{"name":"a","description":"a","params":{"n": 1.0}},{"description":"b","depends_on":["a"]}]}"#;

/// A task whose first subtask is a dead letter of this reason; ids of the task and of the letter.
async fn buried(stage: &Stage, reason: &str) -> (String, String) {
    let id = stage.submit(PAIR).await;
    let entries = stage.fetch(10).await;
    let letter = stage.bury(&entries[0], reason).await;
    stage.fold().await;
    (id, letter)
}

fn letters(stage: &Stage) -> i64 {
    stage.redis.command(&["XLEN", "dead-letters"]).integer()
}

/// Letters of nobody that lie there as a worker left them.
fn add_letters(stage: &Stage, count: usize, reason: &str) {
    let mut connection = stage.redis.connect().expect("a connection");
    let source = "subtasks:default:low 1-0";
    let add = ["XADD", "dead-letters", "*", "reason", reason, "error", "e", "worker", "w", "source", source];
    let entry = ["task_id", "none", "subtask_id", "none-0", "description", "d", "kind", "test_task", "attempt", "5"];
    let command: Vec<&str> = add.into_iter().chain(entry).collect();
    connection.pipeline(&vec![command; count]).expect("added");
}

async fn page(stage: &Stage, query: &str) -> Value {
    let answer = stage.get(&format!("/dead-letters{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// A server that has no time for a second letter, or a second page.
async fn hasty_stage() -> Stage {
    let redis = PrivateRedis::start().expect("a redis");
    let stage = stage_on(redis, Config { letters_time: Duration::ZERO, ..config() }).await;
    assert!(stage.store.wait_connected(Duration::from_secs(5)).await);
    stage
}

/// All answers that the cursor of a first one leads to.
async fn follow(stage: &Stage, first: &Value, is_dry_run: bool) -> Vec<Value> {
    let (mut answers, mut cursor) = (Vec::new(), first["next_cursor"].clone());
    while cursor.is_string() {
        let body = json!({ "matching": {}, "cursor": cursor, "dry_run": is_dry_run });
        let answer = stage.post("/dead-letters/requeue", body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answers.push(answer.json());
        assert!(answers.len() < 10, "it does not come to an end: {answers:?}");
        cursor = answer.json()["next_cursor"].clone();
    }
    answers
}

async fn discard(stage: &Stage, order: Value) -> Answer {
    stage.post("/dead-letters/discard", order.to_string()).await
}

fn ids(page: &Value) -> Vec<String> {
    let letters = page["dead_letters"].as_array().expect("a list");
    letters.iter().map(|letter| letter["entry_id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn letters_are_listed_newest_first_page_by_page_and_by_what_they_have_in_common() {
    let stage = stage().await;
    assert_eq!(page(&stage, "").await, json!({ "dead_letters": [], "total": 0, "trimmed": 0 }));
    let (_, first) = buried(&stage, "timeout").await;
    let (task, second) = buried(&stage, "broken").await;
    add_letters(&stage, 3, "malformed");
    let all = page(&stage, "").await;
    assert_eq!((ids(&all).len(), &all["total"], all.get("next_cursor")), (5, &json!(5), None));
    assert_eq!(ids(&all)[3..], [second.clone(), first.clone()]);
    let letter = &all["dead_letters"][3];
    assert_eq!(
        (&letter["reason"], &letter["error"], &letter["task_id"], &letter["attempt"]),
        (&json!("broken"), &json!("it is broken"), &json!(task), &json!(1))
    );

    let mut cursor = page(&stage, "?limit=2").await;
    let mut walked = ids(&cursor);
    while let Some(next) = cursor["next_cursor"].as_str() {
        assert_eq!(ids(&cursor).len(), 2);
        cursor = page(&stage, &format!("?limit=2&cursor={next}")).await;
        walked.extend(ids(&cursor));
    }
    assert_eq!(walked, ids(&all));
    assert_eq!(ids(&page(&stage, "?reason=timeout").await), [first]);
    assert_eq!(ids(&page(&stage, "?kind=test_task").await).len(), 3);
    assert_eq!(ids(&page(&stage, &format!("?task_id={task}&reason=broken")).await), [second]);
    assert_eq!(ids(&page(&stage, "?reason=nothing").await).len(), 0);
}

#[tokio::test]
async fn a_list_looks_at_a_thousand_letters_and_goes_on_from_there() {
    let stage = stage().await;
    add_letters(&stage, 1, "rare");
    add_letters(&stage, 1_050, "common");
    let short = page(&stage, "?reason=rare").await;
    assert_eq!((ids(&short).len(), &short["total"]), (0, &json!(1_051)));
    let cursor = short["next_cursor"].as_str().expect("there is more");
    let rest = page(&stage, &format!("?reason=rare&cursor={cursor}")).await;
    assert_eq!((ids(&rest).len(), rest.get("next_cursor")), (1, None));
    let dry = stage.post("/dead-letters/requeue", r#"{"matching":{"reason":"rare"},"dry_run":true}"#).await.json();
    assert_eq!(dry["matched"], 1, "a selection looks at all of them");
}

#[tokio::test]
async fn a_letter_shows_its_entry_its_input_and_its_history() {
    let stage = stage().await;
    let id = stage.submit(PAIR).await;
    let entries = stage.fetch(1).await;
    stage.retry(&entries[0], Duration::ZERO).await;
    stage.promote().await;
    let entries = stage.fetch(1).await;
    let letter = stage.bury(&entries[0], "timeout").await;
    let answer = stage.get(&format!("/dead-letters/{letter}")).await;
    assert!(answer.text.contains(r#""payload":{"n": 1.0}"#), "byte for byte: {}", answer.text);
    let whole = answer.json();
    assert_eq!((&whole["letter"]["subtask_id"], &whole["letter"]["attempt"]), (&json!(format!("{id}-0")), &json!(2)));
    assert_eq!(whole["task_exists"], true);
    let attempt = &whole["history"][0];
    assert_eq!(
        (&attempt["attempt"], &attempt["fact"], &attempt["reason"], &attempt["worker"]),
        (&json!(1), &json!("retrying"), &json!("broken"), &json!("worker-1:a@host"))
    );
    assert!(whole["fields"].as_array().expect("a list").contains(&json!({ "name": "kind", "value": "simulate" })));
}

#[tokio::test]
async fn a_letter_given_back_runs_again_with_what_was_given_up_for_it() {
    let stage = stage().await;
    let (id, letter) = buried(&stage, "timeout").await;
    assert_eq!(stage.statuses(&id).await, ["failed", "cancelled"]);
    let answer = stage.post(&format!("/dead-letters/{letter}/requeue"), "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!((&answer.json()["requeued"], letters(&stage)), (&json!(1), 0));
    assert_eq!(stage.statuses(&id).await, ["queued", "blocked"]);
    stage.work().await;
    assert_eq!(stage.task(&id).await["status"], "completed");
    stage.post(&format!("/dead-letters/{letter}/requeue"), "").await.problem(404, "dead_letter_not_found");
}

#[tokio::test]
async fn a_letter_whose_subtask_has_run_again_since_is_gone_and_stays() {
    let stage = stage().await;
    let (id, letter) = buried(&stage, "timeout").await;
    assert_eq!(stage.post(&format!("/tasks/{id}/replay"), "").await.status, 202);
    let before = stage.footprint();
    stage.post(&format!("/dead-letters/{letter}/requeue"), "").await.problem(409, "gone");
    assert_eq!(stage.footprint(), before);
    let entries = stage.fetch(10).await;
    let newer = stage.bury(&entries[0], "timeout").await;
    stage.fold().await;
    stage.post(&format!("/dead-letters/{letter}/requeue"), "").await.problem(409, "gone");
    assert_eq!(stage.post(&format!("/dead-letters/{newer}/requeue"), "").await.status, 200);
    stage.work().await;
    stage.post(&format!("/dead-letters/{letter}/requeue"), "").await.problem(409, "gone");
    assert_eq!((letters(&stage), stage.task(&id).await["status"].clone()), (1, json!("completed")));
}

#[tokio::test]
async fn a_letter_of_a_task_that_still_runs_joins_it() {
    let stage = stage().await;
    let body = r#"{"description":"d","subtasks":[{"name":"a","description":"a"},{"description":"b","depends_on":[{"name":"a","on_failure":"continue"}]}]}"#;
    let id = stage.submit(body).await;
    let entries = stage.fetch(10).await;
    let letter = stage.bury(&entries[0], "broken").await;
    stage.fold().await;
    assert_eq!(stage.statuses(&id).await, ["failed", "queued"]);
    assert_eq!(stage.post(&format!("/dead-letters/{letter}/requeue"), "").await.status, 200);
    assert_eq!(stage.statuses(&id).await, ["queued", "queued"]);
    stage.work().await;
    assert_eq!(stage.task(&id).await["status"], "completed");
}

#[tokio::test]
async fn a_letter_of_nobody_goes_back_to_its_stream_and_garbage_does_not() {
    let stage = stage().await;
    add_letters(&stage, 1, "timeout");
    let letter = stage.newest_letter();
    assert_eq!(stage.get(&format!("/dead-letters/{letter}")).await.json()["task_exists"], false);
    assert_eq!(stage.post(&format!("/dead-letters/{letter}/requeue"), "").await.status, 200);
    assert_eq!((letters(&stage), stage.redis.command(&["XLEN", "subtasks:default:low"]).integer()), (0, 1));
    let entries = stage.fetch(1).await;
    assert_eq!(entries[0].entry.as_ref().expect("a sound entry").attempt, 1);

    let head = ["XADD", "dead-letters", "*", "reason", "malformed", "error", "e", "worker", "w", "source"];
    for rest in [&["events 1-0", "line", "x"][..], &["subtasks:default:low 1-0", "description", "no ids"]] {
        stage.redis.command(&[&head[..], rest].concat());
        let letter = stage.newest_letter();
        stage.post(&format!("/dead-letters/{letter}/requeue"), "").await.problem(409, "unfit");
    }
    assert_eq!(letters(&stage), 2);
    for id in ["1-0", "nope", "18446744073709551616-0", "%ff"] {
        stage.get(&format!("/dead-letters/{id}")).await.problem(404, "dead_letter_not_found");
        stage.post(&format!("/dead-letters/{id}/requeue"), "").await.problem(404, "dead_letter_not_found");
    }
}

#[tokio::test]
async fn several_are_given_back_by_id_or_by_what_they_have_in_common() {
    let stage = stage().await;
    let (one, first) = buried(&stage, "timeout").await;
    let (two, second) = buried(&stage, "timeout").await;
    let (three, _) = buried(&stage, "broken").await;
    stage.post(&format!("/tasks/{two}/replay"), "").await;
    let requeue = async |body: String| {
        let answer = stage.post("/dead-letters/requeue", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    };
    let before = stage.footprint();
    let dry = requeue(r#"{"matching":{"reason":"timeout"},"dry_run":true}"#.to_owned()).await;
    assert_eq!(dry, json!({ "matched": 2, "requeued": 0, "gone": 0, "unfit": 0, "left": 0 }));
    assert_eq!(stage.footprint(), before, "a dry run changes nothing");
    let done = requeue(r#"{"matching":{"reason":"timeout"}}"#.to_owned()).await;
    assert_eq!(done, json!({ "matched": 2, "requeued": 1, "gone": 1, "unfit": 0, "left": 0 }));
    assert_eq!(stage.statuses(&one).await, ["queued", "blocked"]);
    assert_eq!(stage.statuses(&three).await, ["failed", "cancelled"], "what does not match is left alone");

    let by_id = requeue(json!({ "entry_ids": [first, second, second] }).to_string()).await;
    assert_eq!(by_id, json!({ "matched": 1, "requeued": 0, "gone": 1, "unfit": 0, "left": 0 }));
    let all = requeue(r#"{"matching":{}}"#.to_owned()).await;
    assert_eq!((&all["matched"], &all["requeued"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn letters_that_cannot_be_given_back_are_not_in_the_way_of_older_ones() {
    let stage = hasty_stage().await;
    let (id, letter) = buried(&stage, "timeout").await;
    let garbage =
        ["XADD", "dead-letters", "*", "reason", "malformed", "error", "e", "worker", "w", "source", "events 1-0"];
    for _ in 0..3 {
        stage.redis.command(&garbage);
    }
    let newest = stage.newest_letter();
    let first = stage.post("/dead-letters/requeue", r#"{"matching":{}}"#).await.json();
    assert_eq!(first, json!({ "matched": 4, "requeued": 0, "gone": 0, "unfit": 1, "left": 3, "next_cursor": newest }));
    let answers = follow(&stage, &first, false).await;
    assert_eq!(answers.iter().map(|told| told["unfit"].as_u64().expect("a number")).collect::<Vec<_>>(), [1, 1, 0]);
    let last = answers.last().expect("an answer");
    assert_eq!(last, &json!({ "matched": 1, "requeued": 1, "gone": 0, "unfit": 0, "left": 0 }));
    assert_eq!(stage.statuses(&id).await, ["queued", "blocked"]);
    stage.get(&format!("/dead-letters/{letter}")).await.problem(404, "dead_letter_not_found");
}

#[tokio::test]
async fn a_letter_whose_task_cannot_be_read_is_unfit_and_the_others_go_on() {
    let stage = stage().await;
    let (good, _) = buried(&stage, "timeout").await;
    let (nonsense, of_nonsense) = buried(&stage, "timeout").await;
    let (foreign, of_foreign) = buried(&stage, "timeout").await;
    stage.redis.command(&["HSET", &format!("task:{nonsense}"), "status", "nonsense"]);
    stage.redis.command(&["DEL", &format!("outcomes:{foreign}")]);
    stage.redis.command(&["SET", &format!("outcomes:{foreign}"), "x"]);
    let told = stage.post("/dead-letters/requeue", r#"{"matching":{}}"#).await;
    assert_eq!(told.status, 200, "{}", told.text);
    assert_eq!(told.json(), json!({ "matched": 3, "requeued": 1, "gone": 0, "unfit": 2, "left": 0 }));
    assert_eq!(stage.statuses(&good).await, ["queued", "blocked"]);
    for (letter, task) in [(of_nonsense, nonsense), (of_foreign, foreign)] {
        let shown = stage.get(&format!("/dead-letters/{letter}")).await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        let shown = shown.json();
        assert_eq!((&shown["letter"]["task_id"], &shown["task_exists"]), (&json!(task), &json!(true)));
    }
}

#[tokio::test]
async fn a_dry_run_that_runs_out_of_time_goes_on_where_it_was() {
    let stage = hasty_stage().await;
    add_letters(&stage, 250, "timeout");
    let first = stage.post("/dead-letters/requeue", r#"{"matching":{},"dry_run":true}"#).await.json();
    assert_eq!(first["matched"], 100);
    let rest = follow(&stage, &first, true).await;
    assert_eq!(rest.iter().map(|told| told["matched"].as_u64().expect("a number")).collect::<Vec<_>>(), [100, 50]);
    assert_eq!(letters(&stage), 250);
}

#[tokio::test]
async fn letters_are_thrown_away_only_in_the_number_that_a_dry_run_gave() {
    let stage = stage().await;
    add_letters(&stage, 2, "timeout");
    add_letters(&stage, 1, "broken");
    let newest = stage.newest_letter();
    let dry = discard(&stage, json!({ "matching": { "reason": "timeout" }, "dry_run": true })).await;
    assert_eq!(
        (dry.status, dry.json()),
        (200, json!({ "matched": 2, "discarded": 0, "left": 0, "newest": newest })),
        "the newest that was looked at"
    );
    for confirm in [1, 3] {
        let order = json!({ "matching": { "reason": "timeout" }, "confirm": confirm, "until": newest });
        let told = discard(&stage, order).await.problem(409, "confirmation");
        assert!(told["detail"].as_str().is_some_and(|text| text.starts_with("2 ")));
    }
    assert_eq!(letters(&stage), 3);
    let done = discard(&stage, json!({ "matching": { "reason": "timeout" }, "confirm": 2, "until": newest })).await;
    assert_eq!((&done.json()["discarded"], letters(&stage)), (&json!(2), 1));
}

#[tokio::test]
async fn a_letter_that_a_dry_run_has_not_seen_is_not_thrown_away() {
    let stage = stage().await;
    add_letters(&stage, 2, "timeout");
    let dry = discard(&stage, json!({ "matching": {}, "dry_run": true })).await.json();
    let first = page(&stage, "").await["dead_letters"][1]["entry_id"].clone();
    assert_eq!(discard(&stage, json!({ "entry_ids": [first], "confirm": 1 })).await.json()["discarded"], 1);
    add_letters(&stage, 1, "unseen"); // the number is the same again
    let order = |confirm: u64| json!({ "matching": {}, "confirm": confirm, "until": dry["newest"] });
    discard(&stage, order(2)).await.problem(409, "confirmation");
    assert_eq!(discard(&stage, order(1)).await.json()["discarded"], 1);
    assert_eq!(ids(&page(&stage, "?reason=unseen").await), [stage.newest_letter()]);
}

#[tokio::test]
async fn a_discard_that_runs_out_of_time_goes_on_where_it_was() {
    let stage = hasty_stage().await;
    add_letters(&stage, 250, "timeout");
    let dry = discard(&stage, json!({ "matching": {}, "dry_run": true })).await.json();
    assert_eq!((&dry["matched"], dry["next_cursor"].is_string()), (&json!(100), true));
    let mut order = json!({ "matching": {}, "confirm": 250, "until": dry["newest"] });
    for (matched, left) in [(100, 150), (100, 50), (50, 0)] {
        let told = discard(&stage, order.clone()).await.json();
        assert_eq!(
            (&told["matched"], &told["discarded"], &told["left"]),
            (&json!(matched), &json!(matched), &json!(left))
        );
        assert_eq!((letters(&stage), told["next_cursor"].is_string()), (left, left > 0));
        (order["cursor"], order["confirm"]) = (told["next_cursor"].clone(), told["left"].clone());
    }
}

#[tokio::test]
async fn a_selection_that_says_nothing_or_too_much_is_refused() {
    let stage = stage().await;
    add_letters(&stage, 1, "timeout");
    let many = vec!["\"1-0\""; 1_001].join(",");
    for (path, body, status, pointers) in [
        ("requeue", "{}".to_owned(), 400, &["/matching"][..]),
        ("requeue", r#"{"entry_ids":["1-0"],"matching":{}}"#.to_owned(), 400, &["/matching"]),
        ("requeue", r#"{"entry_ids":["1-0","x",7]}"#.to_owned(), 400, &["/entry_ids/1", "/entry_ids/2"]),
        ("requeue", r#"{"matching":{"status":"x"},"dry_run":1}"#.to_owned(), 400, &["/matching/status", "/dry_run"]),
        ("requeue", format!(r#"{{"entry_ids":[{many}]}}"#), 422, &["/entry_ids"]),
        ("requeue", r#"{"matching":{},"cursor":"0-0"}"#.to_owned(), 400, &["/cursor"]),
        ("requeue", r#"{"entry_ids":["1-0"],"cursor":"5-0"}"#.to_owned(), 400, &["/cursor"]),
        ("discard", r#"{"matching":{}}"#.to_owned(), 400, &["/confirm"]),
        ("discard", r#"{"matching":{},"dry_run":true,"confirm":1,"until":"5-0"}"#.to_owned(), 400, &["/confirm"]),
        ("discard", r#"{"matching":{},"confirm":-1,"until":"x"}"#.to_owned(), 400, &["/confirm", "/until"]),
        ("discard", r#"{"matching":{},"confirm":1}"#.to_owned(), 400, &["/until"]),
        ("discard", r#"{"entry_ids":["1-0"],"confirm":1,"until":"5-0"}"#.to_owned(), 400, &["/until"]),
    ] {
        let code = if status == 400 { "invalid_request" } else { "rule_violated" };
        let problem = stage.post(&format!("/dead-letters/{path}"), body.clone()).await.problem(status, code);
        let errors = problem["errors"].as_array().expect("a list");
        let told: Vec<&str> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
        assert_eq!(told, pointers, "{body}");
    }
    for (query, status, code) in [
        ("?limit=0", 400, "invalid_request"),
        ("?limit=101", 400, "invalid_request"),
        ("?limit=x", 400, "invalid_request"),
        ("?cursor=x", 400, "invalid_request"),
        ("?cursor=%2B", 400, "invalid_request"),
        ("?cursor=0-0", 400, "invalid_request"),
    ] {
        stage.get(&format!("/dead-letters{query}")).await.problem(status, code);
    }
    assert_eq!(letters(&stage), 1);
}
