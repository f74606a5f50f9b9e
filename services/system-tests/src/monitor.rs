//! Everything that a Redis is told from some moment on, the commands inside scripts included.

use crate::redis::PrivateRedis;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

/// A listener; it listens until the server or the test ends.
pub struct Monitor(Arc<Mutex<Vec<String>>>);

impl Monitor {
    /// Listens from now on.
    pub fn start(redis: &PrivateRedis) -> Self {
        let mut connection = TcpStream::connect(("127.0.0.1", redis.port())).expect("redis accepts");
        connection.write_all(b"MONITOR\r\n").expect("redis reads");
        let mut lines = BufReader::new(connection).split(b'\n').map_while(Result::ok);
        assert_eq!(lines.next().as_deref(), Some(b"+OK\r".as_slice()));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let collected = heard.clone();
        std::thread::spawn(move || {
            for line in lines {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                collected.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Self(heard)
    }

    /// The lines so far: `+<time> [<database> <client>] "<command>" "<argument>" …`.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The names of the commands so far in upper case; CONFIG with what it does.
    pub fn commands(&self) -> Vec<String> {
        self.lines().iter().map(|line| name_in(line)).collect()
    }
}

fn name_in(line: &str) -> String {
    let words: Vec<String> = line.split('"').skip(1).step_by(2).take(2).map(str::to_uppercase).collect();
    match words.as_slice() {
        [name, second] if name == "CONFIG" => format!("{name} {second}"),
        [name, ..] => name.clone(),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_known_by_its_command() {
        for (line, name) in [
            ("+1700000000.1 [0 127.0.0.1:1] \"xadd\" \"s\" \"*\"", "XADD"),
            ("+1700000000.1 [3 lua] \"config\" \"get\" \"*\"", "CONFIG GET"),
            ("+1700000000.1 [0 127.0.0.1:1]", ""),
        ] {
            assert_eq!(name_in(line), name);
        }
    }
}
