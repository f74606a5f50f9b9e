//! A backlog, folded at speed by one projector.

use crate::stage::{config, stage};
use proto_schemas::TaskStatus;

#[tokio::test]
async fn a_backlog_of_full_entries_is_folded_completely() {
    let stage = stage().await;
    for no in 0..100 {
        stage.submit(&format!("T{no}"), 50).await;
    }
    assert_eq!(stage.complete_all().await, 5_000);
    let _running = stage.start(config("p"));
    stage.until_folded().await;
    for no in 0..100 {
        let task = stage.task(&format!("T{no}")).await;
        assert_eq!((task.status, task.completed), (TaskStatus::Completed, 50), "T{no}");
    }
}
