//! What starts before what: index, priority, queue.

use crate::doing::{Watch, elsewhere};
use crate::stage::{Stage, doings, eventually, patient, slots, stage, subtask};
use proto_schemas::{Priority, SubtaskDefinition};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn subtasks_start_in_the_order_of_their_index() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(20, Priority::Medium)).await;
    let worker = stage.work(slots(1), watch.note());
    eventually("20 results", || stage.results("T", 20) == 20).await;
    assert_eq!(watch.started(), (0..20).map(|index| format!("T-{index}")).collect::<Vec<_>>());
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_critical_starts_before_what_is_low() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("L", doings(10, Priority::Low)).await;
    stage.submit("C", doings(10, Priority::Critical)).await;
    let worker = stage.work(slots(1), watch.note());
    eventually("20 results", || stage.results("L", 10) + stage.results("C", 10) == 20).await;
    let started = watch.started();
    assert_eq!(started[0], "C-0");
    let low = started[..10].iter().filter(|id| id.starts_with('L')).count();
    assert!((1..=2).contains(&low), "one of nine is low while both wait: {started:?}");
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_came_in_one_read_starts_in_the_order_of_its_urgency() {
    let (stage, watch) = (stage().await, Watch::default());
    for priority in Priority::ALL.iter().rev() {
        stage.submit(priority.as_str(), doings(1, *priority)).await;
    }
    let worker = stage.work(slots(4), watch.note());
    eventually("four starts", || watch.started().len() == 4).await;
    assert_eq!(watch.started(), ["critical-0", "high-0", "medium-0", "low-0"]);
    worker.stop().await.expect("a clean end");
}

/// The first `count` starts out of a backlog of all four priorities, by priority.
async fn shares(stage: &Stage, slot_count: usize, backlog: usize, count: usize) -> [usize; 4] {
    let watch = Watch::default();
    for priority in Priority::ALL.iter().rev() {
        stage.submit(priority.as_str(), doings(backlog, *priority)).await;
    }
    let worker = stage.work(patient(slot_count), watch.note());
    eventually("enough starts", || watch.started().len() >= count).await;
    worker.stop().await.expect("a clean end");
    let started = watch.started();
    let of = |priority: &Priority| started[..count].iter().filter(|id| id.starts_with(priority.as_str())).count();
    [of(&Priority::Critical), of(&Priority::High), of(&Priority::Medium), of(&Priority::Low)]
}

#[tokio::test(flavor = "multi_thread")]
async fn one_slot_is_shared_eight_to_four_to_two_to_one_under_a_full_backlog() {
    let [critical, high, medium, low] = shares(&stage().await, 1, 150, 150).await;
    let close = |count: usize, share: usize| count.abs_diff(share) <= 2;
    assert!(close(critical, 80) && close(high, 40), "{critical} {high} {medium} {low}");
    assert!(close(medium, 20) && close(low, 10), "{critical} {high} {medium} {low}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_slots_are_shared_the_same_way() {
    let [critical, high, medium, low] = shares(&stage().await, 60, 900, 900).await;
    // The first reads take one of each, and the last batch is cut off somewhere.
    assert!((430..=530).contains(&critical) && (200..=270).contains(&high), "{critical} {high} {medium} {low}");
    assert!((100..=140).contains(&medium) && (50..=75).contains(&low), "{critical} {high} {medium} {low}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_nobody_uses_moves_on_at_once() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(100, Priority::Low)).await;
    let worker = stage.work(patient(64), watch.hold());
    eventually("every slot runs low work", || watch.running() == 64).await;
    watch.gate.cancel();
    eventually("100 results", || stage.results("T", 100) == 100).await;
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_queue_starves_while_another_has_a_backlog() {
    let (stage, watch) = (stage().await, Watch::default());
    let other = elsewhere({
        let watch = watch.clone();
        move |ctx| {
            watch.note_start(&ctx);
            async { Ok(Value::Null) }
        }
    });
    let mine =
        |n| SubtaskDefinition { queue: "other".parse().expect("a queue"), ..subtask("elsewhere", &json!({ "n": n })) };
    stage.submit("A", doings(40, Priority::Critical)).await;
    stage.submit("B", (0..40).map(mine).collect()).await;
    let worker = stage.work(patient(1), watch.note().with(other));
    eventually("40 starts", || watch.started().len() >= 40).await;
    let of_a = watch.started()[..40].iter().filter(|id| id.starts_with('A')).count();
    assert!((15..=25).contains(&of_a), "{of_a} of 40 from one of two queues");
    worker.stop().await.expect("a clean end");
}
