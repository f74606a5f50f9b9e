//! Row 79: what is JSON and what is not. A line has a `name` that begins with `n` (no JSON), `y` (JSON) or `i` (the
//! standard leaves it to the reader), and the `bytes`. Where our rules decide otherwise than the name says, or where
//! nothing else decides, it has the `status`, the `code` of a refusal, and `why`.

use super::api::Api;
use super::exchange::{bytes, get, post};
use serde_json::Value;

const CORPUS: &str = include_str!("../../hostile_json.jsonl");

pub struct Document {
    name: String,
    bytes: Vec<u8>,
    status: u64,
    code: String,
}

/// All of them.
pub fn all() -> Vec<Document> {
    CORPUS.lines().map(Document::read).collect()
}

/// All of them as they are sent.
pub fn requests() -> Vec<Vec<u8>> {
    let documents = all();
    let alone = documents.iter().map(|document| post("/tasks", &document.bytes));
    let inside = documents.iter().map(|document| post("/tasks", &document.inside()));
    alone.chain(inside).collect()
}

impl Document {
    fn read(line: &str) -> Self {
        let read: Value = serde_json::from_str(line).expect("a line is JSON");
        let name = read["name"].as_str().expect("a name").to_owned();
        assert_eq!(read["status"].is_u64(), read["why"].is_string(), "{name}: what departs from its name says why");
        let (status, code) = match (read["status"].as_u64(), &name[..2]) {
            (Some(status), _) => (status, read["code"].as_str().unwrap_or_default()),
            (None, "n_") => (400, "malformed_json"),
            (None, "y_") => (202, ""),
            (None, _) => panic!("{name} has no answer"),
        };
        Self { bytes: bytes(&read["bytes"]), status, code: code.to_owned(), name }
    }

    /// In the payload of a task that is good otherwise.
    fn inside(&self) -> Vec<u8> {
        [br#"{"description":"d","context":"#, self.payload().as_slice(), b"}"].concat()
    }

    fn payload(&self) -> Vec<u8> {
        [br#"{"v":"#, self.bytes.as_slice(), b"}"].concat()
    }

    /// As the whole body it is refused: as what is no JSON, as what is too deep, or as what is no task.
    pub fn check_alone(&self, api: &Api) {
        let answer = api.post("/tasks", &self.bytes);
        let (status, code) = match (self.code.as_str(), self.bytes.len()) {
            ("malformed_json", _) => (400, "malformed_json"),
            // The levels of a document that is just too deep inside a task are not too many without the task.
            ("too_deep", 63..) => (422, "too_deep"),
            _ => (400, "invalid_request"),
        };
        answer.check_problem(status, code, &format!("{} alone", self.name));
    }

    /// In a payload it is kept to the byte, or refused.
    pub fn check_inside(&self, api: &Api) {
        let what = format!("{} in a payload", self.name);
        let answer = api.post("/tasks", &self.inside());
        if self.status != 202 {
            return answer.check_problem(self.status, &self.code, &what);
        }
        assert_eq!(answer.status, 202, "{what}: {} {}", answer.head, answer.body);
        let (id, payload) = (answer.task_id(), String::from_utf8(self.payload()).expect("JSON is text"));
        assert_eq!(api.stored(&id, "context"), payload, "{what}");
        let read = api.send(&get(&format!("/tasks/{id}"))).body;
        assert!(read.contains(&format!("\"context\":{payload}")), "{what}: {read}");
    }

    /// In place of a payload it has to be an object.
    pub fn check_as_payload(&self, api: &Api) {
        let what = format!("{} as a payload", self.name);
        let body = [br#"{"description":"d","context":"#, self.bytes.as_slice(), b"}"].concat();
        let answer = api.post("/tasks", &body);
        let text = String::from_utf8_lossy(&self.bytes).trim_ascii().to_owned();
        match (self.status, text.starts_with('{')) {
            (202, true) => {
                assert_eq!(answer.status, 202, "{what}: {}", answer.body);
                assert_eq!(api.stored(&answer.task_id(), "context"), text, "{what}");
            }
            (202, false) => {
                answer.check_problem(400, "invalid_request", &what);
                assert_eq!(answer.json()["errors"][0]["pointer"], "/context", "{what}");
            }
            _ => assert!((400..500).contains(&answer.status), "{what}: {}", answer.head),
        }
    }

    pub fn is_sound(&self) -> bool {
        self.status == 202
    }
}
