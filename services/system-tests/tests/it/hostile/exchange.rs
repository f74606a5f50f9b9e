//! Requests as data, and one exchange over a plain socket.
//!
//! A request is `method`, `path`, `headers` and `body`, or the bytes of it as `raw`; what is left out is a POST of JSON
//! to `/tasks`. Bytes are a text, or a list of texts, `{"hex": ...}` and `{"repeat": ..., "times": ...}`.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// The bytes of a request that is described as data.
pub fn request(case: &Value) -> Vec<u8> {
    if !case["raw"].is_null() {
        return bytes(&case["raw"]);
    }
    let (method, path) = (case["method"].as_str().unwrap_or("POST"), case["path"].as_str().unwrap_or("/tasks"));
    let json = json!({ "content-type": "application/json" });
    let headers = case["headers"].as_object().unwrap_or_else(|| json.as_object().expect("an object"));
    let line = |(name, value): (&String, &Value)| format!("{name}: {}\r\n", value.as_str().expect("text"));
    framed(method, path, &headers.iter().map(line).collect::<String>(), &bytes(&case["body"]))
}

/// The bytes of a POST of JSON.
pub fn post(path: &str, body: &[u8]) -> Vec<u8> {
    framed("POST", path, "content-type: application/json\r\n", body)
}

/// The bytes of a GET.
pub fn get(path: &str) -> Vec<u8> {
    framed("GET", path, "", b"")
}

fn framed(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// What a value of the data stands for.
pub fn bytes(parts: &Value) -> Vec<u8> {
    match parts {
        Value::Null => Vec::new(),
        Value::String(text) => text.clone().into_bytes(),
        Value::Array(parts) => parts.iter().flat_map(bytes).collect(),
        part => match (part["hex"].as_str(), part["repeat"].as_str()) {
            (Some(hex), _) => {
                let digits: Vec<char> = hex.chars().collect();
                let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("hex");
                digits.chunks(2).map(byte).collect()
            }
            (_, Some(text)) => text.repeat(part["times"].as_u64().expect("a number") as usize).into_bytes(),
            _ => panic!("{part} is no part of a body"),
        },
    }
}

/// Sends bytes, and reads the first answer. An answer may come before all of them are sent.
pub fn send(port: u16, bytes: &[u8]) -> Answer {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the API takes connections");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let _ = socket.write_all(bytes);
    let mut read = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => read.extend_from_slice(&buffer[..count]),
        }
        if is_whole(&read) {
            break;
        }
    }
    let _ = socket.shutdown(Shutdown::Both);
    let text = String::from_utf8_lossy(&read).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

fn is_whole(read: &[u8]) -> bool {
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    length.is_some_and(|length| read.len() - end - 4 >= length)
}
