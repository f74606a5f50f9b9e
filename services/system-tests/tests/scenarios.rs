//! `docs/scenarios.md` promises a test for everything that can happen; here it is held to that.

use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Scenarios of more than one Redis; the page says so itself.
const NOT_YET: [&str; 3] = ["30", "31", "51"];
const SCENARIOS: usize = 54;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every test there is, as `crate: name`.
fn tests() -> BTreeSet<String> {
    let listing = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    let names = String::from_utf8(listing.stdout).expect("names are text");
    let mut tests = BTreeSet::new();
    for name in names.lines().filter(|name| root().join(name).is_file()) {
        let crate_name = name.trim_start_matches("services/").split('/').next().unwrap_or_default();
        let text = read(&root().join(name));
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            assert!(!line.starts_with("#[ignore"), "{name}: a test is skipped");
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                let signature = lines[at..].iter().find_map(|line| line.split_once("fn "));
                let test = signature.and_then(|(_, rest)| rest.split_once('(')).map(|(test, _)| test);
                tests.extend(test.map(|test| format!("{crate_name}: {test}")));
            }
        }
    }
    tests
}

/// The first cell of every row, and the tests that its last cell names.
fn rows() -> Vec<(String, Vec<String>)> {
    let text = read(&root().join("docs/scenarios.md"));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = text.lines().filter(|line| line.starts_with('|')).map(cells);
    let named = |cell: &String| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    rows.map(|row| (row[0].clone(), row.last().map(named).unwrap_or_default()))
        .filter(|(id, _)| id.contains(|char: char| char.is_ascii_digit()))
        .collect()
}

#[test]
fn every_scenario_names_tests_and_every_named_test_exists() {
    let (rows, tests) = (rows(), tests());
    assert!(tests.len() > 500, "only {} tests were seen", tests.len());
    for (id, named) in &rows {
        assert_eq!(named.is_empty(), NOT_YET.contains(&id.as_str()), "{id} has {} tests", named.len());
        for test in named {
            assert!(tests.contains(test), "{id}: there is no test `{test}`");
        }
    }
    let ids: Vec<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
    let scenarios: Vec<String> = (1..=SCENARIOS).map(|number| number.to_string()).collect();
    assert_eq!(ids[..SCENARIOS], scenarios, "each scenario has a row");
    let all = |row: &'static str, numbers: RangeInclusive<u32>| numbers.map(move |number| format!("{row}-{number}"));
    for id in all("TASK", 10..=18).chain(all("FLOW", 5..=5)).chain(all("FLOW", 10..=19)).chain(all("API", 1..=13)) {
        assert!(ids.contains(&id.as_str()), "{id} has no row");
    }
}

/// Rows of the catalogue of hostile inputs.
const HOSTILE_ROWS: u64 = 80;

/// The lines of a file of data.
fn data(name: &str) -> Vec<Value> {
    let text = read(&root().join("services/system-tests/tests").join(name));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

#[test]
fn every_hostile_row_is_sent_or_names_a_test_that_exists() {
    let tests = tests();
    let mut rows = BTreeSet::new();
    for case in data("hostile.jsonl") {
        rows.insert(case["row"].as_u64().expect("a row has a number"));
        let ways = ["status", "test", "later"].iter().filter(|way| !case[**way].is_null()).count();
        assert_eq!(ways, 1, "{case}: it is sent, or tested elsewhere, or still to come");
        if let Some(test) = case["test"].as_str() {
            assert!(tests.contains(test), "{case}: there is no such test");
        }
    }
    assert_eq!(rows, (1..=HOSTILE_ROWS).collect());
}

/// How many passed, and of how many, in the rows of the table under a heading of the page on reliability.
fn told_under(heading: &str) -> Vec<(usize, usize)> {
    let page = read(&root().join("docs/reliability.md"));
    let section = page.split(&format!("\n## {heading}\n")).nth(1).expect("the heading");
    let section = section.split("\n## ").next().unwrap_or_default();
    let numbers = |line: &str| {
        let cells =
            line.trim_matches('|').split('|').filter_map(|cell| cell.trim().replace(',', "").parse::<usize>().ok());
        let cells: Vec<usize> = cells.collect();
        (cells[0], cells[1])
    };
    section.lines().filter(|line| line.starts_with('|')).skip(2).map(numbers).collect()
}

#[test]
fn the_page_tells_of_as_many_hostile_inputs_as_there_are() {
    let (lines, json) = (data("hostile.jsonl"), data("hostile_json.jsonl"));
    let with = |way: &str| lines.iter().filter(|line| !line[way].is_null()).count();
    let named =
        |first: &str| json.iter().filter(|it| it["name"].as_str().is_some_and(|it| it.starts_with(first))).count();
    let strings = data("hostile_strings.jsonl").len();
    let passed = [with("status"), with("test"), strings, named("n_"), named("y_"), named("i_")];
    let (all, later) = (passed.iter().sum::<usize>(), with("later"));
    let mut expect: Vec<(usize, usize)> = passed.iter().map(|count| (*count, *count)).collect();
    expect.extend([(0, later), (all, all + later)]);
    assert_eq!(told_under("Hostile input"), expect);
    assert_eq!(named(""), passed[3..].iter().sum::<usize>(), "a text is JSON, or is not, or is left open");
}
