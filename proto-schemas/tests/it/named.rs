//! Nouns that are named values: a stream entry and a hash.

use crate::fixture::{Block, Fate, Fields, blocks};
use proto_schemas::entry::FIELDS;
use proto_schemas::{EntryError, Priority, SubtaskDefinition, Task, WorkEntry, limit};
use std::collections::HashMap;

fn decode(fields: &Fields) -> Result<WorkEntry, EntryError> {
    let pairs = fields.iter().map(|(name, value)| (&name[..], &value[..]));
    let told = fields.iter().find(|(name, _)| name == b"priority").map(|(_, value)| String::from_utf8_lossy(value));
    // The stream says how urgent an entry is; the field only repeats it.
    WorkEntry::decode(pairs, told.map_or(Priority::Medium, |word| word.parse().expect("a priority")))
}

fn bytes(fields: &[(&str, String)]) -> Fields {
    fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.clone().into_bytes())).collect()
}

#[test]
fn every_work_entry_is_written_byte_for_byte_or_refused_by_name() {
    for Block { fields, fate } in blocks("work-entry.txt") {
        match (decode(&fields), fate) {
            (Ok(entry), Fate::Written(written)) => assert_eq!(bytes(&entry.encode()), written),
            (Err(EntryError::Newer(version)), Fate::Newer(named)) => assert_eq!(version, named),
            (Err(error), Fate::Refused(reason, field)) => {
                assert_eq!(error.to_string(), format!("field {field} is {reason}"));
            }
            (answer, _) => panic!("{fields:?} gives {answer:?}"),
        }
    }
}

#[test]
fn a_newer_version_is_refused_by_its_number() {
    let newer = decode(&vec![(b"v".to_vec(), b"2".to_vec())]).unwrap_err();
    assert_eq!(newer.to_string(), "version 2 is newer than this reader");
}

#[test]
fn every_field_of_an_entry_has_a_fixture_that_fills_it_and_one_that_spoils_it() {
    let (mut filled, mut spoilt) = (Vec::new(), Vec::new());
    for block in blocks("work-entry.txt") {
        match block.fate {
            Fate::Written(written) => filled.extend(written.into_iter().map(|(name, _)| name)),
            Fate::Refused(_, field) => spoilt.push(field),
            Fate::Newer(_) => {}
        }
    }
    for field in FIELDS {
        assert!(filled.contains(&field.as_bytes().to_vec()), "{field} is filled");
        let free = field == "priority"; // the stream's word counts
        assert!(free || spoilt.iter().any(|name| name == field), "{field} is spoilt");
    }
}

#[test]
fn an_entry_has_at_most_256_fields_and_a_payload_of_64_kib() {
    let base = || vec![("task_id", "T".to_owned()), ("subtask_id", "T-0".to_owned()), ("description", "d".to_owned())];
    let mut many = bytes(&base());
    many.resize(limit::ENTRY_FIELDS_MAX - 5, (b"unknown".to_vec(), Vec::new())); // five more it comes to have
    assert!(decode(&many).is_ok());
    many.push((b"unknown".to_vec(), Vec::new()));
    assert_eq!(decode(&many), Err(EntryError::Malformed("count")));
    for (length, is_sound) in [(limit::PAYLOAD_BYTES_MAX, true), (limit::PAYLOAD_BYTES_MAX + 1, false)] {
        let mut large = base();
        large.push(("payload", "x".repeat(length)));
        assert_eq!(decode(&bytes(&large)).is_ok(), is_sound, "{length}");
    }
}

#[test]
fn a_first_attempt_is_what_a_submit_would_write_of_its_definition() {
    let text = r#"{"kind":"k","description":"d","priority":"high","params":{"n": 1e2},"max_attempts":1,"timeout_ms":5,
        "backoff_base_ms":7,"depends_on":[{"name":"a","index":0,"on_failure":"continue"}]}"#;
    let definition: SubtaskDefinition = serde_json::from_str(text).unwrap();
    let entry = definition.first_attempt(&"T".parse().unwrap(), 3).unwrap();
    let fields = bytes(&entry.encode());
    let expected = "v=1 task_id=T subtask_id=T-3 index=3 generation=0 kind=k description=d priority=high attempt=1 crashes=0 \
                    max_attempts=1 timeout_ms=5 payload={\"n\":1e2} backoff_base_ms=7 parents=a=0:continue";
    let shown = |(name, value): &(Vec<u8>, Vec<u8>)| {
        let text = String::from_utf8([name, &b"="[..], value].concat()).unwrap();
        text.replace(' ', "")
    };
    assert_eq!(fields.iter().map(shown).collect::<Vec<_>>(), expected.split(' ').collect::<Vec<_>>());
    assert_eq!(decode(&fields).unwrap(), entry);
}

#[test]
fn every_task_hash_is_read_whole_or_refused_by_its_field() {
    for Block { fields, fate } in blocks("task.txt") {
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).expect("text");
        let hash: HashMap<String, String> = fields.iter().map(|(name, value)| (text(name), text(value))).collect();
        match (Task::decode(&hash), fate) {
            (Ok(task), Fate::Written(mut written)) => {
                let mut again = bytes(&fields_of(&task));
                again.sort();
                written.sort();
                assert_eq!(again, written);
            }
            (Err(error), Fate::Refused(_, field)) => {
                assert_eq!(error.to_string(), format!("task field {field} is missing or malformed"));
            }
            (answer, _) => panic!("{hash:?} gives {answer:?}"),
        }
    }
}

/// The hash of a task. Scripts write it field by field, so the library has no encode.
fn fields_of(task: &Task) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("task_id", task.task_id.to_string()),
        ("description", task.description.clone()),
        ("door", task.door.to_string()),
        ("status", task.status.to_string()),
        ("priority", task.priority.to_string()),
        ("total", task.total.to_string()),
        ("completed", task.completed.to_string()),
        ("failed", task.failed.to_string()),
        ("cancelled", task.cancelled.to_string()),
        ("created_at", task.created_at_ms.to_string()),
        ("updated_at", task.updated_at_ms.to_string()),
        ("revision", task.revision.to_string()),
        ("subtasks", serde_json::to_string(&task.subtasks).expect("json")),
    ];
    fields.extend(task.kind.as_ref().map(|kind| ("kind", kind.to_string())));
    fields.extend(task.finished_at_ms.map(|ms| ("finished_at", ms.to_string())));
    fields.extend(task.run_at_ms.map(|ms| ("run_at", ms.to_string())));
    fields.extend(task.deadline_at_ms.map(|ms| ("deadline_at", ms.to_string())));
    fields.extend(task.deadline_after_ms.map(|ms| ("deadline_after_ms", ms.to_string())));
    fields.extend(task.context.clone().map(|context| ("context", context)));
    fields
}
