//! Nouns that are JSON, and the schemas.

use crate::fixture::lines;
use proto_schemas::{ApiKey, SubtaskResult, Webhook};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::Path;

#[track_caller]
fn written_byte_for_byte_or_refused<T: DeserializeOwned + Serialize + Debug>(fixture: &str) {
    for line in lines(fixture) {
        let read: Result<T, _> = serde_json::from_str(&line.text);
        match (read, line.refused) {
            (Ok(noun), None) => assert_eq!(serde_json::to_string(&noun).expect("JSON"), line.text),
            (Err(_), Some(_)) => {}
            (answer, _) => panic!("{} gives {answer:?}", line.text),
        }
    }
}

#[test]
fn every_result_is_written_byte_for_byte_or_refused() {
    written_byte_for_byte_or_refused::<SubtaskResult>("subtask-result.txt");
}

#[test]
fn every_key_is_written_byte_for_byte_or_refused() {
    written_byte_for_byte_or_refused::<ApiKey>("api-key.txt");
}

#[test]
fn every_webhook_is_written_byte_for_byte_or_refused() {
    written_byte_for_byte_or_refused::<Webhook>("webhook.txt");
}

#[test]
fn an_unknown_field_of_a_result_is_out_of_the_way() {
    let known = &lines("subtask-result.txt")[0].text;
    let more = known.replacen('{', "{\"later\":{\"x\":[1]},", 1);
    let result: SubtaskResult = serde_json::from_str(&more).unwrap();
    assert_eq!(serde_json::to_string(&result).unwrap(), *known);
}

#[test]
fn the_schemas_that_are_checked_in_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let again = "cargo run -p proto-schemas --example write_schemas";
    let mut names = BTreeSet::new();
    for (name, schema) in proto_schemas::schema::all() {
        let kept = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert_eq!(kept, serde_json::to_string_pretty(&schema).unwrap() + "\n", "{name} is out of date: {again}");
        names.insert(name.to_owned());
    }
    let there = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), names, "{again}");
}
