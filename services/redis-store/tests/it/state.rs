//! The whole state as a stranger sees it: every key of the server, read by raw commands, as lines of text.

use proto_schemas::entry::FIELDS;
use system_tests::redis::{PrivateRedis, Reply};

/// No line came and no line went.
pub const NOTHING: [&str; 0] = [];

/// Every key with its value, ids and times as they are: two equal answers mean that nothing was written between.
pub fn exact(redis: &PrivateRedis) -> Vec<String> {
    let mut keys: Vec<String> = redis.command(&["KEYS", "*"]).items().iter().map(Reply::text).collect();
    keys.sort();
    keys.iter().flat_map(|key| lines(redis, key)).collect()
}

/// The same for reading: entry ids as ID, times as MS, without empty streams and `meta`.
pub fn story(redis: &PrivateRedis) -> Vec<String> {
    exact(redis).iter().filter(|line| !line.starts_with("meta: ")).map(|line| without_times(line)).collect()
}

/// An entry that is in no stream, as a state shows it: `line` is what it would show of the entry in its stream.
pub fn packed(queue: &str, line: &str) -> String {
    let named = |line: String, field: &&str| line.replacen(&format!(" {field}="), &format!("\",\"{field}\",\""), 1);
    let body = FIELDS.iter().fold(format!(" {line}"), named);
    format!("[\"{queue}{body}\"]").escape_default().to_string()
}

/// What one state has and the other lacks: `- ` lines that went, then `+ ` lines that came.
pub fn difference(before: &[String], after: &[String]) -> Vec<String> {
    let (mut gone, mut come) = (before.to_vec(), Vec::new());
    for line in after {
        match gone.iter().position(|known| known == line) {
            Some(at) => drop(gone.remove(at)),
            None => come.push(format!("+ {line}")),
        }
    }
    gone.iter().map(|line| format!("- {line}")).chain(come).collect()
}

fn lines(redis: &PrivateRedis, key: &str) -> Vec<String> {
    let ask = |arguments: &[&str]| redis.command(arguments);
    let lives = if ask(&["PTTL", key]).integer() >= 0 { " (expires)" } else { "" };
    let texts = |reply: Reply| reply.items().iter().map(escape).collect::<Vec<_>>();
    match ask(&["TYPE", key]).text().as_str() {
        "string" => vec![format!("{key}: {}{lives}", escape(&ask(&["GET", key])))],
        "list" => vec![format!("{key}: {} tokens", ask(&["LLEN", key]).integer())],
        "set" => {
            let mut members = texts(ask(&["SMEMBERS", key]));
            members.sort();
            vec![format!("{key}: {}", members.join(" "))]
        }
        "zset" => pairs(texts(ask(&["ZRANGE", key, "0", "-1", "WITHSCORES"])))
            .map(|(member, score)| format!("{key}: {member} at {score}"))
            .collect(),
        "hash" => {
            let mut fields: Vec<String> =
                pairs(texts(ask(&["HGETALL", key]))).map(|(name, value)| format!("{name}={value}")).collect();
            fields.sort();
            vec![format!("{key}:{lives} {}", fields.join(" "))]
        }
        "stream" => stream(redis, key),
        other => panic!("{key} is a {other}"),
    }
}

/// One line an entry, its holder in brackets; then a line for each pending id without an entry.
fn stream(redis: &PrivateRedis, key: &str) -> Vec<String> {
    let mut held: Vec<(String, String)> = Vec::new();
    for group in redis.command(&["XINFO", "GROUPS", key]).items() {
        let name = group.items()[1].text();
        for row in redis.command(&["XPENDING", key, &name, "-", "+", "100000"]).items() {
            held.push((row.items()[0].text(), row.items()[1].text()));
        }
    }
    let mut lines = Vec::new();
    for entry in redis.command(&["XRANGE", key, "-", "+"]).items() {
        let id = entry.items()[0].text();
        let holder = held.iter().position(|(pending, _)| *pending == id).map(|at| format!("[{}] ", held.remove(at).1));
        let fields = pairs(entry.items()[1].items().iter().map(escape).collect());
        let fields: Vec<String> = fields.map(|(name, value)| format!("{name}={value}")).collect();
        lines.push(format!("{key}: {id} {}{}", holder.unwrap_or_default(), fields.join(" ")));
    }
    lines.extend(held.iter().map(|(id, consumer)| format!("{key}: {id} [{consumer}] ghost")));
    lines
}

fn pairs(texts: Vec<String>) -> impl Iterator<Item = (String, String)> {
    let mut texts = texts.into_iter();
    std::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
}

fn escape(reply: &Reply) -> String {
    match reply {
        Reply::Text(bytes) => bytes.escape_ascii().to_string(),
        other => other.text(),
    }
}

/// A run of 13 digits is a time, and an entry id if `-` and digits follow.
pub fn without_times(line: &str) -> String {
    let (mut story, mut rest) = (String::new(), line);
    while let Some(at) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let run = digits(&rest[at..]);
        let after = &rest[at + run.len()..];
        story.push_str(&rest[..at]);
        let sequence = after.strip_prefix('-').map_or("", digits);
        rest = match (run.len(), sequence) {
            (13, "") => {
                story.push_str("MS");
                after
            }
            (13, sequence) => {
                story.push_str("ID");
                &after[1 + sequence.len()..]
            }
            _ => {
                story.push_str(run);
                after
            }
        };
    }
    story + rest
}

fn digits(text: &str) -> &str {
    &text[..text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len())]
}
