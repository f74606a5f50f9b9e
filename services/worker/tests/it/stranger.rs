//! Entries that no Millstream wrote, or not this one.

use crate::doing::Watch;
use crate::stage::{Stage, eventually, patient, quick, stage};
use system_tests::redis::Reply;
use worker::handlers::built_in;

const STREAM: &str = "subtasks:default:medium";

fn add(stage: &Stage, fields: &[(&str, &str)]) {
    let mut command = vec!["XADD", STREAM, "*"];
    command.extend(fields.iter().flat_map(|(name, value)| [*name, *value]));
    assert!(matches!(stage.redis.command(&command), Reply::Text(_)));
}

fn by_hand<'a>(subtask_id: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![("task_id", "H"), ("subtask_id", subtask_id), ("description", "by hand")];
    fields.extend(more);
    fields
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_written_by_hand_is_executed() {
    let stage = stage().await;
    let worker = stage.work(quick(), built_in(0.0));
    stage.idle(1).await;
    add(&stage, &by_hand("H-3", &[]));
    add(&stage, &by_hand("H-4", &[("payload", "\"anything\"")]));
    eventually("results", || stage.result("H-3").is_some() && stage.result("H-4").is_some()).await;
    let result = stage.result("H-3").expect("a result");
    assert_eq!((result["status"].as_str(), result["description"].as_str()), (Some("completed"), Some("by hand")));
    assert_eq!(stage.result("H-4").expect("a result")["status"], "completed");
    assert_eq!(&stage.facts("completed")[0][..3], ["H", "3", "0"]);
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_becomes_a_dead_letter_with_its_bytes_and_the_worker_lives_on() {
    let stage = stage().await;
    let worker = stage.work(patient(64), built_in(0.0));
    stage.idle(1).await;
    let garbage: [&[u8]; 4] = [b"\xff\x00\n", b"\x80\x81 \r\n", b"task_id", b"\xc3("];
    let head: [&[u8]; 3] = [b"XADD", STREAM.as_bytes(), b"*"];
    assert!(matches!(stage.redis.command(&[&head[..], &garbage].concat()), Reply::Text(_)));
    add(&stage, &by_hand("H-0", &[("attempt", "0")]));
    add(&stage, &by_hand("H-1", &[]));
    eventually("two dead letters", || stage.entries("dead-letters").len() == 2).await;
    eventually("a result", || stage.result("H-1").is_some()).await;
    let letters = stage.entries("dead-letters");
    let fields =
        letters.iter().map(|(_, fields)| fields).find(|fields| fields.contains(&Reply::Text(garbage[0].into())));
    let fields = fields.expect("the bytes of the garbage");
    assert!(garbage.iter().all(|bytes| fields.contains(&Reply::Text(bytes.to_vec()))), "{fields:?}");
    assert_eq!((fields[0].text().as_str(), fields[1].text().as_str()), ("reason", "malformed"));
    assert_eq!((stage.backlog(), stage.pending().len()), (0, 0));
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_worker_cannot_run_is_parked_or_handed_back_uncounted_and_stops_nothing() {
    let (stage, watch) = (stage().await, Watch::default());
    for n in 0..40 {
        let id = format!("H-{n}");
        add(&stage, &by_hand(&id, if n % 2 == 0 { &[("v", "2"), ("kind", "do")] } else { &[("kind", "nobody")] }));
    }
    add(&stage, &by_hand("H-99", &[("kind", "do")]));
    let first_ids: Vec<String> = stage.entries(STREAM).into_iter().map(|(id, _)| id).collect();
    let worker = stage.work(patient(1), watch.note());
    eventually("a result", || stage.result("H-99").is_some()).await;
    eventually("nothing is where it was", || !stage.entries(STREAM).iter().any(|(id, _)| first_ids.contains(id))).await;
    worker.stop().await.expect("a clean end");

    let parked = stage.redis.command(&["ZCARD", "delayed"]).integer();
    assert_eq!((stage.backlog() + parked, stage.pending().len(), stage.entries("dead-letters").len()), (40, 0, 0));
    assert_eq!(stage.facts("parked").len(), 20, "what is of an unknown kind is told of once");
    assert!(stage.facts("started").is_empty(), "and what is newer belongs to nobody known");
    assert_eq!((watch.started(), stage.facts("crashed").len()), (vec!["H-99".to_owned()], 0));
    for (_, fields) in stage.entries(STREAM) {
        assert!(!fields.contains(&Reply::Text(b"attempt".into())) && !fields.contains(&Reply::Text(b"crashes".into())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_and_nobody_here_serves_goes_away_instead_of_circling() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.redis.command(&["HSET", "outcomes:H", "0", "cancelled 0 0 5"]);
    for id in ["H-0", "H-1"] {
        add(&stage, &by_hand(id, &[("kind", "nobody")]));
    }
    let worker = stage.work(patient(1), watch.note());
    eventually("both are out of the stream", || stage.backlog() == 0 && stage.pending().is_empty()).await;
    worker.stop().await.expect("a clean end");
    let waiting = stage.redis.command(&["HKEYS", "delayed:body"]);
    assert!(!waiting.items().iter().any(|id| id.text() == "H-0"), "{waiting:?}");
    assert!(stage.facts("parked").iter().all(|words| words[1] == "1"), "{:?}", stage.facts("parked"));
}
