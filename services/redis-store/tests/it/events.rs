//! The log as its readers see it.

use crate::stage::{TTL, name, stage};
use std::time::Duration;

#[tokio::test]
async fn what_a_dead_projector_read_is_claimed_after_a_while_page_by_page() {
    let stage = stage().await;
    for task in ["T", "U", "V"] {
        stage.submit(task, 1).await;
    }
    let read = stage.events().await;
    let hour = Duration::from_secs(3_600);
    assert_eq!(stage.store.claim_events(&name("q"), hour, "0-0", 9).await.unwrap().1.len(), 0, "not yet");
    stage.raw(&["XDEL", "events", &read[1].entry_id]);
    let (cursor, first) = stage.store.claim_events(&name("q"), Duration::ZERO, "0-0", 1).await.unwrap();
    let (end, rest) = stage.store.claim_events(&name("q"), Duration::ZERO, &cursor, 9).await.unwrap();
    let claimed: Vec<&String> = first.iter().chain(&rest).map(|entry| &entry.entry_id).collect();
    assert_eq!((claimed, end.as_str()), (vec![&read[0].entry_id, &read[2].entry_id], "0-0"));
    assert!(stage.store.pending_events("-", 9).await.unwrap().iter().all(|one| one.consumer == "q"));
    stage.store.fold(&name("q"), TTL, &[first, rest].concat()).await.unwrap();
    assert_eq!(stage.store.pending_events("-", 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_read_waits_for_the_first_entry_and_no_longer_than_it_was_told() {
    let stage = stage().await;
    let reader = stage.store.connect_again();
    assert!(reader.wait_connected(Duration::from_secs(5)).await);
    assert_eq!(reader.read_events(&name("p"), 9, Duration::ZERO).await.unwrap().len(), 0);
    let waiting = tokio::spawn(async move { reader.read_events(&name("p"), 9, Duration::from_secs(20)).await });
    stage.submit("T", 1).await;
    assert_eq!(waiting.await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn the_log_is_paged_in_order_and_kept_as_it_is() {
    let stage = stage().await;
    assert_eq!(stage.store.range_events("-", 9).await.unwrap().len(), 0);
    for task in ["T", "U", "V"] {
        stage.submit(task, 1).await;
    }
    let first = stage.store.range_events("-", 2).await.unwrap();
    let rest = stage.store.range_events(&first[1].entry_id, 2).await.unwrap();
    let told: Vec<String> = first.iter().chain(&rest).map(|entry| entry.lines[0].as_ref().unwrap().encode()).collect();
    assert!(told.iter().zip(["T -", "U -", "V -"]).all(|(line, start)| line.starts_with(start)), "{told:?}");
    assert_eq!(stage.store.event_log_size().await.unwrap().0, 3);
}

#[tokio::test]
async fn a_group_says_how_far_it_read_and_what_it_did_not_acknowledge() {
    let stage = stage().await;
    stage.submit("T", 1).await;
    stage.submit("U", 1).await;
    let read = stage.events().await;
    stage.submit("V", 1).await;
    let group = stage.store.event_groups().await.unwrap().remove(0);
    assert_eq!((group.name.as_str(), group.pending), ("projector", 2));
    assert_eq!(group.last_delivered_id, read[1].entry_id);
    assert_eq!(group.oldest_pending_id.as_ref(), Some(&read[0].entry_id));
    stage.raw(&["DEL", "events"]);
    assert_eq!(stage.store.event_groups().await.unwrap(), []);
    assert_eq!(stage.store.projectors().await.unwrap(), []);
    assert_eq!(stage.store.required_groups().await.unwrap(), ["projector"]);
}

#[tokio::test]
async fn trimming_takes_whole_nodes_that_are_older_and_nothing_newer() {
    let stage = stage().await;
    for index in 0..250 {
        stage.raw(&["XADD", "events", &format!("{}-0", 1_000 + index), "v", "1", "by", "hand", "facts", ""]);
    }
    let gone = stage.store.trim_events("1225-0").await.unwrap();
    assert!((100..=225).contains(&gone), "{gone}");
    let kept = stage.store.range_events("-", 999).await.unwrap();
    assert!(kept.len() as u64 == 250 - gone && kept.iter().any(|entry| entry.entry_id == "1225-0"));
    assert_eq!(stage.store.trim_oldest_events("1-0", 100).await.unwrap(), 0);
}
