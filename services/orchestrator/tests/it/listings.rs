//! TASK-12: tasks are listed newest first, page by page, by what they have in common.

use crate::stage::{Stage, stage};
use serde_json::{Value, json};

const ONE: &str = r#"{"description":"d","subtasks":[{"description":"a"}]}"#;

async fn page(stage: &Stage, query: &str) -> Value {
    let answer = stage.get(&format!("/tasks{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn ids(page: &Value) -> Vec<String> {
    let tasks = page["tasks"].as_array().expect("a list");
    tasks.iter().map(|task| task["task_id"].as_str().expect("an id").to_owned()).collect()
}

/// What the query finds on all its pages.
async fn walk(stage: &Stage, query: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for _ in 0..50 {
        let page = page(stage, &format!("?{query}{cursor}")).await;
        found.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
    panic!("{query} does not come to an end");
}

/// Ends the newest entry's task as failed, with this reason and this message.
async fn fail(stage: &Stage, reason: &str, message: &str) -> String {
    let id = stage.submit(ONE).await;
    let entries = stage.fetch(1).await;
    stage.bury(&entries[0], reason).await;
    stage.fold().await;
    let result = json!({
        "subtask_id": format!("{id}-0"), "task_id": id, "status": "failed", "worker_id": "w", "completed_at": "c",
        "description": "a", "error": { "reason": reason, "message": message },
    });
    stage.redis.command(&["SET", &format!("result:{id}-0"), &result.to_string()]);
    id
}

#[tokio::test]
async fn tasks_are_listed_newest_first_and_every_page_goes_on_where_the_last_one_ended() {
    let stage = stage().await;
    assert_eq!(page(&stage, "").await, json!({ "tasks": [] }));
    let mut submitted = Vec::new();
    for _ in 0..7 {
        submitted.push(stage.submit(ONE).await);
    }
    let places = stage.redis.command(&["ZREVRANGE", "tasks", "0", "-1"]);
    let newest_first: Vec<String> = places.items().iter().map(system_tests::redis::Reply::text).collect();
    let all = page(&stage, "").await;
    assert_eq!((ids(&all), all.get("next_cursor")), (newest_first.clone(), None));
    for limit in [1, 2, 3, 6, 7] {
        assert_eq!(walk(&stage, &format!("limit={limit}")).await, newest_first, "{limit}");
    }
    let newest = &all["tasks"][0];
    let document = stage.task(&newest_first[0]).await;
    for field in ["description", "status", "priority", "door", "created_at", "updated_at", "total", "revision", "links"]
    {
        assert_eq!(newest[field], document[field], "{field}");
    }
    assert_eq!((&newest["kinds"], newest.get("subtasks")), (&json!(["simulate"]), None));
}

#[tokio::test]
async fn several_statuses_are_one_list_and_a_task_of_one_ms_with_others_is_in_it_once() {
    let stage = stage().await;
    let completed = stage.submit(ONE).await;
    stage.work().await;
    let failed = fail(&stage, "broken", "m").await;
    let cancelled = stage.submit(ONE).await;
    stage.post(&format!("/tasks/{cancelled}/cancel"), "").await;
    let queued = stage.submit(ONE).await;
    for key in ["tasks", "tasks:completed", "tasks:failed", "tasks:cancelled", "tasks:queued"] {
        for id in [&completed, &cancelled, &failed, &queued] {
            stage.redis.command(&["ZADD", key, "XX", "1790000000000", id]);
        }
    }
    let mut all = vec![completed.clone(), cancelled.clone(), failed.clone(), queued.clone()];
    all.sort_by(|one, other| other.cmp(one));
    for limit in 1..=4 {
        assert_eq!(walk(&stage, &format!("limit={limit}")).await, all, "{limit}");
        let both = walk(&stage, &format!("limit={limit}&status=completed,failed")).await;
        assert_eq!(both, all.iter().filter(|id| [&completed, &failed].contains(id)).cloned().collect::<Vec<_>>());
    }
    assert_eq!(walk(&stage, "status=cancelled").await, [cancelled]);
    assert_eq!(walk(&stage, "status=processing").await, Vec::<String>::new());
    assert_eq!(walk(&stage, "status=queued,queued").await, [queued]);
}

#[tokio::test]
async fn a_kind_a_time_and_the_text_of_an_error_choose_tasks() {
    let stage = stage().await;
    let mixed = r#"{"description":"d","subtasks":[{"description":"a"},{"description":"b","kind":"test_task"}]}"#;
    let mixed = stage.submit(mixed).await;
    stage.fetch(10).await;
    let slow = fail(&stage, "timeout", "No answer within 5 s").await;
    let broken = fail(&stage, "error", "Connection REFUSED by peer").await;
    assert_eq!(walk(&stage, "kind=test_task").await, std::slice::from_ref(&mixed));
    assert_eq!(walk(&stage, "kind=none").await, Vec::<String>::new());
    assert_eq!(walk(&stage, "error=refused").await, std::slice::from_ref(&broken));
    assert_eq!(walk(&stage, "error=TIMEOUT&status=failed,completed").await, std::slice::from_ref(&slow));
    assert_eq!(walk(&stage, "error=refused&status=completed").await, Vec::<String>::new());
    stage.redis.command(&["DEL", &format!("result:{broken}-0")]);
    assert_eq!(walk(&stage, "error=refused").await, Vec::<String>::new(), "a message is kept as long as its result");
    stage.redis.command(&["ZADD", "tasks", "XX", "1790000000000", &mixed]);
    assert_eq!(walk(&stage, "since=2026-09-21T14:13:20.001Z").await, [broken.clone(), slow.clone()]);
    assert_eq!(walk(&stage, "since=2026-09-21T14:13:20Z").await, [broken, slow, mixed]);
}

#[tokio::test]
async fn a_list_looks_at_a_thousand_tasks_and_goes_on_from_there() {
    let stage = stage().await;
    let rare = r#"{"description":"d","subtasks":[{"description":"b","kind":"test_task"}]}"#;
    let rare = stage.submit(rare).await;
    stage.redis.command(&["ZADD", "tasks", "XX", "1790000000000", &rare]);
    let mut connection = stage.redis.connect().expect("a connection");
    let gone = |at: u64| {
        vec!["ZADD".to_owned(), "tasks".to_owned(), (1_790_000_000_001 + at).to_string(), format!("GONE{at}")]
    };
    connection.pipeline(&(0..1_050).map(gone).collect::<Vec<_>>()).expect("added");
    let short = page(&stage, "?kind=test_task").await;
    assert_eq!(ids(&short).len(), 0, "what is gone is left out");
    let cursor = short["next_cursor"].as_str().expect("there is more");
    assert_eq!(ids(&page(&stage, &format!("?kind=test_task&cursor={cursor}")).await), [rare]);
}

/// Nothing of it is a task, and there is more of it than one list looks at; some of it at one ms.
#[tokio::test]
async fn a_list_goes_on_behind_whatever_a_stranger_has_put_in_an_index() {
    let stage = stage().await;
    let oldest = stage.submit(ONE).await;
    stage.redis.command(&["ZADD", "tasks", "XX", "1780000000000", &oldest]);
    let mut connection = stage.redis.connect().expect("a connection");
    let far = |at: u64| ["+inf".to_owned(), "1790000000000".to_owned(), (1_790_000_000_001 + at).to_string()];
    let stranger =
        |at: u64| far(at).map(|score| vec!["ZADD".into(), "tasks".into(), score.clone(), format!("{score} {at}")]);
    connection.pipeline(&(0..1_200).flat_map(stranger).collect::<Vec<Vec<String>>>()).expect("added");
    assert_eq!(walk(&stage, "limit=1").await, [oldest]);
}

#[tokio::test]
async fn what_is_no_parameter_is_named_and_a_stranger_in_an_index_is_passed_over() {
    let stage = stage().await;
    let id = stage.submit(ONE).await;
    for (score, member) in [("1790000000000", "not an id!"), ("-5", "BEFORE"), ("9e15", "FUTURE")] {
        stage.redis.command(&["ZADD", "tasks", score, member]);
    }
    stage.redis.command(&["ZADD", "tasks", "1790000000001", "BROKEN"]);
    stage.redis.command(&["SET", "task:BROKEN", "no task"]);
    assert_eq!(walk(&stage, "limit=1").await, [id]);
    for (query, pointer) in [
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("limit=1&limit=2", "/limit"),
        ("cursor=x", "/cursor"),
        ("cursor=5.", "/cursor"),
        ("status=done", "/status"),
        ("status=", "/status"),
        ("since=yesterday", "/since"),
        ("kind=a%20b", "/kind"),
        ("error=", "/error"),
        ("sort=;drop", "/sort"),
        ("filter[$ne]=", "/filter__ne_"),
    ] {
        let problem = stage.get(&format!("/tasks?{query}")).await.problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{query}");
    }
    let all = stage.get("/tasks?limit=0&status=done&since=x&x=1").await.problem(400, "invalid_request");
    let told = all["errors"].as_array().expect("a list").iter().map(|it| it["detail"].as_str().expect("a text"));
    let told: Vec<_> = told.filter(|text| !text.starts_with("status must match ^(")).collect();
    assert_eq!(
        told,
        [
            "limit must be an integer from 1 to 100",
            "since must be a time as RFC 3339 writes it",
            "x is not a known parameter"
        ]
    );
}
