//! Keys of ours that hold something else.

use crate::stage::{SOON, config, eventually, fact, name, stage};
use proto_schemas::{FactKind, TaskStatus};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_task_whose_key_holds_something_else_waits_for_its_repair_and_no_other_does() {
    let stage = stage().await;
    for task in ["A", "B", "C"] {
        stage.submit(task, 1).await;
    }
    let fetched = stage.fetch("w", 3).await;
    stage.command("RENAME task:B saved");
    stage.command("SET task:B nonsense");
    stage.settle("w", &fetched, FactKind::Completed).await; // one entry tells of all three
    stage.store.start(&name("w"), &[fact("A", 0, "w", FactKind::Started)]).await.expect("another entry");
    let _running = stage.start(config("p"));
    stage.until("A", TaskStatus::Completed).await;
    stage.until("C", TaskStatus::Completed).await;
    eventually(SOON, "only the poisoned entry is pending", async || {
        (stage.command("XPENDING events projector - + 10").items().len() == 1).then_some(())
    })
    .await;
    stage.command("RENAME saved task:B");
    assert_eq!(stage.until("B", TaskStatus::Completed).await.completed, 1);
    stage.until_folded().await;
}

#[tokio::test]
async fn while_no_entry_can_be_folded_it_does_not_run_through_the_log() {
    let stage = stage().await;
    stage.command("SET lifetimes nonsense");
    for no in 0..400 {
        stage.words(&["XADD", "events", "*", "v", "1", "by", "w", "facts", &format!("T{no} 0 0 completed 1 0 w 5")]);
    }
    let running = stage.start(config("p"));
    let pending = async || stage.store.event_groups().await.expect("groups")[0].pending;
    eventually(SOON, "it has begun", async || (pending().await > 0).then_some(())).await;
    let calls = |name: &str| {
        let text = stage.command("INFO commandstats").text();
        let line = text.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:"))).map(str::to_owned);
        line.and_then(|line| line.split(['=', ','].as_slice()).nth(1)?.parse::<u64>().ok()).unwrap_or(0)
    };
    tokio::time::sleep(Duration::from_secs(2)).await; // what is counted is calls in a time
    assert!(pending().await < 200, "pending: {}", pending().await);
    assert!(calls("evalsha") < 5_000, "calls: {}", calls("evalsha"));
    stage.command("DEL lifetimes");
    stage.until_folded().await;
    drop(running);
}

#[tokio::test]
async fn the_pulse_goes_on_beside_a_task_that_cannot_be_folded_and_stops_when_none_can() {
    let stage = stage().await;
    stage.submit("A", 1).await;
    stage.command("SET task:A nonsense");
    let start = async |task: &str| {
        stage.store.start(&name("w"), &[fact(task, 0, "w", FactKind::Started)]).await.expect("an entry");
    };
    start("A").await;
    let running = stage.start(config("p"));
    let poisoned = async |count: usize| {
        let pending = || stage.command("XPENDING events projector - + 10").items().len();
        eventually(SOON, "it is pending", async || (pending() == count).then_some(())).await;
    };
    poisoned(1).await;
    let (since, pulse) = (Instant::now(), &running.pulse);
    eventually(SOON, "another beat", async || (pulse.age() < since.elapsed()).then_some(())).await;
    stage.command("SET tasks:failed nonsense");
    start("B").await;
    poisoned(2).await;
    // A read of an empty log ends after a second: if that made it beat, it would be heard before.
    eventually(SOON, "no beat any more", async || (pulse.age() > Duration::from_secs(4)).then_some(())).await;
    stage.command("DEL tasks:failed");
    eventually(SOON, "a beat again", async || (pulse.age() < Duration::from_secs(1)).then_some(())).await;
}
