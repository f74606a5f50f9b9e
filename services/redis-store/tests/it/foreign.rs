//! Calls as a worker in another language could send them by mistake: refused before the first write, so that half of
//! a settle never happens.

use crate::stage::{MEDIUM, stage};
use redis_store::script;

/// A good call of one script; then a change to it that must be refused.
struct Case {
    script: &'static str,
    keys: Vec<&'static str>,
    arguments: Vec<String>,
}

fn cases(entry_id: &str) -> Vec<Case> {
    let call = |script, keys: &[&'static str], arguments: &[&str]| Case {
        script,
        keys: keys.to_vec(),
        arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
    };
    let settle = ["events", MEDIUM, "outcomes:T", "result:T-0"];
    let item = |stream: &str, id: &str, line: &str, reason: &str, seconds: &str| {
        call("settle", &settle, &["workers", "me", "1", "1", stream, id, "1", line, reason, "{}", seconds])
    };
    let line = "T 0 0 completed 1 0 me";
    let mut cases = vec![
        call("settle", &settle, &["workers", "me", "1", "1", entry_id, line, "", "{}"]),
        call("settle", &settle, &["workers", "me", "1"]),
        call("settle", &settle[..2], &["workers", "me", "1", "1", entry_id, line, "", "{}", "9"]),
        call("settle", &settle, &["workers", "me", "2", "1", entry_id, line, "", "{}", "9"]),
        item("1", entry_id, line, "two words", "9"),
        item("1", entry_id, line, "", "0"),
        item("1", entry_id, line, "", "-9"),
        item("1", entry_id, line, "", "nine"),
        item("1", entry_id, line, "", "9999999999999999"),
        item("1", &entry_id.replace('-', "_"), line, "", "9"),
    ];
    cases.extend(["0", "2", "1.5", "x", ""].map(|stream| item(stream, entry_id, line, "", "9")));
    let lines = [
        "",
        "T 0 0 started 1 0 me",
        "T 0 0 Completed 1 0 me",
        "T 0 0 completed 1 0",
        "T - 0 completed 1 0 me",
        "T 0 0 completed 1 0 me 5",
        "T 0 0 completed 1 0 me\nU 0 0 completed 1 0 me",
        "T\u{fc} 0 0 completed 1 0 me",
    ];
    cases.extend(lines.map(|line| item("1", entry_id, line, "", "9")));
    let bury = [MEDIUM, "events", "dead-letters"];
    let mut buried = |arguments: &[&str]| cases.push(call("bury", &bury, arguments));
    buried(&["workers", "me", "9", entry_id, "x"]);
    buried(&["workers", "me", "9", entry_id, "two words", ""]);
    buried(&["workers", "me", "many", entry_id, "x", ""]);
    buried(&["workers", "two words", "9", entry_id, "x", ""]);
    buried(&["workers", "me", "9", entry_id, "x", "", "id", "x", ""]);
    let hand_back = [MEDIUM, "events", "bell:default"];
    cases.push(call("hand_back", &hand_back, &["workers", "two words", entry_id]));
    cases.push(call("hand_back", &hand_back, &["workers", "me", entry_id, ""]));
    let reap = ["maintenance:default", "events", "dead-letters", "bell:default", MEDIUM];
    for arguments in [
        ["workers", "me", "0", "100", "3", "9", "end"],
        ["workers", "me", "soon", "100", "3", "9", "0-0"],
        ["workers", "me", "0", "many", "3", "9", "0-0"],
        ["workers", "me", "0", "100", "", "9", "0-0"],
        ["workers", "me", "0", "100", "3", "all", "0-0"],
        ["workers", "", "0", "100", "3", "9", "0-0"],
    ] {
        cases.push(call("reap", &reap, &arguments));
    }
    cases.push(call("reap", &reap, &["workers", "me", "0", "100", "3", "9"]));
    cases
}

#[tokio::test]
async fn a_call_of_the_wrong_shape_is_refused_before_the_first_write() {
    let stage = stage().await;
    let entry_id = stage.leave("me", &[b"task_id", b"T", b"subtask_id", b"T-0", b"description", b"d"]).await;
    let before = stage.exact();
    for Case { script, keys, arguments } in cases(&entry_id) {
        let source = &script::all().into_iter().find(|known| known.name == script).unwrap().source;
        let mut call = vec!["EVAL", source];
        let count = keys.len().to_string();
        call.push(&count);
        call.extend(&keys);
        call.extend(arguments.iter().map(String::as_str));
        let reply = stage.redis.command(&call).text();
        assert!(reply.starts_with("ERR malformed call"), "{script} {arguments:?}: {reply}");
        assert_eq!(stage.exact(), before, "{script} {arguments:?}");
    }
}
