//! `docs/asyncapi.json` is true: its channels are the streams of this crate, its messages what stands in them.

use crate::stage::{medium, name, stage};
use proto_schemas::QueueName;
use proto_schemas::entry::FIELDS;
use redis_store::bury::Burial;
use redis_store::key;
use redis_store::note::Note;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn document() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/asyncapi.json");
    serde_json::from_str(&std::fs::read_to_string(file).expect("the document")).expect("JSON")
}

fn protocol() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    std::fs::read_to_string(file).expect("the page")
}

fn properties<'a>(document: &'a Value, schema: &str) -> BTreeSet<&'a str> {
    let properties = document["components"]["schemas"][schema]["properties"].as_object().expect("properties");
    properties.keys().map(String::as_str).collect()
}

#[test]
fn the_channels_are_the_streams_that_the_protocol_names() {
    let document = document();
    let channels = document["channels"].as_object().expect("channels");
    let addresses: BTreeSet<&str> =
        channels.values().map(|channel| channel["address"].as_str().expect("an address")).collect();
    assert_eq!(addresses, BTreeSet::from(["subtasks:{queue}:{priority}", key::EVENTS, key::DEAD_LETTERS, key::AUDIT]));
    let page = protocol();
    let keys = page.split("\n## ").find(|section| section.starts_with("Keys\n")).expect("the table of keys");
    let rows = keys.lines().filter(|line| line.contains(" | stream"));
    let told: BTreeSet<String> =
        rows.map(|row| row.split('`').nth(1).expect("a key").replace('<', "{").replace('>', "}")).collect();
    assert_eq!(told, addresses.iter().map(|address| (*address).to_owned()).collect());
}

#[test]
fn the_address_of_work_is_the_key_of_each_of_its_streams() {
    let document = document();
    let work = &document["channels"]["subtasks"];
    let words = work["parameters"]["priority"]["enum"].as_array().expect("priorities");
    let queue: QueueName = "default".parse().expect("a queue");
    let keys = key::Stream::of(&queue).map(|stream| stream.key());
    let address = work["address"].as_str().expect("an address").replace("{queue}", "default");
    let told: Vec<String> =
        words.iter().map(|word| address.replace("{priority}", word.as_str().expect("a word"))).collect();
    assert_eq!(told, keys);
}

#[test]
fn each_channel_says_who_reads_it_and_what_bounds_it() {
    let document = document();
    for (channel, group, length_max) in [
        ("subtasks", Some(key::WORKERS_GROUP), None),
        ("events", Some(key::PROJECTOR_GROUP), None),
        ("deadLetters", None, Some(100_000)),
        ("audit", None, Some(100_000)),
    ] {
        let stream = &document["channels"][channel]["x-redis-stream"];
        assert_eq!((stream["group"].as_str(), stream["maxlen"].as_u64()), (group, length_max), "{channel}");
        assert!(stream["trim"].is_string(), "{channel}");
    }
    let bounded = protocol().lines().filter(|line| line.starts_with("| `") && line.contains("about 100,000")).count();
    assert_eq!(bounded, 2, "the protocol names the same bounds");
}

#[test]
fn the_fields_of_a_work_entry_are_those_of_the_type() {
    assert_eq!(properties(&document(), "workEntry"), BTreeSet::from(FIELDS));
}

#[tokio::test]
async fn what_stands_in_the_other_streams_has_the_fields_that_are_described() {
    let stage = stage().await;
    let note = Note {
        at: "2026-09-21T14:13:20.007Z".to_owned(),
        client: "anonymous".to_owned(),
        operation: "cancel_task",
        object: "/tasks/T/cancel".to_owned(),
        status: 200,
        code: String::new(),
        address: "127.0.0.1".to_owned(),
        request_id: "R".to_owned(),
        detail: String::new(),
    };
    stage.store.note(&[note]).await.expect("noted");
    stage.submit("T", 1).await;
    let entry_id = stage.leave("w", &[b"packed", b"1:a,"]).await;
    let burial = Burial {
        stream: medium(),
        entry_id,
        owner: None,
        reason: "malformed".parse().expect("a reason"),
        error: "field subtask_id is missing".to_owned(),
    };
    stage.store.bury(&name("w"), &[burial]).await.expect("buried");
    let document = document();
    for (key, schema) in [(key::AUDIT, "note"), (key::EVENTS, "facts"), (key::DEAD_LETTERS, "deadLetter")] {
        let entries = stage.raw(&["XRANGE", key, "-", "+"]);
        let fields = entries.items()[0].items()[1].items().to_vec();
        let names: Vec<String> = fields.iter().step_by(2).map(|name| name.text()).collect();
        assert_eq!(names.iter().map(String::as_str).collect::<BTreeSet<_>>(), properties(&document, schema), "{key}");
    }
}
