//! The client half of the command line: it knows the API's address and nothing of Redis.

use serde_json::Value;
use system_tests::client::Client;
use system_tests::eventually::eventually;
use system_tests::process::{Finished, Settings, run};
use system_tests::stack::{Plan, SOON, free_port};

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

#[test]
fn keys_are_made_listed_without_their_secret_rotated_and_revoked() {
    let stack = Plan::workers(0).set("AUTH", "keys").start();
    let tasks = |credentials: &str| stack.client.get_as("/tasks", credentials).status;
    let made = stack.run(&["keys", "create", "ci", "--scope", "read", "--expires-in-days", "1"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let credentials = made.out.trim();
    assert_eq!((tasks(credentials), tasks("ms_0_0")), (200, 401));
    let listed = stack.run(&["keys", "list", "--json"]);
    let key: Value = serde_json::from_str(listed.out.trim()).expect("JSON");
    assert_eq!((&key["name"], &key["scopes"]), (&"ci".into(), &"read".into()));
    assert_eq!(
        key["expires_at_ms"].as_u64().zip(key["created_at_ms"].as_u64()).map(|(end, at)| end - at),
        Some(86_400_000)
    );
    let secret = credentials.rsplit('_').next().expect("a secret");
    assert!(!listed.out.contains(secret) && !stack.run(&["keys", "list"]).out.contains(secret));
    let id = key["id"].as_str().expect("an id");
    let rotated = stack.run(&["keys", "rotate", id]);
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    eventually(SOON, "the new secret opens", || (tasks(rotated.out.trim()) == 200).then_some(()));
    assert_eq!(tasks(credentials), 200, "and the old one does for a day");
    assert_eq!(stack.run(&["keys", "revoke", id]).code, Some(0));
    eventually(SOON, "it opens nothing any more", || (tasks(credentials) == 401).then_some(()));
    assert_eq!(stack.run(&["keys", "revoke", id]).code, Some(3), "there is none");
}
