//! What a handler is given of the subtasks that its own depends on.

use crate::doing::handlers;
use crate::stage::{Stage, eventually, patient, stage, subtask};
use proto_schemas::{OnFailure, Parent, SubtaskDefinition};
use serde_json::{Value, json};
use worker::{Context, HandlerError, Handlers};

fn plan() -> Vec<SubtaskDefinition> {
    let parent = |name: &str, index, on_failure| Parent { name: name.parse().expect("a name"), index, on_failure };
    let depends_on = vec![parent("sum", 0, OnFailure::FailFast), parent("risk", 1, OnFailure::Continue)];
    let named = |name: &str| SubtaskDefinition { name: Some(name.to_owned()), ..subtask("do", &json!({})) };
    vec![named("sum"), named("risk"), SubtaskDefinition { depends_on, ..named("child") }]
}

/// The first answers 7, the second fails, the third says what it was given.
fn family() -> Handlers {
    handlers(|ctx: Context| async move {
        match ctx.idempotency_key().as_str() {
            "T-0" => Ok(json!(7)),
            "T-1" => Err(HandlerError::Fatal("too risky".to_owned())),
            _ => {
                let error = |name| ctx.parents()[name].as_ref().and_then(|result| result.error.clone());
                Ok(json!({
                    "names": ctx.parents().keys().collect::<Vec<_>>(),
                    "sum": ctx.output_of::<u64>("sum").map_err(|error| error.to_string()),
                    "risk": error("risk").map(|error| error.message),
                    "as_text": ctx.output_of::<String>("sum").map_err(|error| error.to_string()).is_err(),
                }))
            }
        }
    })
}

async fn run(stage: &Stage, before_release: impl FnOnce()) -> Value {
    stage.submit("T", plan()).await;
    let worker = stage.work(patient(4), family());
    eventually("the parents have ended", || stage.results("T", 2) == 2).await;
    before_release();
    stage.fold().await;
    eventually("a result", || stage.result("T-2").is_some()).await;
    worker.stop().await.expect("a clean end");
    stage.result("T-2").expect("a result")["output"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_given_what_its_parents_left() {
    let stage = stage().await;
    let given = run(&stage, || {}).await;
    assert_eq!(given, json!({"names": ["risk", "sum"], "sum": {"Ok": 7}, "risk": "too risky", "as_text": true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_has_expired_or_cannot_be_read_is_none() {
    let stage = stage().await;
    let given = run(&stage, || {
        stage.redis.command(&["DEL", "result:T-0"]);
        stage.redis.command(&["SET", "result:T-1", "a person was here"]);
    })
    .await;
    assert_eq!((&given["names"], &given["risk"]), (&json!(["risk", "sum"]), &Value::Null));
    assert_eq!(given["sum"], json!({"Err": "the parent sum has no result any more"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_its_workers_died_with_says_so() {
    let stage = stage().await;
    stage.submit("T", plan()).await;
    let worker = stage.work(patient(4), family());
    eventually("the parents have ended", || stage.results("T", 2) == 2).await;
    stage.fold().await;
    eventually("a result", || stage.result("T-2").is_some()).await;
    worker.stop().await.expect("a clean end");
    // As a reaper buries it: a record, and no result.
    stage.redis.command(&["HSET", "outcomes:T", "1", "failed 1 3 1790000000000 crashes"]);
    stage.redis.command(&["DEL", "result:T-1", "result:T-2", "result:T-0"]);
    let child = ["task_id", "T", "subtask_id", "T-2", "index", "2", "kind", "do", "description", "d", "parents"];
    let entry = [&["XADD", "subtasks:default:medium", "*"], &child[..], &["sum=0:fail_fast,risk=1:continue"]].concat();
    stage.redis.command(&["HSET", "outcomes:T", "g:2", "1"]);
    stage.redis.command(&[&entry[..], &["generation", "1"]].concat());
    let worker = stage.work(patient(4), handlers(|ctx: Context| async move { Ok(json!(ctx.parents())) }));
    eventually("a result", || stage.result("T-2").is_some()).await;
    worker.stop().await.expect("a clean end");
    let given = stage.result("T-2").expect("a result")["output"].clone();
    assert_eq!((&given["sum"], &given["risk"]["status"]), (&Value::Null, &json!("failed")));
    assert_eq!((&given["risk"]["error"]["reason"], &given["risk"]["worker_id"]), (&json!("crashes"), &json!("")));
    assert_eq!(given["risk"]["completed_at"], "2026-09-21T14:13:20.000Z");
}
