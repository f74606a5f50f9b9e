//! Row 78: strings that have broken programs. Each is a description, a payload and the name of a subtask; what is
//! stored is stored byte for byte, and what is refused is refused by the rule that its line names.
//!
//! A line has the `sort`, the `text`, and `refused` if no description may be so: it is `blank`, `long` (more than
//! 10,000 characters), or has a `U+0000`. No subtask may be called so, unless the line says that the `name` is
//! `accepted`.

use super::api::Api;
use super::exchange::{bytes, get, post};
use serde_json::Value;
use std::collections::HashMap;

const STRINGS: &str = include_str!("../../hostile_strings.jsonl");
/// Well below the limit of a body, so that the long ones find room.
const BATCH_BYTES: usize = 500_000;
/// A shorter text may stand in a sentence of the API's own by chance.
const TELLING_CHARS: usize = 9;

pub struct Naughty {
    what: String,
    text: String,
    refused: Option<String>,
    is_name: bool,
}

/// All of them.
pub fn all() -> Vec<Naughty> {
    STRINGS.lines().map(Naughty::read).collect()
}

/// All of them as they are sent.
pub fn requests() -> Vec<Vec<u8>> {
    let items: Vec<String> = all().iter().flat_map(|it| [it.as_description(), it.as_payload(), it.as_name()]).collect();
    batches(&items).iter().map(|body| post("/tasks/batch", body.as_bytes())).collect()
}

impl Naughty {
    fn read(line: &str) -> Self {
        let read: Value = serde_json::from_str(line).expect("a line is JSON");
        let text = String::from_utf8(bytes(&read["text"])).expect("text");
        let refused = read["refused"].as_str().map(str::to_owned);
        let what = format!("{}: {:.80}", read["sort"].as_str().expect("a sort"), text.escape_debug().to_string());
        Self { what, text, refused, is_name: read["name"] == "accepted" }
    }

    /// As JSON writes it when it escapes no more than it must.
    fn plain(&self) -> String {
        serde_json::to_string(&self.text).expect("text")
    }

    /// As JSON writes it when it escapes all of it.
    fn escaped(&self) -> String {
        let units: String = self.text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        format!("\"{units}\"")
    }

    fn payload(&self) -> String {
        format!("{{\"s\":{}}}", self.plain())
    }

    /// What a subtask is told to do: itself, if it may.
    fn told(&self) -> &str {
        if self.refused.is_none() { &self.text } else { "d" }
    }

    pub fn as_description(&self) -> String {
        format!("{{\"description\":{}}}", self.escaped())
    }

    pub fn as_payload(&self) -> String {
        let (told, payload) = (serde_json::to_string(self.told()).expect("text"), self.payload());
        let subtask = format!("{{\"description\":{told},\"params\":{payload}}}");
        format!("{{\"description\":\"d\",\"context\":{payload},\"subtasks\":[{subtask}]}}")
    }

    pub fn as_name(&self) -> String {
        format!("{{\"description\":\"d\",\"subtasks\":[{{\"description\":\"s\",\"name\":{}}}]}}", self.plain())
    }

    pub fn check_as_description(&self, api: &Api, result: &Value) {
        if self.refused.is_some() {
            return self.check_refused(result, "/description");
        }
        let (id, document) = self.accepted(api, result);
        assert_eq!(document["description"], self.text, "{}", self.what);
        assert_eq!(api.stored(&id, "description"), self.text, "{}", self.what);
    }

    /// `entries` are the description and the payload of each work entry, by subtask.
    pub fn check_as_payload(&self, api: &Api, result: &Value, entries: &HashMap<String, (String, String)>) {
        let (id, document) = self.accepted(api, result);
        let payload = self.payload();
        assert_eq!(api.stored(&id, "context"), payload, "{}", self.what);
        assert!(api.send(&get(&format!("/tasks/{id}"))).body.contains(&payload), "{}", self.what);
        assert_eq!(document["subtasks"][0]["description"], self.told(), "{}", self.what);
        assert!(api.stored(&id, "subtasks").contains(&payload), "{}", self.what);
        assert_eq!(entries[&format!("{id}-0")], (self.told().to_owned(), payload), "{}", self.what);
    }

    pub fn check_as_name(&self, api: &Api, result: &Value) {
        if !self.is_name {
            return self.check_refused(result, "/subtasks/0/name");
        }
        let (_, document) = self.accepted(api, result);
        assert_eq!(document["subtasks"][0]["name"], self.text, "{}", self.what);
    }

    fn accepted(&self, api: &Api, result: &Value) -> (String, Value) {
        assert_eq!(result["status"], 202, "{}: {result}", self.what);
        let id = result["task_id"].as_str().expect("an id").to_owned();
        let document = api.send(&get(&format!("/tasks/{id}"))).json();
        (id, document)
    }

    fn check_refused(&self, result: &Value, pointer: &str) {
        let problem = &result["problem"];
        let told = (&problem["status"], &problem["code"], &problem["errors"][0]["pointer"]);
        assert_eq!(told, (&400.into(), &"invalid_request".into(), &pointer.into()), "{}: {result}", self.what);
        let rule = match self.refused.as_deref() {
            _ if pointer != "/description" => "A-Z a-z 0-9 _ . -",
            Some("blank") => "blank",
            Some("long") => "10000",
            Some("U+0000") => "U+0000",
            other => panic!("{}: nothing is refused as {other:?}", self.what),
        };
        assert!(problem["errors"][0]["detail"].as_str().expect("text").contains(rule), "{}: {problem}", self.what);
        let is_telling = self.text.chars().count() >= TELLING_CHARS;
        let (plain, answer) = (self.plain(), problem.to_string());
        assert!(!is_telling || !answer.contains(&plain[1..plain.len() - 1]), "{} is repeated: {answer}", self.what);
    }
}

/// Sends an item for each string, in as many batches as it takes, and answers what came of each.
pub fn submit(api: &Api, strings: &[Naughty], item: impl Fn(&Naughty) -> String) -> Vec<Value> {
    let tasks = || api.redis.command(&["ZCARD", "tasks"]).integer();
    let before = tasks();
    let mut results: Vec<Value> = Vec::new();
    for body in batches(&strings.iter().map(item).collect::<Vec<_>>()) {
        let answer = api.post("/tasks/batch", body.as_bytes());
        assert!((200..300).contains(&answer.status), "{} {}", answer.head, answer.body);
        results.extend(answer.json()["tasks"].as_array().expect("results").iter().cloned());
    }
    assert_eq!(results.len(), strings.len());
    let accepted = results.iter().filter(|result| result["status"] == 202).count();
    assert_eq!(tasks() - before, accepted as i64, "what was refused has left something behind");
    results
}

/// The description and the payload of each work entry, by subtask.
pub fn entries(api: &Api) -> HashMap<String, (String, String)> {
    let reply = api.redis.command(&["XRANGE", "subtasks:default:medium", "-", "+"]);
    let entry = |entry: &system_tests::redis::Reply| {
        let fields: Vec<String> = entry.items()[1].items().iter().map(|field| field.text()).collect();
        let of = |name: &str| fields.chunks(2).find(|pair| pair[0] == name).map(|pair| pair[1].clone());
        let named = |name: &str| of(name).unwrap_or_else(|| panic!("an entry has a {name}"));
        (named("subtask_id"), (named("description"), named("payload")))
    };
    reply.items().iter().map(entry).collect()
}

fn batches(items: &[String]) -> Vec<String> {
    let mut groups: Vec<Vec<&str>> = vec![Vec::new()];
    let mut length = 0;
    for item in items {
        if length + item.len() > BATCH_BYTES {
            groups.push(Vec::new());
            length = 0;
        }
        length += item.len();
        groups.last_mut().expect("there is a group").push(item);
    }
    groups.iter().map(|group| format!("{{\"tasks\":[{}]}}", group.join(","))).collect()
}
