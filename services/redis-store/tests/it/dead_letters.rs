//! Dead letters: looking at them, giving them back, throwing them away, and what their bound trims.

use crate::stage::{MEDIUM, Stage, medium, name, refuses_other_types, stage};
use redis_store::bury::Burial;
use redis_store::dead_letters::Exhumed;
use redis_store::{StoreError, Stream, script};
use system_tests::redis::Reply;

const ENTRY: [&[u8]; 6] = [b"task_id", b"T", b"subtask_id", b"T-4", b"description", b"d"];

/// Buries an entry by hand and answers the letter's id.
async fn buried(stage: &Stage, fields: &[&[u8]]) -> String {
    let entry_id = stage.leave("w", fields).await;
    let (reason, error) = ("malformed".parse().expect("a reason"), "why".to_owned());
    let burial = Burial { stream: medium(), entry_id, owner: None, reason, error };
    stage.store.bury(&name("w"), &[burial]).await.expect("answers");
    stage.raw(&["XREVRANGE", "dead-letters", "+", "-", "COUNT", "1"]).items()[0].items()[0].text()
}

async fn exhume(stage: &Stage, letter_id: &str) -> Result<Exhumed, StoreError> {
    stage.store.exhume(letter_id, &medium()).await
}

#[tokio::test]
async fn an_exhumed_entry_waits_again_as_a_first_attempt_and_the_bell_rings() {
    let stage = stage().await;
    let history: [&[u8]; 12] = [
        b"attempt",
        b"4",
        b"crashes",
        b"3",
        b"history",
        b"1 0 retrying 5 w",
        b"parked_at",
        b"5",
        b"\xff",
        b"kept",
        b"v",
        b"1",
    ];
    let letter_id = buried(&stage, &[&ENTRY[..], &history].concat()).await;
    let before = stage.story();
    assert_eq!(exhume(&stage, &letter_id).await.unwrap(), Exhumed::Exhumed);
    assert_eq!(
        stage.since(&before),
        [
            "- dead-letters: ID reason=malformed error=why worker=w source=subtasks:default:medium ID task_id=T \
             subtask_id=T-4 description=d attempt=4 crashes=3 history=1 0 retrying 5 w parked_at=5 \\xff=kept v=1",
            "+ bell:default: 1 tokens",
            "+ subtasks:default:medium: ID task_id=T subtask_id=T-4 description=d attempt=1 crashes=0 \\xff=kept v=1",
        ]
    );
}

#[tokio::test]
async fn an_exhumed_entry_has_no_deadline_any_more() {
    let stage = stage().await;
    let deadlines: [&[u8]; 6] = [b"deadline_ms", b"5", b"payload", b"{}", b"deadline_ms", b"1790000000000"];
    let letter_id = buried(&stage, &[&ENTRY[..], &deadlines].concat()).await;
    let before = stage.story();
    assert_eq!(exhume(&stage, &letter_id).await.unwrap(), Exhumed::Exhumed);
    let back = "+ subtasks:default:medium: ID task_id=T subtask_id=T-4 description=d payload={}";
    assert_eq!(stage.since(&before)[2..], [back]);
}

#[tokio::test]
async fn twice_it_is_gone_and_writes_nothing() {
    let stage = stage().await;
    let letter_id = buried(&stage, &ENTRY).await;
    assert_eq!(exhume(&stage, &letter_id).await.unwrap(), Exhumed::Exhumed);
    let before = stage.exact();
    for gone in [letter_id.as_str(), "1-1"] {
        assert_eq!(exhume(&stage, gone).await.unwrap(), Exhumed::Gone);
    }
    assert!(matches!(exhume(&stage, "nonsense").await, Err(StoreError::Refused(_))));
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn what_is_no_entry_is_unfit_and_stays() {
    let stage = stage().await;
    let newer: [&[u8]; 8] = [b"v", b"2", b"task_id", b"T", b"subtask_id", b"T-0", b"description", b"d"];
    let many = vec![&b"x"[..]; 2_000];
    let mut letters =
        vec![buried(&stage, &ENTRY[..4]).await, buried(&stage, &newer).await, buried(&stage, &many).await];
    letters.push(stage.raw(&["XADD", "dead-letters", "*", "by", "hand"]).text());
    let before = stage.exact();
    for letter_id in &letters {
        assert_eq!(exhume(&stage, letter_id).await.unwrap(), Exhumed::Unfit);
    }
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn without_memory_or_script_an_exhumation_runs_to_its_end() {
    let stage = stage().await;
    let letter_id = buried(&stage, &ENTRY).await;
    stage.raw(&["SCRIPT", "FLUSH"]);
    stage.out_of_memory();
    assert_eq!(exhume(&stage, &letter_id).await.unwrap(), Exhumed::Exhumed);
    assert_eq!((stage.raw(&["XLEN", MEDIUM]).integer(), stage.raw(&["XLEN", "dead-letters"]).integer()), (1, 0));
}

#[tokio::test]
async fn a_key_of_another_type_leaves_the_letter_where_it_is() {
    let stage = stage().await;
    let letter_id = buried(&stage, &ENTRY).await;
    let keys = [MEDIUM, "dead-letters", "bell:default"];
    refuses_other_types(&stage, &keys, async || exhume(&stage, &letter_id).await.map(drop)).await;
    assert_eq!(stage.raw(&["XLEN", MEDIUM]).integer(), 1);
}

#[tokio::test]
async fn a_letter_of_another_queue_goes_back_to_it() {
    let stage = stage().await;
    let letter_id = buried(&stage, &ENTRY).await;
    let stream = Stream { queue: "gpu".parse().unwrap(), priority: proto_schemas::Priority::High };
    assert_eq!(stage.store.exhume(&letter_id, &stream).await.unwrap(), Exhumed::Exhumed);
    assert_eq!(
        (stage.raw(&["XLEN", "subtasks:gpu:high"]).integer(), stage.raw(&["LLEN", "bell:gpu"]).integer()),
        (1, 1)
    );
}

#[tokio::test]
async fn pages_go_from_the_newest_to_the_oldest_without_gap_or_overlap() {
    let stage = stage().await;
    assert_eq!(stage.store.dead_letters_page("+", 5).await.unwrap().len(), 0);
    let mut ids = Vec::new();
    for at in 0..7 {
        ids.push(buried(&stage, &[b"a", at.to_string().as_bytes()]).await);
    }
    ids.reverse();
    let (mut seen, mut before) = (Vec::new(), "+".to_owned());
    for length in [3, 3, 1, 0] {
        let page = stage.store.dead_letters_page(&before, 3).await.unwrap();
        assert_eq!(page.len(), length);
        seen.extend(page.iter().map(|letter| letter.entry_id.clone()));
        before = seen.last().unwrap().clone();
    }
    assert_eq!(seen, ids);
    assert_eq!(stage.store.dead_letters_count().await.unwrap(), (7, 0));
    let letter = stage.store.dead_letter(&ids[2]).await.unwrap().unwrap();
    assert_eq!(letter.entry_id, ids[2]);
    assert!(stage.store.dead_letter("1-1").await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_thrown_away_is_counted_once() {
    let stage = stage().await;
    let ids = [buried(&stage, &ENTRY).await, buried(&stage, &ENTRY).await, "1-1".to_owned()];
    assert_eq!(stage.store.discard_dead_letters(&ids).await.unwrap(), 2);
    assert_eq!(stage.store.discard_dead_letters(&ids).await.unwrap(), 0);
    assert_eq!(stage.store.discard_dead_letters(&[]).await.unwrap(), 0);
    assert_eq!(stage.store.dead_letters_count().await.unwrap(), (0, 0), "nobody trimmed them");
}

#[tokio::test]
async fn what_the_bound_trims_away_is_counted() {
    let stage = stage().await;
    let bury = &script::all().into_iter().find(|script| script.name == "bury").unwrap().source;
    let mut keys: Vec<&str> = vec!["events", "dead-letters", "meta", MEDIUM, "meta"];
    let count = keys.len().to_string();
    for _ in 0..350 {
        let entry_id = stage.leave("w", &[b"a", b"b"]).await;
        let mut call = vec!["EVAL", bury, count.as_str()];
        call.append(&mut keys.clone());
        call.extend(["workers", "w", "100", "1", "0", "1", &entry_id, "0", "malformed", "", "", "1"]);
        assert_eq!(stage.raw(&call), Reply::Array(vec![Reply::Text(b"buried".to_vec())]));
    }
    keys.clear();
    let (there, trimmed) = stage.store.dead_letters_count().await.unwrap();
    assert!(trimmed >= 100 && there + trimmed == 350, "{there} {trimmed}");
}
