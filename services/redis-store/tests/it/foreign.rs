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
        call("settle", &settle, &["workers", "me", "1", "1", "1", entry_id, "1", line, "", "{}"]),
        call("settle", &settle, &["workers", "me", "1"]),
        call("settle", &settle, &["workers", "me"]),
        call("settle", &settle[..3], &["workers", "me", "1", "1", "1", entry_id, "1", line, "", "{}", "9"]),
        call("settle", &settle, &["workers", "me", "2", "1", "1", entry_id, "1", line, "", "{}", "9"]),
        call("settle", &settle, &["workers", "me", "1", "1", "1", entry_id, "2", line, "", "{}", "9"]),
        call("settle", &settle, &["workers", "me", "1", "1", "1", entry_id, "0", line, "", "{}", "9"]),
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
    let bury = ["events", "dead-letters", "meta", MEDIUM, "outcomes:T", "result:T-0"];
    let mut buried = |arguments: &[&str]| {
        cases.push(call("bury", &bury, &[&["workers", "me"][..], arguments].concat()));
    };
    buried(&["9", "1", "1", "1", entry_id, "1", "x", "", "{}"]);
    buried(&["9", "1", "1", "1", entry_id, "1", "two words", "", "{}", "9"]);
    buried(&["many", "1", "1", "1", entry_id, "1", "x", "", "{}", "9"]);
    buried(&["9", "1", "1", "1", entry_id, "1", "x", "", "{}", "0"]);
    buried(&["9", "1", "1", "1", entry_id, "0", "x", "", "{}", "9"]); // nobody's leaves no result
    buried(&["9", "1", "1", "1", entry_id, "2", "x", "", "{}", "9"]);
    buried(&["9", "1", "1", "2", entry_id, "1", "x", "", "{}", "9"]);
    buried(&["9", "1", "1", "-1", entry_id, "1", "x", "", "{}", "9"]);
    buried(&["9", "x", "1", "1", entry_id, "1", "x", "", "{}", "9"]);
    buried(&["9", "1", "", "1", entry_id, "1", "x", "", "{}", "9"]);
    buried(&["9", "1", "1", "1", "id", "1", "x", "", "{}", "9"]);
    cases.push(call("bury", &bury, &["workers", "two words", "9", "1", "1", "1", entry_id, "1", "x", "", "{}", "9"]));
    let retry = ["events", "delayed", "delayed:body", MEDIUM, "outcomes:T"];
    for arguments in [
        ["two words", "1", "1", "1", "default", entry_id, "1", "5", "x"],
        ["me", "2", "1", "1", "default", entry_id, "1", "5", "x"],
        ["me", "1", "-1", "1", "default", entry_id, "1", "5", "x"],
        ["me", "1", "1", "2", "default", entry_id, "1", "5", "x"],
        ["me", "1", "1", "1", "two words", entry_id, "1", "5", "x"],
        ["me", "1", "1", "1", "default", "id", "1", "5", "x"],
        ["me", "1", "1", "1", "default", entry_id, "0", "5", "x"],
        ["me", "1", "1", "1", "default", entry_id, "1", "-5", "x"],
        ["me", "1", "1", "1", "default", entry_id, "1", "999999999999", "x"],
        ["me", "1", "1", "1", "default", entry_id, "1", "5", ""],
    ] {
        cases.push(call("retry", &retry, &[&["workers"][..], &arguments].concat()));
    }
    cases.push(call("retry", &retry, &["workers", "me", "1", "1", "1", "default", entry_id, "1", "5"]));
    let hand_back = [MEDIUM, "events", "bell:default", "delayed", "delayed:body"];
    cases.push(call("hand_back", &hand_back, &["workers", "two words", "default", "0", entry_id]));
    cases.push(call("hand_back", &hand_back, &["workers", "me", "", "0", entry_id]));
    cases.push(call("hand_back", &hand_back, &["workers", "me", "default", "soon", entry_id]));
    cases.push(call("hand_back", &hand_back, &["workers", "me", "default", "0", entry_id, ""]));
    let reap = ["maintenance:default", "events", "dead-letters", "bell:default", "meta", MEDIUM];
    for arguments in [
        ["me", "0", "100", "3", "12", "1000", "9", "end"],
        ["me", "soon", "100", "3", "12", "1000", "9", "0-0"],
        ["me", "0", "many", "3", "12", "1000", "9", "0-0"],
        ["me", "0", "100", "", "12", "1000", "9", "0-0"],
        ["me", "0", "100", "3", "", "1000", "9", "0-0"],
        ["me", "0", "100", "3", "12", "x", "9", "0-0"],
        ["me", "0", "100", "3", "12", "1000", "all", "0-0"],
        ["", "0", "100", "3", "12", "1000", "9", "0-0"],
    ] {
        cases.push(call("reap", &reap, &[&["workers"][..], &arguments].concat()));
    }
    cases.push(call("reap", &reap, &["workers", "me", "0", "100", "3", "12", "1000", "9"]));
    let promote = ["delayed", "delayed:body", "dead-letters", "meta", "bell:default", MEDIUM, MEDIUM, MEDIUM, MEDIUM];
    for arguments in [
        ["two words", "100", "9", "1", "default"],
        ["me", "1001", "9", "1", "default"],
        ["me", "100", "all", "1", "default"],
        ["me", "100", "9", "2", "default"],
        ["me", "100", "9", "", "default"],
    ] {
        cases.push(call("promote", &promote, &arguments));
    }
    cases.push(call("promote", &promote, &["me", "100", "9", "1"]));
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
