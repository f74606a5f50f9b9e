//! Keeps each event of the text log on one line: what a client sent may stand in it, and must not pass for lines of
//! ours nor move the cursor of whoever reads it.

use std::borrow::Cow;
use std::io::{self, Write};
use tracing_subscriber::fmt::MakeWriter;

/// Writes control characters as Rust would escape them (`\n`, `\u{1b}`), all but the end of the line. An event arrives
/// in one write.
#[derive(Clone)]
pub(super) struct OneLine<W>(pub(super) W);

impl<W: Write + Clone> MakeWriter<'_> for OneLine<W> {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        match text.strip_suffix('\n') {
            Some(text) => self.0.write_all(format!("{}\n", escaped(text)).as_bytes())?,
            None => self.0.write_all(escaped(&text).as_bytes())?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() * 2);
    for char in text.chars() {
        if char.is_control() {
            escaped.extend(char.escape_default());
        } else {
            escaped.push(char);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: &str, expect: &str) {
        let mut written = Vec::new();
        OneLine(&mut written).write_all(event.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), expect);
    }

    #[test]
    fn an_event_is_one_line_and_moves_no_cursor() {
        check("INFO [w] Processing: a\r\nERROR b (Task: T)\n", "INFO [w] Processing: a\\r\\nERROR b (Task: T)\n");
        check("\n\n", "\\n\n");
        check("\u{1b}[2J\t\u{7f}\u{9b}1A\0\n", "\\u{1b}[2J\\t\\u{7f}\\u{9b}1A\\u{0}\n");
    }

    #[test]
    fn whatever_else_a_client_says_stands_as_it_is() {
        check("INFO \"naïve\" \\n 'ключ' 🎉\n", "INFO \"naïve\" \\n 'ключ' 🎉\n");
        check("no end", "no end");
    }
}
