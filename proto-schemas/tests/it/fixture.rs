//! Reading `fixtures/`, as its README says.

use std::fs;
use std::path::Path;

/// A case of one line: the text, and the reason why it is refused, if it is.
pub struct Line {
    pub text: String,
    pub refused: Option<String>,
}

/// Names and values.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A case of named values.
pub struct Block {
    pub fields: Fields,
    pub fate: Fate,
}

/// What becomes of a block.
pub enum Fate {
    /// It is read, and written as these fields.
    Written(Fields),
    /// It is refused for this reason and field.
    Refused(String, String),
    /// It is of this version.
    Newer(u32),
}

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// The cases of a file of lines.
pub fn lines(name: &str) -> Vec<Line> {
    let text = text(name);
    let cases = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    cases
        .map(|line| match line.split_once(' ').expect("ok or no, and more") {
            ("ok", text) => Line { text: text.to_owned(), refused: None },
            ("no", rest) => {
                let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
                Line { text: text.to_owned(), refused: Some(word.to_owned()) }
            }
            _ => panic!("{name}: {line}"),
        })
        .collect()
}

/// The cases of a file of blocks.
pub fn blocks(name: &str) -> Vec<Block> {
    let text = text(name);
    let blocks =
        text.split("\n\n").map(|block| block.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>());
    blocks.filter(|lines| !lines.is_empty()).map(|lines| block(name, &lines)).collect()
}

fn block(name: &str, lines: &[&str]) -> Block {
    let words: Vec<&str> = lines[0].split(' ').collect();
    let (read, written) = match lines.iter().position(|line| *line == "as") {
        Some(at) => (&lines[1..at], &lines[at + 1..]),
        None => (&lines[1..], &lines[1..]),
    };
    let fate = match words[..] {
        ["ok" | "reads"] => Fate::Written(fields(written)),
        ["no", reason, field] => Fate::Refused(reason.to_owned(), field.to_owned()),
        ["newer", version] => Fate::Newer(version.parse().expect("a version")),
        _ => panic!("{name}: {}", lines[0]),
    };
    Block { fields: fields(read), fate }
}

fn fields(lines: &[&str]) -> Fields {
    let pair = |line: &&str| {
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("no name: {line}"));
        (unescape(name), unescape(value))
    };
    lines.iter().map(pair).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        let (meant, length) = match (byte, after) {
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b'\\', ..]) => (b'\\', 2),
            (b'\\', [b'x', high, low, ..]) => (hex(*high) << 4 | hex(*low), 4),
            _ => (byte, 1),
        };
        bytes.push(meant);
        rest = &rest[length..];
    }
    bytes
}

fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).expect("a hex digit")
}
