//! Every Lua file is used behind what it shares with others and names its arguments once. (What stands on top of it is
//! for tidy.)

use crate::stage::stage;
use redis_store::script;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// In front of every script, and in front of those about a task as a whole.
const LIBRARIES: [&str; 2] = ["prelude", "task"];

/// What `task.lua` defines.
const TASK_FUNCTIONS: [&str; 5] = ["read_task", "write_task", "open_indexes", "record_cancelled", "current_generation"];

/// Name and text of every file in `lua/`.
fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("lua");
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .expect("the folder")
        .map(|file| file.expect("a file").path())
        .map(|path| {
            assert_eq!(path.extension().and_then(|name| name.to_str()), Some("lua"), "{path:?}");
            let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
            (name.to_owned(), fs::read_to_string(&path).expect("text"))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_file_is_a_script_and_every_script_is_what_it_shares_and_its_file() {
    let files = files();
    let text = |name: &str| files.iter().find(|(own, _)| own == name).map(|(_, text)| text.as_str());
    let [prelude, task] = LIBRARIES.map(|name| text(name).unwrap_or_else(|| panic!("{name}.lua is missing")));
    assert!(prelude.ends_with("end\n") && task.ends_with("end\n"));
    for script in script::all() {
        let own = text(script.name).unwrap_or_else(|| panic!("{}.lua is missing", script.name));
        let uses_task = TASK_FUNCTIONS.iter().any(|function| own.contains(&format!("{function}(")));
        let task = if uses_task { task } else { "" };
        assert_eq!(script.source, format!("{prelude}{task}{own}"), "{}", script.name);
    }
    let used: BTreeSet<&str> = script::all().iter().map(|script| script.name).chain(LIBRARIES).collect();
    let there: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(used, there);
}

#[test]
fn every_key_and_argument_is_bound_to_a_name_before_the_first_command() {
    for (name, text) in files() {
        let mut commands_begun = false;
        for (at, line) in text.lines().enumerate() {
            commands_begun |= line.contains("redis.call") || line.contains("redis.pcall");
            let by_number = ["KEYS[", "ARGV["].iter().any(|list| {
                line.match_indices(list).any(|(start, _)| {
                    let index = line[start + list.len()..].split(']').next().unwrap_or_default();
                    !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit())
                })
            });
            assert!(!(commands_begun && by_number), "{name}.lua:{}: {line}", at + 1);
            assert!(line.chars().count() <= 120, "{name}.lua:{} is too long", at + 1);
        }
    }
}

#[tokio::test]
async fn every_digest_is_the_one_that_the_server_computes() {
    let stage = stage().await;
    for script in script::all() {
        assert_eq!(stage.raw(&["SCRIPT", "LOAD", &script.source]).text(), script.digest, "{}", script.name);
    }
}
