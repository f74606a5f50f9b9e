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
    cases.push(call("hand_back", &hand_back, &["workers", "two words", "default", "0", entry_id, "0"]));
    cases.push(call("hand_back", &hand_back, &["workers", "me", "", "0", entry_id, "0"]));
    cases.push(call("hand_back", &hand_back, &["workers", "me", "default", "soon", entry_id, "0"]));
    cases.push(call("hand_back", &hand_back, &["workers", "me", "default", "0", "id", "0"]));
    cases.push(call("hand_back", &hand_back, &["workers", "me", "default", "0", entry_id]));
    cases.push(call("hand_back", &hand_back, &["workers", "me", "default", "0", entry_id, "1"]));
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
    cases.extend(tasks());
    cases
}

/// A good submit of one subtask.
const SUBMIT: [&str; 25] = [
    "me", "T", "0", "0", "9", "", "9", "f", "9", "1", "0", "1", "1", "default", "1", "3", "simulate", "medium", "5",
    "9", "[]", "1", "d", "{}", "{}",
];

/// Calls about a task as a whole, as a program that is not ours could send them.
fn tasks() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut call = |script, keys: &[&'static str], arguments: &[&str]| {
        let arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
        cases.push(Case { script, keys: keys.to_vec(), arguments });
    };
    let indexes = ["tasks:queued", "tasks:processing", "tasks:completed", "tasks:failed", "tasks:cancelled"];
    let first = ["events", "dead-letters", "meta", "lifetimes", "delayed", "delayed:body", "cancelled"];
    let fold = [&first[..], &indexes, &["task:T", "outcomes:T", "plan:T"]].concat();
    let head = ["projector", "me", "9", "9", "9"];
    let one = ["0", "0", "completed", "completed 1 0 5", "5"];
    for (counts, facts) in [
        (["0", "0", "0", "1"], &[&["T", "1"][..], &one[..4]].concat()[..]),
        (["0", "0", "0", "1"], &[&["T", "2"][..], &one].concat()),
        (["0", "0", "0", "1"], &[&["T", "many"][..], &one].concat()),
        (["0", "0", "0", "1"], &[&["T", "1"][..], &one, &["more"]].concat()),
        (["0", "0", "0", "2"], &[&["T", "1"][..], &one].concat()),
        (["1", "0", "0", "1"], &[&["T", "1"][..], &one].concat()),
        (["0", "1", "0", "1"], &[&["id", "T", "1"][..], &one].concat()),
        (["0", "x", "0", "1"], &[&["T", "1"][..], &one].concat()),
        (["0", "0", "0", "1"], &["T", "1", "x", "0", "completed", "completed 1 0 5", "5"]),
        (["0", "0", "0", "1"], &["T", "1", "0", "-1", "completed", "completed 1 0 5", "5"]),
        (["0", "0", "0", "1"], &["T", "1", "0", "0", "created", "completed 1 0 5", "5"]),
        (["0", "0", "0", "1"], &["T", "1", "0", "0", "completed", "completed 1 0 5", "nan"]),
        (["0", "0", "0", "1"], &["T", "1", "0", "0", "completed", "completed 1 0 5", "inf"]),
    ] {
        call("fold", &fold, &[&head[..], &counts, facts].concat());
    }
    let cancel_keys = ["task:T", "outcomes:T", "plan:T", "events", "delayed", "delayed:body", "cancelled", "lifetimes"];
    let cancel = [&cancel_keys[..], &indexes].concat();
    for arguments in [
        ["two words", "T", "", "9", "9", ""],
        ["me", "T", "two words", "9", "9", ""],
        ["me", "T", "", "soon", "9", ""],
        ["me", "T", "", "9", "", ""],
    ] {
        call("cancel", &cancel, &arguments);
    }
    call("recount", &[&["task:T", "outcomes:T", "lifetimes"][..], &indexes].concat(), &["T", "soon"]);
    let submit_keys = ["task:T", "outcomes:T", "plan:T", "events", "tasks", "tasks:queued", "lifetimes", "queues"];
    let more = ["delayed", "delayed:body", "idempotency:a:k", "bell:default", MEDIUM, MEDIUM, MEDIUM, MEDIUM];
    let submit = [&submit_keys[..], &more].concat();
    for (at, wrong) in [
        (0, "two words"),
        (2, "soon"),
        (3, "-1"),
        (4, ""),
        (6, "many"),
        (8, "0"),
        (9, "2"),
        (10, "1"),
        (11, "x"),
        (12, "0"),
        (12, "1001"),
        (14, "2"),
        (15, "5"),
        (20, "[\"odd\"]"),
        (21, "2"),
        (24, "{\"0\":\"\"}"),
        (24, "{\"0\":\"a=0:skip\"}"),
        (24, "{\"0\":5}"),
    ] {
        let mut arguments = SUBMIT;
        arguments[at] = wrong;
        call("submit", &submit, &arguments);
    }
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

#[tokio::test]
async fn what_the_cases_spoil_is_a_good_call() {
    let stage = stage().await;
    let case = tasks().into_iter().find(|case| case.script == "submit").expect("a submit");
    let source = &script::all().into_iter().find(|known| known.name == "submit").unwrap().source;
    let mut call = vec!["EVAL", source, "16"];
    call.extend(&case.keys);
    call.extend(SUBMIT);
    assert_eq!(stage.raw(&call).items()[0].text(), "created");
    stage.store.create_projector_group().await.unwrap();
    let case = tasks().into_iter().find(|case| case.script == "fold").expect("a fold");
    let source = &script::all().into_iter().find(|known| known.name == "fold").unwrap().source;
    let mut call = vec!["EVAL", source, "15"];
    call.extend(&case.keys);
    call.extend([
        "projector",
        "me",
        "9",
        "9",
        "9",
        "0",
        "0",
        "0",
        "1",
        "T",
        "1",
        "0",
        "0",
        "completed",
        "completed 1 0 5",
        "5",
    ]);
    assert_eq!(stage.raw(&call).items()[0].text(), "folded");
    assert_eq!(stage.head("T"), "completed 1 0 0");
}
