//! A message: one fact with its place, and its bytes once somebody wants them; and the frames that are no facts.

use super::cursor::Position;
use super::name::Name;
use crate::wire::feed_message::{EndMessage, FactMessage};
use bytes::Bytes;
use proto_schemas::{Fact, TaskId};
use redis_store::tail::TaskState;
use serde::Serialize;
use std::sync::OnceLock;

/// The first frame of a feed: how long a client waits before it connects again.
pub const RETRY: &str = "retry: 2000\n\n";

/// One fact.
#[derive(Debug)]
pub struct Message {
    /// Its place.
    pub position: Position,
    /// What it tells.
    pub name: Name,
    /// The fact.
    pub fact: Fact,
    frame: OnceLock<Bytes>,
}

impl Message {
    /// The message of a line of the log; none of one that is no fact, or no fact of ours.
    pub fn read(position: Position, line: &[u8]) -> Option<Self> {
        let fact = Fact::decode(std::str::from_utf8(line).ok()?).ok()?;
        Some(Self { position, name: Name::of(&fact)?, fact, frame: OnceLock::new() })
    }

    /// Its bytes, made once for all who listen.
    pub fn frame(&self) -> &Bytes {
        self.frame.get_or_init(|| {
            let event = self.name.as_str();
            frame(Some(&self.position.to_string()), event, &FactMessage::of(event, &self.fact)).into()
        })
    }
}

/// A frame of its parts.
pub fn frame(id: Option<&str>, event: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).expect("a document has string keys and cannot fail to serialise");
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {event}\ndata: {data}\n\n")
}

/// The end of a task; none while it is open.
pub fn end(id: Option<&str>, task_id: &TaskId, state: &TaskState) -> Option<String> {
    let event = Name::of_end(state.status)?.as_str();
    Some(frame(id, event, &EndMessage::of(event, task_id, state)))
}

/// The id that ends the feed of a task behind `last`.
pub fn end_id(last: Position) -> String {
    format!("{last}.end")
}

/// What tells that the connection lives, and how far the feed has come.
pub fn keep_alive(last: Position) -> String {
    format!(": keep-alive\nid: {last}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> Option<String> {
        let message = Message::read("5-1.2".parse().unwrap(), line.as_bytes())?;
        Some(String::from_utf8(message.frame().to_vec()).unwrap())
    }

    #[test]
    fn a_fact_is_a_frame_of_three_lines() {
        let expect = "id: 5-1.2\nevent: subtask.failed\ndata: {\"event\":\"subtask.failed\",\"task_id\":\"01J\",\
                      \"subtask_id\":\"01J-3\",\"index\":3,\"generation\":2,\"attempt\":5,\"crashes\":1,\"worker\":\"w\",\
                      \"at\":\"2026-09-21T14:13:20.007Z\",\"reason\":\"timeout\"}\n\n";
        assert_eq!(text("01J 3 2 failed 5 1 w 1790000000007 timeout").as_deref(), Some(expect));
    }

    #[test]
    fn neighbours_that_were_cancelled_at_once_are_one_message() {
        let range = text("01J 3-17 0 cancelled 0 0 w 1").unwrap();
        assert!(range.contains("\"indexes\":[3,17]") && !range.contains("subtask_id"), "{range}");
        let created = text("01J - 0 created 0 0 w 1").unwrap();
        assert!(created.contains("event: task.created\n") && !created.contains("index"), "{created}");
    }

    #[test]
    fn what_no_script_writes_is_no_message() {
        for line in
            ["", "01J", "01J - 0 completed 1 0 w 1", "01J 0 0 created 0 0 w 1", "01J 0 0 done 1 0 w 1", "\u{7f}"]
        {
            assert_eq!(text(line), None, "{line}");
        }
    }
}
