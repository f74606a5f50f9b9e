//! A client's key for a request: the same request is one task, another request is a conflict.

use crate::stage::{ADMISSION, Stage, name, refuses_other_types, stage, submission, task_id};
use crate::state::difference;
use proto_schemas::limit;
use redis_store::StoreError;
use redis_store::submit::{Admission, Idempotency, Submission, Submitted};

fn keyed(task: &str, key: &str, fingerprint: &str) -> Submission {
    let idempotency =
        Idempotency { client: "anonymous".to_owned(), key: key.to_owned(), fingerprint: fingerprint.to_owned() };
    Submission { idempotency: Some(idempotency), ..submission(task, 2) }
}

async fn submit(stage: &Stage, order: &Submission) -> Result<Submitted, StoreError> {
    stage.store.submit(order, ADMISSION).await
}

#[tokio::test]
async fn a_key_is_kept_a_day_beside_its_task_and_its_fingerprint() {
    let stage = stage().await;
    assert_eq!(submit(&stage, &keyed("T", "a \"key\"", "f00d")).await.unwrap(), Submitted::Created);
    let key = "idempotency:anonymous:a \"key\"";
    assert_eq!(stage.raw(&["GET", key]).text(), "T f00d");
    let lives = stage.raw(&["TTL", key]).integer();
    assert!((lives - limit::IDEMPOTENCY_TTL_SECONDS as i64).abs() <= 1, "{lives}");
}

#[tokio::test]
async fn the_same_request_answers_the_same_task_and_writes_nothing() {
    let stage = stage().await;
    submit(&stage, &keyed("T", "k", "f")).await.unwrap();
    let before = stage.exact();
    for task in ["T", "U", "V"] {
        assert_eq!(submit(&stage, &keyed(task, "k", "f")).await.unwrap(), Submitted::Existing(task_id("T")));
    }
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn another_request_with_the_same_key_is_a_conflict_and_writes_nothing() {
    let stage = stage().await;
    submit(&stage, &keyed("T", "k", "f")).await.unwrap();
    let before = stage.exact();
    for task in ["T", "U"] {
        assert_eq!(submit(&stage, &keyed(task, "k", "other")).await.unwrap(), Submitted::Conflict);
    }
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn the_same_key_of_another_client_or_another_key_is_another_request() {
    let stage = stage().await;
    submit(&stage, &keyed("T", "k", "f")).await.unwrap();
    let mut other = keyed("U", "k", "g");
    other.idempotency.as_mut().unwrap().client = "other".to_owned();
    assert_eq!(submit(&stage, &other).await.unwrap(), Submitted::Created);
    assert_eq!(submit(&stage, &keyed("V", "l", "f")).await.unwrap(), Submitted::Created);
    assert_eq!(
        submit(&stage, &keyed("T", "m", "f")).await.unwrap(),
        Submitted::Existing(task_id("T")),
        "the id is taken"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_with_one_key_create_one_task() {
    let stage = stage().await;
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..50 {
        let store = stage.store.clone();
        senders.spawn(async move {
            let order = keyed(&format!("T{sender}"), "k", "f");
            (order.task_id.clone(), store.submit(&order, ADMISSION).await.expect("an answer"))
        });
    }
    let answers = senders.join_all().await;
    let created: Vec<_> = answers.iter().filter(|(_, answer)| *answer == Submitted::Created).collect();
    assert_eq!(created.len(), 1);
    let winner = Submitted::Existing(created[0].0.clone());
    assert_eq!(answers.iter().filter(|(_, answer)| *answer == winner).count(), 49);
    assert_eq!((stage.raw(&["ZCARD", "tasks"]).integer(), stage.facts().len()), (1, 1));
}

#[tokio::test]
async fn a_key_that_has_run_out_is_free_again() {
    let stage = stage().await;
    submit(&stage, &keyed("T", "k", "f")).await.unwrap();
    stage.raw(&["PEXPIRE", "idempotency:anonymous:k", "1"]);
    let gone = async || stage.raw(&["EXISTS", "idempotency:anonymous:k"]).integer() == 0;
    crate::stage::eventually(std::time::Duration::from_secs(5), "the key runs out", gone).await;
    assert_eq!(submit(&stage, &keyed("U", "k", "other")).await.unwrap(), Submitted::Created);
}

#[tokio::test]
async fn a_request_that_was_refused_leaves_its_key_free() {
    let stage = stage().await;
    let before = stage.exact();
    let full = Admission { backlog_max: 1, ..ADMISSION };
    assert_eq!(stage.store.submit(&keyed("T", "k", "f"), full).await.unwrap(), Submitted::Overloaded);
    let empty = Submission { subtasks: Vec::new(), ..keyed("T", "k", "f") };
    assert!(matches!(submit(&stage, &empty).await, Err(StoreError::Refused(_))));
    assert_eq!(stage.exact(), before);
    assert_eq!(submit(&stage, &keyed("T", "k", "other")).await.unwrap(), Submitted::Created);
}

#[tokio::test]
async fn what_a_stranger_put_at_the_key_is_no_request() {
    let stage = stage().await;
    stage.raw(&["SET", "idempotency:anonymous:k", "one-word"]);
    assert_eq!(submit(&stage, &keyed("T", "k", "f")).await.unwrap(), Submitted::Created);
    assert_eq!(stage.raw(&["GET", "idempotency:anonymous:k"]).text(), "T f");
    let order = keyed("U", "l", "f");
    refuses_other_types_at(&stage, &order).await;
}

/// A string is what belongs there, so the key of another type is a list.
async fn refuses_other_types_at(stage: &Stage, order: &Submission) {
    stage.raw(&["RPUSH", "idempotency:anonymous:l", "x"]);
    let before = stage.exact();
    assert!(matches!(submit(stage, order).await, Err(StoreError::WrongType(_))));
    assert_eq!(difference(&before, &stage.exact()), crate::state::NOTHING);
    stage.raw(&["DEL", "idempotency:anonymous:l"]);
    refuses_other_types(stage, &["plan:U", "outcomes:U", "delayed", "delayed:body"], async || {
        submit(stage, order).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn a_key_without_memory_is_not_taken() {
    let stage = stage().await;
    stage.submit("warm", 1).await;
    stage.out_of_memory();
    let answer = stage.store.with_patience(std::time::Duration::ZERO).submit(&keyed("T", "k", "f"), ADMISSION).await;
    assert!(matches!(answer, Err(StoreError::OutOfMemory(_))), "{answer:?}");
    assert_eq!(stage.raw(&["EXISTS", "idempotency:anonymous:k", "task:T"]).integer(), 0);
    stage.enough_memory();
    let order = Submission { by: name("api"), ..keyed("T", "k", "f") };
    assert_eq!(submit(&stage, &order).await.unwrap(), Submitted::Created);
}
