//! The house rules that a program can check.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use system_tests::process::{Settings, run};

/// The crates from the ground up: a crate may only know crates of lower floors.
const FLOORS: [&[&str]; 5] = [
    &["proto-schemas", "telemetry"],
    &["redis-store", "task-core"],
    &["orchestrator", "worker", "projector"],
    &["millstream"],
    &["chaos"],
];
/// Crates that test the others and ship with none of them.
const DEVELOPMENT: [&str; 2] = ["system-tests", "chaos"];
const LINES_MAX: usize = 400;
const LINES_ASKED: usize = 300;
/// As in `rustfmt.toml`.
const WIDTH_MAX: usize = 120;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// Every file that git knows or would know, whose name ends so; none that is ignored.
fn files(ending: &str) -> Vec<PathBuf> {
    let listing = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    assert!(listing.status.success(), "{}", String::from_utf8_lossy(&listing.stderr));
    let names = String::from_utf8(listing.stdout).expect("names are text");
    let found = names.split('\0').filter(|name| name.ends_with(ending)).map(|name| root().join(name));
    let found: Vec<PathBuf> = found.filter(|path| path.is_file()).collect();
    assert!(!found.is_empty(), "there is no file named *{ending}");
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Code that ships: sources without their test modules, comments taken out.
fn product_code() -> Vec<(String, String)> {
    let ships = |path: &&PathBuf| {
        let name = shown(path);
        let tests = |crate_name: &&str| name.starts_with(&format!("services/{crate_name}/"));
        name.contains("/src/") && !DEVELOPMENT.iter().any(tests)
    };
    let code = |path: &PathBuf| {
        let text = read(path);
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        (shown(path), lines.collect::<Vec<_>>().join("\n"))
    };
    files(".rs").iter().filter(ships).map(code).collect()
}

/// What each crate depends on, development apart, and the same of development.
fn dependencies() -> BTreeMap<String, [BTreeSet<String>; 2]> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo tells what it builds");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let of = |package: &Value, dev: bool| {
        let known = package["dependencies"].as_array().expect("dependencies").iter();
        let wanted = known.filter(|one| (one["kind"] == "dev") == dev);
        wanted.map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
    };
    packages
        .iter()
        .map(|package| {
            let name = package["name"].as_str().expect("a name").to_owned();
            (name, [of(package, false), of(package, true)])
        })
        .collect()
}

#[test]
fn every_edge_between_crates_points_down() {
    let floor = |name: &str| FLOORS.iter().position(|floor| floor.contains(&name));
    let mut edges = 0;
    for (name, [shipped, _]) in dependencies() {
        let own = floor(&name);
        assert!(own.is_some() || name == "system-tests", "{name} has no floor");
        for known in &shipped {
            let is_tests = DEVELOPMENT.contains(&known.as_str()) && !DEVELOPMENT.contains(&name.as_str());
            assert!(!is_tests, "{name} ships its tests");
            if let Some(below) = floor(known) {
                assert!(own.is_some_and(|own| below < own), "{name} knows {known}");
                edges += 1;
            }
        }
    }
    assert!(edges >= 10, "only {edges} edges were seen");
}

#[test]
fn what_only_one_crate_may_know_is_known_to_one() {
    for (outsider, owners) in [
        ("fred", &["redis-store"][..]),
        ("poem", &["orchestrator"]),
        ("poem-openapi", &["orchestrator"]),
        ("prometheus", &["telemetry"]),
        ("opentelemetry", &["telemetry"]),
        ("opentelemetry_sdk", &["telemetry"]),
        ("clap", &["millstream"]),
        ("anyhow", &["millstream"]),
    ] {
        let all = dependencies();
        let knowing: Vec<&String> =
            all.iter().filter(|(_, [shipped, _])| shipped.contains(outsider)).map(|(name, _)| name).collect();
        assert_eq!(knowing, owners, "who ships {outsider}");
    }
    let [pure, _] = &dependencies()["task-core"];
    for impure in ["tokio", "futures", "chrono", "fastrand", "rand", "ulid", "reqwest", "rustix"] {
        assert!(!pure.contains(impure), "task-core knows {impure}");
    }
    for (file, code) in product_code() {
        if file.starts_with("services/task-core/") {
            for impure in ["async ", "Instant::now", "SystemTime", "std::fs", "std::net", "std::thread", "std::env"] {
                assert!(!code.contains(impure), "{file}: {impure}");
            }
        }
    }
}

#[test]
fn no_file_is_longer_than_a_noun_deserves() {
    let lengths: Vec<(String, usize)> =
        [".rs", ".lua"].into_iter().flat_map(files).map(|path| (shown(&path), read(&path).lines().count())).collect();
    for (file, lines) in lengths.iter().filter(|(_, lines)| *lines > LINES_ASKED) {
        println!("{lines} lines, is it one noun? {file}");
    }
    let too_long: Vec<_> = lengths.iter().filter(|(_, lines)| *lines > LINES_MAX).collect();
    assert!(too_long.is_empty(), "split along a name: {too_long:?}");
}

/// rustfmt wraps the code and leaves the comments to us.
#[test]
fn no_comment_is_wider_than_the_code_may_be() {
    for path in files(".rs") {
        let text = read(&path);
        let comments = text.lines().filter(|line| line.trim_start().starts_with("//"));
        let wide: Vec<&str> = comments.filter(|line| line.chars().count() > WIDTH_MAX).collect();
        assert!(wide.is_empty(), "{}: {wide:?}", shown(&path));
    }
}

#[test]
fn every_script_is_used_and_says_what_it_takes_and_answers() {
    let table = read(&root().join("services/redis-store/src/script.rs"));
    for path in files(".lua") {
        assert_eq!(shown(path.parent().expect("a folder")), "services/redis-store/lua");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = read(&path);
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with("--")).collect();
        assert!(
            head.first().is_some_and(|line| line.starts_with("-- ") && line.len() > 20),
            "{name}: a purpose on top"
        );
        if ["prelude", "task"].contains(&name.as_str()) {
            assert!(table.contains(&format!("../lua/{name}.lua")));
            continue;
        }
        assert!(table.contains(&format!("= \"{name}\"")), "{name} is used by nobody");
        for part in ["-- KEYS ", "-- ARGV ", "-- Answers "] {
            assert!(head.iter().any(|line| line.starts_with(part)), "{name}: no {part}");
        }
        let body = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
        assert!(!body.contains("\\0") && !body.contains("os.time"), "{name}: time comes from TIME");
    }
}

/// Scripts that guard the API: what they keep is no part of the books.
const WITHOUT_LAW: [&str; 3] = ["keep", "note", "throttle"];

#[test]
fn every_script_that_changes_the_books_has_a_law_and_is_held_to_it() {
    let laws = read(&root().join("services/task-core/src/law.rs"));
    let tests = read(&root().join("services/system-tests/tests/differential/main.rs"));
    for path in files(".lua") {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if ["prelude", "task"].contains(&name.as_str()) || WITHOUT_LAW.contains(&name.as_str()) {
            continue;
        }
        assert!(laws.contains(&format!("pub mod {name};")), "{name} has no law");
        assert!(tests.lines().any(|line| line == format!("mod {name};")), "{name} is held to no law");
        let test = read(&root().join(format!("services/system-tests/tests/differential/{name}.rs")));
        assert!(test.contains(&format!("fn {name}_keeps_to_its_law()")), "{name}: no test by that name");
    }
}

#[test]
fn no_word_stands_in_the_code_that_must_not() {
    for (file, code) in product_code() {
        for word in ["todo!", "unimplemented!", "dbg!", ".unwrap()", "FIXME", "XXX"] {
            assert!(!code.contains(word), "{file}: {word}");
        }
        for command in ["KEYS", "SCAN", "FLUSHDB", "FLUSHALL", "RANDOMKEY"] {
            assert!(!code.contains(&format!("\"{command}\"")), "{file}: {command}");
        }
    }
    for path in files(".lua") {
        for command in ["KEYS", "SCAN", "FLUSHDB", "FLUSHALL", "RANDOMKEY"] {
            assert!(!read(&path).contains(&format!("'{command}'")), "{}: {command}", shown(&path));
        }
    }
    let markers = ["TO", "DO"].concat();
    for ending in [".rs", ".lua", ".md", ".toml", ".yaml"] {
        for path in files(ending) {
            let has_marker = read(&path).split(|char: char| !char.is_alphanumeric()).any(|word| word == markers);
            assert!(!has_marker, "{}: what is left to do is an issue", shown(&path));
        }
    }
}

#[test]
fn no_module_is_named_after_nothing() {
    for path in files(".rs") {
        let name = shown(&path);
        let parts = name.trim_end_matches(".rs").split('/');
        for part in parts {
            let empty =
                ["common", "util", "utils", "helper", "helpers", "types", "models", "misc", "manager", "service"];
            assert!(!empty.contains(&part), "{name}: a thing lives with what it serves");
        }
    }
}

#[test]
fn what_the_documents_tell_people_to_type_exists() {
    let targets: BTreeSet<String> = read(&root().join("Makefile"))
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| !name.is_empty() && name.chars().all(|char| char.is_ascii_lowercase() || char == '-'))
        .map(|(name, _)| name.to_owned())
        .collect();
    let directory = tempfile::tempdir().expect("a directory");
    let help = run(&["--help"], &Settings::new(), directory.path());
    let commands: BTreeSet<&str> = help
        .out
        .lines()
        .filter(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let mut seen = 0;
    for document in ["README.md", "ARCHITECTURE.md"] {
        for line in shell_lines(&read(&root().join(document))) {
            let words: Vec<&str> = line.split_whitespace().collect();
            for pair in words.windows(2) {
                let [program, argument] = pair else { continue };
                if *program == "make" && !argument.contains('=') {
                    assert!(targets.contains(*argument), "{document}: no target: {line}");
                    seen += 1;
                } else if program.rsplit('/').next() == Some("millstream") && !argument.starts_with(['-', '&']) {
                    assert!(commands.contains(argument), "{document}: no sub-command: {line}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= 5, "only {seen} commands were seen");
}

/// The lines of all blocks marked `sh`, comments taken out.
fn shell_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.trim() {
            "```sh" => inside = true,
            "```" => inside = false,
            other if inside => lines.push(other.split(" #").next().unwrap_or_default().to_owned()),
            _ => {}
        }
    }
    lines
}
