//! `docs/protocol.md` is true: its tables are the types', and its walk runs line by line on a real Redis.

use crate::stage::MEDIUM;
use crate::state::without_times;
use proto_schemas::entry::FIELDS;
use proto_schemas::{ConsumerName, FactKind, Priority, WorkEntry, limit};
use redis_store::script;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use system_tests::redis::{PrivateRedis, Reply};

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    fs::read_to_string(checkout().join("docs/protocol.md")).expect("the page")
}

/// The part under a heading.
fn section(page: &str, heading: &str) -> String {
    let start = page.find(&format!("## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    page[start + 3..].split("\n## ").next().expect("a section").to_owned()
}

/// The first cells of the table rows, without the two of the head.
fn first_cells(section: &str) -> Vec<&str> {
    let rows = section.lines().filter(|line| line.starts_with("| "));
    rows.skip(1).map(|row| row.split('|').nth(1).expect("a cell").trim()).collect()
}

#[test]
fn the_table_of_a_work_entry_is_that_of_the_type() {
    let section = section(&page(), "A work entry");
    assert_eq!(first_cells(&section), FIELDS.map(|field| format!("`{field}`")));
    let hand_written = [("task_id", "T"), ("subtask_id", "T-7"), ("description", "d")];
    let pairs = hand_written.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let entry = WorkEntry::decode(pairs, Priority::Medium).expect("an entry");
    for (name, default) in entry.encode() {
        let row = section.lines().find(|line| line.starts_with(&format!("| `{name}` "))).expect("a row");
        let absent = row.split('|').nth(4).expect("a cell").trim().trim_matches('`');
        let told = match name {
            "task_id" | "subtask_id" | "description" => "malformed",
            "index" => "the digits behind the last `-` of `subtask_id`, else 0",
            "priority" => "the stream's",
            _ => &default,
        };
        assert_eq!(absent, told, "{name}");
    }
    for number in [limit::PAYLOAD_BYTES_MAX, limit::ENTRY_FIELDS_MAX, limit::TIMEOUT_MS_MAX as usize] {
        assert!(section.contains(&number.to_string()), "{number}");
    }
}

#[test]
fn the_words_and_numbers_of_the_page_are_those_of_the_types() {
    let page = page();
    let facts = section(&page, "Facts");
    let words: Vec<&str> = facts
        .split("Facts: ")
        .nth(1)
        .expect("the list")
        .split('.')
        .next()
        .expect("its end")
        .split_whitespace()
        .collect();
    assert_eq!(words, FactKind::ALL.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>());
    assert!(section(&page, "The result").contains(&limit::RESULT_BYTES_MAX.to_string()));
    assert!(section(&page, "The result").contains(&limit::MESSAGE_CHARS_MAX.to_string()));
    let scripts = section(&page, "The scripts");
    assert!(
        scripts.contains(&limit::DEAD_LETTERS_MAX.to_string()) && scripts.contains(&limit::BATCH_ITEMS_MAX.to_string())
    );
    for name in first_cells(&scripts) {
        assert!(script::all().iter().any(|script| format!("`{}`", script.name) == name), "{name}");
    }
    assert!(ConsumerName::new("a:b@c,d").is_ok() && page.contains("may also have `: @ ,`"));
}

#[test]
fn the_walk_runs_line_by_line_as_the_page_says() {
    let page = section(&page(), "A walk");
    let block = page.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    let mut shell = Shell { redis: PrivateRedis::start().expect("a redis of our own"), variables: HashMap::new() };
    let (mut commands, mut compared) = (0, 0);
    let mut lines = block.lines().peekable();
    while let Some(line) = lines.next() {
        let answer = shell.run(line);
        commands += 1;
        if let Some(expected) = lines.next_if(|next| next.starts_with("# ")) {
            let shown: Vec<&str> = answer.lines().collect();
            assert_eq!(without_times(&shown.join(" ")), without_times(&expected[2..]), "{line}");
            compared += 1;
        }
    }
    assert!(commands >= 20 && compared >= 14, "{commands} commands, {compared} answers");
    assert_eq!(shell.redis.command(&["XLEN", MEDIUM]).integer(), 0);
}

/// As much of a shell as the walk needs: `NAME=$(…)`, quotes, `cat files |`, `redis-cli [--raw] [-x]`, `| sed -n Np`.
struct Shell {
    redis: PrivateRedis,
    variables: HashMap<String, String>,
}

impl Shell {
    fn run(&mut self, line: &str) -> String {
        let assigned = line.split_once("=$(").and_then(|(name, rest)| Some((name, rest.strip_suffix(')')?)));
        match assigned.filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')) {
            Some((name, command)) => {
                let value = self.pipe(command).trim_end_matches('\n').to_owned();
                assert!(!value.is_empty(), "{line} assigns nothing");
                self.variables.insert(name.to_owned(), value);
                String::new()
            }
            None => self.pipe(line),
        }
    }

    fn pipe(&self, line: &str) -> String {
        let mut text = String::new();
        for words in self.words(line).split(|word| word == "|") {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            text = match words[..] {
                ["cat", ref files @ ..] => {
                    files.iter().map(|file| fs::read_to_string(checkout().join(file)).expect("a file")).collect()
                }
                ["sed", "-n", place] => {
                    let place: usize = place.trim_end_matches('p').parse().expect("a place");
                    text.lines().nth(place - 1).expect("so many lines").to_owned()
                }
                ["redis-cli", "-x", ref rest @ ..] => self.ask(&[rest, &[text.as_str()]].concat()),
                ["redis-cli", "--raw", ref rest @ ..] | ["redis-cli", ref rest @ ..] => self.ask(rest),
                _ => panic!("not a command of the walk: {words:?}"),
            };
        }
        text
    }

    fn ask(&self, arguments: &[&str]) -> String {
        fn flat(reply: &Reply, lines: &mut Vec<String>) {
            match reply {
                Reply::Array(items) => items.iter().for_each(|item| flat(item, lines)),
                Reply::Error(message) => panic!("{message}"),
                other => lines.push(other.text()),
            }
        }
        let mut lines = Vec::new();
        flat(&self.redis.command(arguments), &mut lines);
        lines.join("\n")
    }

    /// Words with quotes taken off and variables put in; a bare `|` is a word.
    fn words(&self, line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        let mut letters = line.chars().peekable();
        while let Some(letter) = letters.next() {
            match (letter, quote) {
                ('\'' | '"', None) => {
                    quote = Some(letter);
                    word.get_or_insert_default();
                }
                (end, Some(begun)) if end == begun => quote = None,
                (' ', None) => words.extend(word.take()),
                ('$', None | Some('"')) => {
                    let mut name = String::new();
                    while let Some(next) = letters.next_if(|next| next.is_ascii_alphanumeric() || *next == '_') {
                        name.push(next);
                    }
                    let value = self.variables.get(&name).unwrap_or_else(|| panic!("{name} is not set"));
                    word.get_or_insert_default().push_str(value);
                }
                _ => word.get_or_insert_default().push(letter),
            }
        }
        words.extend(word);
        words
    }
}
