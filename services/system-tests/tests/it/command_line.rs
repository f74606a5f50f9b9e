//! The client half of the command line: it knows the API's address and nothing of Redis.

use serde_json::Value;
use system_tests::client::Client;
use system_tests::process::{Finished, Settings, run};
use system_tests::stack::{Plan, free_port};

fn ask(base: &str, arguments: &[&str]) -> Finished {
    let directory = tempfile::tempdir().expect("a directory");
    let settings: Settings = [("MILLSTREAM_URL".to_owned(), base.to_owned())].into();
    run(arguments, &settings, directory.path())
}

#[test]
fn submit_watch_and_get_end_as_the_task_does() {
    let stack = Plan::workers(1).set("SIMULATE_SECONDS", 0.05).start();
    let base = stack.client.base();
    let watched = ask(base, &["submit", "--watch", "Build a user authentication system", "--priority", "high"]);
    assert_eq!(watched.code, Some(0), "{watched:?}");
    assert!(watched.out.contains("completed"), "{watched:?}");

    let submitted = ask(base, &["submit", "--quiet", "an api"]);
    assert_eq!(submitted.code, Some(0), "{submitted:?}");
    let id = submitted.out.trim();
    assert_eq!(ask(base, &["watch", id]).code, Some(0));
    let got: Value = serde_json::from_str(&ask(base, &["get", id, "--json"]).out).expect("JSON");
    assert_eq!((&got["task_id"], &got["status"]), (&id.into(), &"completed".into()));

    let file = tempfile::NamedTempFile::new().expect("a file");
    let failing = r#"[{"description": "badly", "kind": "test_task", "params": {"success_rate": 0}}]"#;
    std::fs::write(file.path(), failing).expect("the file is written");
    let path = file.path().display().to_string();
    assert_eq!(ask(base, &["submit", "--watch", "--subtasks-file", &path, "it fails"]).code, Some(1));
    stack.audit();
}

#[test]
fn exit_codes_tell_a_script_what_went_wrong() {
    let stack = Plan::workers(0).start();
    let base = stack.client.base();
    assert_eq!(ask(base, &["get", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]).code, Some(3), "no such task");
    assert_eq!(ask(base, &["submit", "x", "--priority", "sometimes"]).code, Some(2), "a refused argument");
    let refused = ask(base, &["submit", "   "]);
    assert_eq!(refused.code, Some(2), "refused by the API: {refused:?}");
    assert!(refused.err.contains("description"), "{refused:?}");
    let nobody = Client::new(free_port());
    assert_eq!(ask(nobody.base(), &["submit", "anything"]).code, Some(69), "no API there");
}
