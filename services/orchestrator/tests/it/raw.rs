//! A client that sends bytes as they stand, for what no HTTP client would send.

use crate::stage::{Answer, Stage};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than the server may take for anything that is asked of it here.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Raw(BufReader<TcpStream>);

impl Raw {
    pub async fn connect(stage: &Stage) -> Self {
        let address = stage.base.strip_prefix("http://").expect("http");
        Self(BufReader::new(TcpStream::connect(address).await.expect("it listens")))
    }

    /// Sends what the server may no longer want to read.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = timeout(PATIENCE, self.0.get_mut().write_all(bytes.as_ref())).await.expect("the server reads");
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(get(path)).await;
        self.answer().await
    }

    /// The next answer, with its body.
    pub async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        let length = answer.header("content-length").parse().expect("an answer tells its length");
        let mut body = vec![0; length];
        timeout(PATIENCE, self.0.read_exact(&mut body)).await.expect("the body in time").expect("the whole body");
        answer.text = String::from_utf8(body).expect("text");
        answer
    }

    /// The next answer up to its body.
    pub async fn head(&mut self) -> Answer {
        let status_line = self.line().await;
        let status = status_line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {status_line:?}"));
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(": ") else { break };
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        Answer { status, headers, text: String::new() }
    }

    /// Whether the server has closed, without another byte, and without a reset that could have cost an answer.
    pub async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await;
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
        matches!(read, Ok(Ok(_)))
    }

    /// Whether the server takes what is sent to it, unread or not.
    pub fn is_open(&self) -> bool {
        !matches!(self.0.get_ref().try_write(b"x"), Err(error) if error.kind() != ErrorKind::WouldBlock)
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("an answer in time").expect("a line");
        line.trim_end().to_owned()
    }
}

/// A request for `path`, as good as any.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

/// A submission with these header lines, and whatever comes behind them.
pub fn post(lines: &str, rest: &str) -> String {
    format!("POST /tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{lines}\r\n{rest}")
}
