//! TASK-2 and TASK-3: whose plan it is, how urgent, and plans of a client's own.

use crate::stage::{config, stage, stage_on};
use crate::tasks::descriptions;
use orchestrator::Config;
use serde_json::json;
use system_tests::redis::PrivateRedis;
use task_core::Rules;

#[tokio::test]
async fn the_rules_plan_by_keyword_and_a_file_replaces_them() {
    let stage = stage().await;
    let api = stage.post("/tasks", r#"{"description":"A rest Api"}"#).await.json();
    assert_eq!(descriptions(&api)[0], "Define API endpoints and routes");
    let other = stage.post("/tasks", r#"{"description":"bake bread"}"#).await.json();
    assert_eq!(
        descriptions(&other),
        [
            "Research requirements for: bake bread",
            "Implement core logic for: bake bread",
            "Test and validate: bake bread",
        ]
    );

    let rules = "[[rule]]\ncontains = 'api'\nsteps = [{ description = 'only {description}' }]\n\
                 [fallback]\nsteps = [{ description = 'x', kind = 'nobody_serves_it' }]";
    let config = Config { plan_rules: Rules::parse(rules).expect("rules"), ..config() };
    let stage = stage_on(PrivateRedis::start().expect("a redis"), config).await;
    let planned = stage.post("/tasks", r#"{"description":"An API"}"#).await.json();
    assert_eq!(descriptions(&planned), ["only An API"]);
    let before = stage.footprint();
    let refused = stage.post("/tasks", r#"{"description":"else"}"#).await;
    assert_eq!(refused.problem(422, "unknown_kind")["errors"][0]["pointer"], "/description");
    assert_eq!(stage.footprint(), before);
}

#[tokio::test]
async fn a_priority_is_a_number_or_a_word_and_decides_the_stream() {
    let stage = stage().await;
    for (priority, expect) in [
        ("0", "low"),
        ("1", "medium"),
        ("2", "high"),
        ("3", "critical"),
        ("255", "critical"),
        ("\"low\"", "low"),
        ("\"medium\"", "medium"),
        ("\"high\"", "high"),
        ("\"critical\"", "critical"),
    ] {
        let stream = format!("subtasks:default:{expect}");
        let before = stage.redis.command(&["XLEN", &stream]).integer();
        let answer = stage.post("/tasks", format!(r#"{{"description":"x","priority":{priority}}}"#)).await;
        let task = answer.json();
        assert_eq!(task["priority"], expect, "{priority}");
        assert_eq!(task["subtasks"][0]["priority"], expect, "{priority}");
        assert_eq!(stage.redis.command(&["XLEN", &stream]).integer(), before + 3, "{priority}");
    }
    for priority in ["-1", "1.5", "null", "\"1\"", "\"urgent\"", "true", "[]", "{}"] {
        let answer = stage.post("/tasks", format!(r#"{{"description":"x","priority":{priority}}}"#)).await;
        let problem = answer.problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "/priority", "{priority}");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains("priority")), "{priority}");
    }
}

#[tokio::test]
async fn a_plan_of_ones_own_is_stored_with_its_params_byte_for_byte() {
    let stage = stage().await;
    let params = r#"{"big": 18446744073709551616, "zero": -0, "f": 1.0, "s": "\u0000 ünï, \"q\"", "e":1E2}"#;
    let context = r#"{ "n" : 1e2 }"#;
    let body = format!(
        r#"{{"description":"own plan","priority":"low","context":{context},"subtasks":[
            {{"description":"first"}},
            {{"name":"second","kind":"test_task","description":"2nd","priority":3,"params": {params} ,"max_attempts":100,"timeout_seconds":3600}}]}}"#
    );
    let answer = stage.post("/tasks", body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert!(answer.text.contains(context), "the context is answered as it was sent");
    let task = answer.json();
    assert_eq!(descriptions(&task), ["first", "2nd"]);
    assert_eq!(
        (&task["subtasks"][0]["priority"], &task["subtasks"][1]["priority"]),
        (&json!("low"), &json!("critical"))
    );
    assert_eq!((&task["subtasks"][1]["name"], &task["subtasks"][1]["kind"]), (&json!("second"), &json!("test_task")));
    let entries = stage.fetch(10).await;
    let entry = entries[0].entry.as_ref().expect("a sound entry");
    assert_eq!(entry.payload, params);
    assert_eq!((entry.max_attempts, entry.timeout_ms), (100, 3_600_000));
    let first = entries[1].entry.as_ref().expect("a sound entry");
    assert_eq!((first.payload.as_str(), first.max_attempts, first.timeout_ms), ("{}", 5, 600_000));
}

#[tokio::test]
async fn a_thousand_subtasks_are_accepted_in_one_task() {
    let stage = stage().await;
    let plan = vec![r#"{"description":"d"}"#; 1_000].join(",");
    let id = stage.submit(&format!(r#"{{"description":"many","subtasks":[{plan}]}}"#)).await;
    let task = stage.get(&format!("/tasks/{id}")).await.json();
    assert_eq!((&task["total"], &task["subtasks"][999]["subtask_id"]), (&json!(1_000), &json!(format!("{id}-999"))));
    assert_eq!(stage.redis.command(&["XLEN", "subtasks:default:medium"]).integer(), 1_000);
}

#[tokio::test]
async fn the_longest_description_is_accepted() {
    let stage = stage().await;
    let text = "ü".repeat(10_000);
    let task = stage.post("/tasks", json!({ "description": text }).to_string()).await;
    assert_eq!((task.status, &task.json()["description"]), (202, &json!(text)));
}
