//! Lines of many processes on one terminal, each with the name of who said it.

use crate::print;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::task::JoinHandle;

/// Colours of names, one after the other; codes that light and dark terminals show.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// Who says a line.
#[derive(Debug, Clone)]
pub struct Voice {
    prefix: String,
}

impl Voice {
    /// The voice of `name`, the `at`th of all.
    pub fn new(name: &str, at: usize) -> Self {
        let prefix = if print::wants_colour() {
            format!("\x1b[{}m[{name}]\x1b[0m ", COLOURS[at % COLOURS.len()])
        } else {
            format!("[{name}] ")
        };
        Self { prefix }
    }

    /// Says each line of `text`.
    pub fn say(&self, text: &str) {
        let lines: String = text.lines().map(|line| format!("{}{line}\n", self.prefix)).collect();
        print::raw(lines.as_bytes());
    }

    /// Repeats what comes out of `pipe` until it ends.
    pub fn repeat(&self, pipe: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<()> {
        let voice = self.clone();
        tokio::spawn(async move {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
                voice.say(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
                line.clear();
            }
        })
    }
}
