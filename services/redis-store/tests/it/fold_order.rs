//! The fold is commutative: neither order nor company of a fact shows in what is left.

use crate::fold::{fact, head, outcomes};
use crate::stage::{TTL, name, stage};

#[tokio::test]
async fn the_same_facts_in_any_order_and_number_leave_the_same_task() {
    let lines = [
        fact(0, "started", 10),
        fact(0, "crashed", 30).replace("1 0 w", "1 1 r"),
        fact(0, "completed", 50).replace("1 0 w", "1 1 w"),
        fact(1, "started", 15),
        fact(1, "returned", 40),
        fact(2, "failed", 45),
    ];
    let mut seen: Option<(Vec<String>, String)> = None;
    for seed in 0..24_u64 {
        let stage = stage().await;
        stage.submit("T", 4).await;
        let mut order = Vec::new();
        let mut state = seed;
        for _ in 0..30 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.push(lines[(state >> 33) as usize % lines.len()].as_str());
        }
        order.extend(lines.iter().map(String::as_str));
        for chunk in order.chunks(1 + seed as usize % 7) {
            stage.fold(&[&chunk.join("\n")]).await;
        }
        let (head, revision) =
            head(&stage).rsplit_once(' ').map(|(head, last)| (head.to_owned(), last.to_owned())).unwrap();
        assert!(revision.parse::<u64>().unwrap() <= 1 + lines.len() as u64, "at most one for each distinct fact");
        let left = (outcomes(&stage), head);
        assert_eq!(seen.get_or_insert_with(|| left.clone()), &left, "seed {seed}");
    }
    let (outcomes, head) = seen.unwrap();
    assert_eq!(head, "processing 1 1 0 2000000000050 2000000000050 ");
    assert_eq!(outcomes[2], "~1=0 1 0 2000000000040 returned w");
}

#[tokio::test]
async fn the_newest_progress_is_the_greatest_by_generation_attempt_crashes_time_fact_and_worker() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    let rising = [
        "T 0 0 started 1 0 w 900",
        "T 0 0 crashed 1 1 w 100",
        "T 0 0 retrying 2 0 w 50",
        "T 0 0 started 10 0 w 40",
        "T 0 0 started 10 0 w 1000",
        "T 0 0 started 10 0 x 1000",
    ];
    for line in rising.iter().rev().chain(&rising) {
        assert_eq!(stage.fold(&[line]).await.progressed, 1);
        assert_eq!(outcomes(&stage), ["~0=0 10 0 1000 started x"], "{line}");
    }
    for line in rising {
        stage.raw(&["HDEL", "outcomes:T", "~0"]);
        stage.fold(&[rising[0], line, rising[0]]).await;
        let words: Vec<&str> = line.split(' ').collect();
        let [_, _, generation, fact, attempt, crashes, worker, ms] = words[..] else { panic!("{line}") };
        assert_eq!(outcomes(&stage), [format!("~0={generation} {attempt} {crashes} {ms} {fact} {worker}")]);
    }
}

#[tokio::test]
async fn parallel_projectors_count_every_outcome_once() {
    let stage = stage().await;
    for task in 0..5 {
        stage.submit(&format!("T{task}"), 20).await;
    }
    for index in 0..20 {
        let lines: Vec<String> = (0..5).map(|task| format!("T{task} {index} 0 completed 1 0 w 5")).collect();
        stage.raw(&["XADD", "events", "*", "v", "1", "by", "hand", "facts", &lines.join("\n")]);
    }
    let events = stage.events().await;
    let mut projectors = tokio::task::JoinSet::new();
    for at in 0..6 {
        let (store, mut events) = (stage.store.connect_again(), events.clone());
        events.rotate_left(at * 4);
        projectors.spawn(async move {
            let mut counted = 0;
            for chunk in events.chunks(at + 1) {
                counted += store.fold(&name("p"), TTL, chunk).await.expect("counts").counts.counted;
            }
            counted
        });
    }
    assert_eq!(projectors.join_all().await.iter().sum::<u64>(), 100);
    for task in 0..5 {
        let task = format!("T{task}");
        assert_eq!((stage.task(&task, "completed"), stage.task(&task, "status")), ("20".into(), "completed".into()));
    }
    assert_eq!(stage.raw(&["ZCARD", "tasks:completed"]).integer(), 5);
}
