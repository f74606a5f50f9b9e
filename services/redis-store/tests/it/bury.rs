//! Moving entries that gave up to the dead letters.

use crate::stage::{MEDIUM, Stage, medium, name, refuses_other_types, stage};
use crate::state::NOTHING;
use redis_store::StoreError;
use redis_store::bury::{Burial, Buried};
use system_tests::redis::Reply;

fn burial(entry_id: &str, reason: &str) -> Burial {
    Burial {
        stream: medium(),
        entry_id: entry_id.to_owned(),
        owner: None,
        reason: reason.parse().expect("a reason"),
        error: "it broke".to_owned(),
    }
}

async fn bury(stage: &Stage, items: &[Burial]) -> Result<Vec<Buried>, StoreError> {
    stage.store.bury(&name("w"), items).await
}

const ENTRY: [&[u8]; 6] = [b"task_id", b"T", b"subtask_id", b"T-4", b"description", b"d"];

#[tokio::test]
async fn an_entry_becomes_a_dead_letter_with_its_fields_and_its_reason() {
    let stage = stage().await;
    let entry_id = stage.leave("w", &ENTRY).await;
    let before = stage.story();
    assert_eq!(bury(&stage, &[burial(&entry_id, "timeout")]).await.unwrap(), [Buried::Buried]);
    assert_eq!(
        stage.since(&before),
        [
            "- subtasks:default:medium: ID [w] task_id=T subtask_id=T-4 description=d",
            "+ dead-letters: ID reason=timeout error=it broke worker=w source=subtasks:default:medium ID task_id=T \
             subtask_id=T-4 description=d",
            "+ events: ID v=1 by=w facts=T 4 0 failed 1 0 w MS timeout",
        ]
    );
    let letter = stage.raw(&["XRANGE", "dead-letters", "-", "+"]);
    assert_eq!(letter.items()[0].items()[1].items()[7].text(), format!("{MEDIUM} {entry_id}"));
}

#[tokio::test]
async fn garbage_keeps_its_bytes_and_fails_nobody() {
    let stage = stage().await;
    let garbage: [&[u8]; 6] = [b"\x00\xff", b"\xc3\x28\r\n", b"", b"", b"task_id", b"T"];
    let entry_id = stage.leave("w", &garbage).await;
    assert_eq!(bury(&stage, &[burial(&entry_id, "malformed")]).await.unwrap(), [Buried::Buried]);
    let letter = stage.raw(&["XRANGE", "dead-letters", "-", "+"]);
    let kept: Vec<Reply> = letter.items()[0].items()[1].items()[8..].to_vec();
    assert_eq!(kept, garbage.map(|bytes| Reply::Text(bytes.to_vec())));
    assert_eq!(stage.raw(&["XLEN", "events"]).integer(), 0);
}

#[tokio::test]
async fn an_entry_of_more_fields_than_lua_can_hand_on_keeps_every_byte_as_netstrings() {
    let stage = stage().await;
    let mut fields: Vec<&[u8]> = ENTRY.to_vec();
    fields.extend((0..9_994).map(|at| if at % 2 == 0 { &b"\xff,:"[..] } else { b"" }));
    let entry_id = stage.leave("w", &fields).await;
    assert_eq!(bury(&stage, &[burial(&entry_id, "malformed")]).await.unwrap(), [Buried::Buried]);
    let letter = stage.raw(&["XRANGE", "dead-letters", "-", "+"]);
    let kept = letter.items()[0].items()[1].items()[8..].to_vec();
    let netstring = |bytes: &&[u8]| [bytes.len().to_string().as_bytes(), b":", bytes, b","].concat();
    let packed: Vec<u8> = fields.iter().flat_map(netstring).collect();
    assert_eq!(kept, [Reply::Text(b"packed".to_vec()), Reply::Text(packed)]);
    assert_eq!((stage.raw(&["XLEN", MEDIUM]).integer(), stage.raw(&["XLEN", "events"]).integer()), (0, 0));
}

#[tokio::test]
async fn twice_or_a_strangers_entry_is_stale_and_writes_nothing() {
    let stage = stage().await;
    let items = [burial(&stage.leave("w", &ENTRY).await, "x"), burial("1-1", "x")];
    assert_eq!(bury(&stage, &items).await.unwrap(), [Buried::Buried, Buried::Stale]);
    let unread = stage.raw(&["XADD", MEDIUM, "*", "a", "b"]).text();
    let before = stage.exact();
    assert_eq!(bury(&stage, &items).await.unwrap(), [Buried::Stale; 2]);
    assert_eq!(bury(&stage, &[burial(&unread, "x")]).await.unwrap(), [Buried::Stale]);
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn an_entry_that_someone_deleted_leaves_a_letter_that_names_it() {
    let stage = stage().await;
    let entry_id = stage.leave("w", &ENTRY).await;
    stage.raw(&["XDEL", MEDIUM, &entry_id]);
    let before = stage.story();
    assert_eq!(bury(&stage, &[burial(&entry_id, "x")]).await.unwrap(), [Buried::Buried]);
    assert_eq!(
        stage.since(&before),
        [
            "- subtasks:default:medium: ID [w] ghost",
            "+ dead-letters: ID reason=x error=it broke worker=w source=subtasks:default:medium ID",
        ]
    );
}

#[tokio::test]
async fn without_memory_a_burial_runs_to_its_end() {
    let stage = stage().await;
    let entry_id = stage.leave("w", &ENTRY).await;
    stage.out_of_memory();
    assert_eq!(bury(&stage, &[burial(&entry_id, "x")]).await.unwrap(), [Buried::Buried]);
    assert_eq!(stage.facts(), ["T 4 0 failed 1 0 w x"]);
    assert_eq!(stage.raw(&["XLEN", "dead-letters"]).integer(), 1);
}

#[tokio::test]
async fn a_key_of_another_type_leaves_the_entry_pending() {
    let stage = stage().await;
    let items = [burial(&stage.leave("w", &ENTRY).await, "x")];
    let keys = [MEDIUM, "events", "dead-letters"];
    refuses_other_types(&stage, &keys, async || bury(&stage, &items).await.map(drop)).await;
    assert_eq!(stage.raw(&["XLEN", "dead-letters"]).integer(), 1);
}

#[tokio::test]
async fn an_id_that_is_none_is_refused_before_the_first_burial() {
    let stage = stage().await;
    let items = [burial(&stage.leave("w", &ENTRY).await, "x"), burial("nonsense", "x")];
    let before = stage.exact();
    assert!(matches!(bury(&stage, &items).await, Err(StoreError::Refused(_))));
    assert_eq!(stage.exact(), before);
}

#[tokio::test]
async fn a_forgotten_script_or_group_buries_nothing_twice() {
    let stage = stage().await;
    let items = [burial(&stage.leave("w", &ENTRY).await, "x")];
    stage.raw(&["SCRIPT", "FLUSH"]);
    assert_eq!(bury(&stage, &items).await.unwrap(), [Buried::Buried]);
    stage.raw(&["XGROUP", "DESTROY", MEDIUM, "workers"]);
    let before = stage.story();
    assert_eq!(bury(&stage, &items).await.unwrap(), [Buried::Stale]);
    assert_eq!(stage.since(&before), NOTHING);
}
