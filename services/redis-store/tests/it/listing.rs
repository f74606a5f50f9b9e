//! Looking through the tasks.

use crate::stage::{Stage, stage, task_id};
use proto_schemas::TaskStatus;
use redis_store::listing::{Place, Span};

async fn walk(stage: &Stage, span: &Span, count: usize) -> Vec<String> {
    let (mut span, mut found) = (span.clone(), Vec::new());
    for _ in 0..1_000 {
        let read = stage.store.newest_tasks(&span, count).await.expect("places");
        assert!(read.places.len() <= count && (read.next.is_none() || !read.places.is_empty()));
        found.extend(read.places.iter().map(|place| place.task_id.to_string()));
        if read.next.is_none() {
            return found;
        }
        span.before = read.next;
    }
    panic!("it does not come to an end");
}

#[tokio::test]
async fn pages_of_any_size_over_several_indexes_show_every_task_once_and_in_order() {
    let stage = stage().await;
    let mut expect = Vec::new();
    for at in 0..60_u64 {
        // Runs of one ms, spread over the indexes.
        let (ms, id, index) =
            (1_000 + at / 7, format!("T{at:02}"), ["tasks:queued", "tasks:failed", "tasks:completed"]);
        stage.raw(&["ZADD", index[at as usize % 3], &ms.to_string(), &id]);
        if at % 3 != 2 {
            expect.push((ms, id));
        }
    }
    expect.sort_by(|one, other| other.cmp(one));
    let expect: Vec<String> = expect.into_iter().map(|(_, id)| id).collect();
    let span = Span { statuses: vec![TaskStatus::Failed, TaskStatus::Queued], ..Span::default() };
    for count in [1, 2, 3, 7, 60, 100] {
        assert_eq!(walk(&stage, &span, count).await, expect, "{count} at a time");
    }
    let later = Span { since_ms: 1_008, ..span.clone() };
    assert_eq!(walk(&stage, &later, 2).await, expect[..2]);
    let before = Some(Place { created_ms: 1_000, task_id: task_id("T03") });
    assert_eq!(walk(&stage, &Span { before, ..span }, 2).await, ["T01", "T00"]);
}

#[tokio::test]
async fn a_head_is_the_hash_without_its_plan() {
    let stage = stage().await;
    stage.submit("T", 2).await;
    let heads = stage.store.task_heads(&[task_id("none"), task_id("T")]).await.unwrap();
    assert!(heads[0].is_none());
    let head = heads[1].as_ref().expect("it is there");
    assert_eq!((head.task.total, head.task.subtasks.len(), &head.kinds[..]), (2, 0, &["simulate".to_owned()][..]));
    stage.raw(&["HDEL", "task:T", "kinds"]);
    assert_eq!(stage.store.task_heads(&[task_id("T")]).await.unwrap()[0].as_ref().unwrap().kinds, Vec::<String>::new());
    stage.raw(&["HSET", "task:T", "status", "nonsense"]);
    assert!(stage.store.task_heads(&[task_id("T")]).await.unwrap()[0].is_none());
}
