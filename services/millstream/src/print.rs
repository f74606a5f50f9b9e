//! Lines for stdout, where a reader that went away is not an error of ours.

use std::io::{IsTerminal, Write};

/// Prints one line.
pub fn line(text: &str) {
    raw(format!("{text}\n").as_bytes());
}

/// Prints bytes as they are.
pub fn raw(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// Whether stdout is a terminal that people look at.
pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether colours are wanted there.
pub fn wants_colour() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
