//! Opening generations again that the log tells of.

use crate::stage::{refuses_other_types, stage, task_id};
use crate::state::NOTHING;

#[tokio::test]
async fn only_what_is_lower_is_raised_and_the_greatest_counts() {
    let stage = stage().await;
    stage.submit("T", 3).await;
    stage.raw(&["HSET", "outcomes:T", "g:1", "3", "g:2", "nonsense"]);
    let told = [(0, 1), (0, 2), (1, 2), (2, 1), (3, 1)];
    assert_eq!(stage.store.reopen(&task_id("T"), &told).await.unwrap(), 2);
    let raised = ["g:0", "g:1", "g:2", "g:3"].map(|field| stage.raw(&["HGET", "outcomes:T", field]).text());
    assert_eq!(raised, ["2", "3", "1", ""]);
    assert_eq!((stage.task("T", "generations"), stage.task("T", "revision")), ("1".into(), "2".into()));
    let before = stage.exact();
    assert_eq!(stage.store.reopen(&task_id("T"), &told).await.unwrap(), 0);
    assert_eq!(stage.exact(), before, "a second time changes nothing");
}

#[tokio::test]
async fn an_unknown_task_stays_unknown() {
    let stage = stage().await;
    let before = stage.story();
    assert_eq!(stage.store.reopen(&task_id("T"), &[(0, 1)]).await.unwrap(), 0);
    assert_eq!(stage.since(&before), NOTHING);
}

#[tokio::test]
async fn a_key_of_another_type_stops_it_before_its_first_write() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    refuses_other_types(&stage, &["task:T", "outcomes:T"], async || {
        stage.store.reopen(&task_id("T"), &[(0, 1)]).await.map(drop)
    })
    .await;
}
