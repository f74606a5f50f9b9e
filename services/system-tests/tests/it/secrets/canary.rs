//! Secrets that a test knows, and everything that an installation has told by then: where one of them stands is named.

use std::fmt::Write;
use system_tests::process::{Finished, Process};
use system_tests::redis::Reply;
use system_tests::stack::Stack;

/// Bytes of a secret that stand for it where it is written as numbers.
const NUMBERS: usize = 12;

/// A secret, and in which keys of Redis it may stand.
pub struct Canary {
    name: &'static str,
    /// The beginnings of the only places in Redis where it may stand.
    kept: &'static [&'static str],
    forms: Vec<String>,
}

/// What somebody may read, each with where it was found.
#[derive(Default)]
pub struct Told(Vec<(String, String)>);

impl Canary {
    /// One that stands nowhere.
    pub fn new(name: &'static str, secret: &str) -> Self {
        let numbers: Vec<String> = secret.bytes().take(NUMBERS).map(|byte| byte.to_string()).collect();
        let encoded = secret.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        Self { name, kept: &[], forms: vec![secret.to_owned(), encoded, numbers.join(", ")] }
    }

    /// One that is kept in these places.
    pub fn kept_in(name: &'static str, secret: &str, kept: &'static [&'static str]) -> Self {
        Self { kept, ..Self::new(name, secret) }
    }

    fn is_in(&self, text: &str) -> bool {
        self.forms.iter().any(|form| text.contains(form))
    }
}

impl Told {
    /// Something that was said at some place.
    pub fn add(&mut self, place: &str, text: impl Into<String>) {
        self.0.push((place.to_owned(), text.into()));
    }

    /// What a command has printed.
    pub fn add_command(&mut self, command: &str, finished: &Finished) {
        self.add(command, format!("{}\n{}", finished.out, finished.err));
    }

    /// The lines of a process so far.
    pub fn add_log(&mut self, name: &str, process: &Process) {
        for line in process.log().lines() {
            self.add(name, line);
        }
    }

    /// Every place in which one of the secrets stands, a line each; whatever `allows` says yes to may stand there.
    pub fn leaks(&self, canaries: &[Canary], allows: impl Fn(&str, &str) -> bool) -> String {
        let mut leaks = String::new();
        for (place, text) in self.0.iter().filter(|(place, text)| !allows(place, text)) {
            for canary in canaries {
                let is_kept = canary.kept.iter().any(|kept| place.starts_with(&format!("redis {kept}")));
                if !is_kept && canary.is_in(text) {
                    let _ = writeln!(leaks, "the {} stands in {place}: {}", canary.name, text.trim_end());
                }
            }
        }
        leaks
    }

    /// Whether this text was told at a place that begins like that: a search that finds nothing has to find something.
    pub fn has(&self, place: &str, text: &str) -> bool {
        self.0.iter().any(|(at, told)| at.starts_with(place) && told.contains(text))
    }

    /// All of Redis: the name of each key, and what is in it.
    pub fn add_redis(&mut self, stack: &Stack) {
        for key in stack.redis.command(&["KEYS", "*"]).items() {
            let key = key.text();
            let place = format!("redis {key}");
            self.add(&place, key.clone());
            let read: &[&str] = match stack.redis.command(&["TYPE", &key]).text().as_str() {
                "string" => &["GET", &key],
                "hash" => &["HGETALL", &key],
                "list" => &["LRANGE", &key, "0", "-1"],
                "set" => &["SMEMBERS", &key],
                "zset" => &["ZRANGE", &key, "0", "-1", "WITHSCORES"],
                "stream" => &["XRANGE", &key, "-", "+"],
                _ => continue, // it has gone meanwhile
            };
            self.add_reply(&place, &stack.redis.command(read));
        }
    }

    fn add_reply(&mut self, place: &str, reply: &Reply) {
        match reply {
            Reply::Array(items) => items.iter().for_each(|item| self.add_reply(place, item)),
            other => self.add(place, other.text()),
        }
    }
}
