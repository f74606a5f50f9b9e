//! An endpoint of a test's own that webhooks are delivered to: it keeps what it is sent and answers as it was told.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Whoever sends a part and then nothing is left.
const PATIENCE: Duration = Duration::from_secs(10);

/// Listens until it is dropped.
pub struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Delivery>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The request line.
    pub line: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: String,
}

impl Receiver {
    /// Gives each request the next of `answers` (a status, perhaps headers, each line ending before `\r\n`), and the
    /// last one to all that follow.
    pub fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (received, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
        let (kept, stop) = (received.clone(), is_over.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let count = kept.lock().unwrap_or_else(PoisonError::into_inner).len();
                let answer = &answers[count.min(answers.len() - 1)];
                if let Some(delivery) = read(&stream) {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
                    let head = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                    let _ = (&stream).write_all(head.as_bytes());
                }
            }
        });
        Self { address, received, is_over, thread: Some(thread) }
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// What has come, in its order.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Delivery {
    /// Whether a receiver that has this secret takes it for ours.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let header = |name: &str| (name.parse().expect("a name"), self.headers[name].parse().expect("a value"));
        let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(header);
        let verifier = standardwebhooks::Webhook::new(secret).expect("a secret");
        verifier.verify(self.body.as_bytes(), &headers.into_iter().collect()).is_ok()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes it
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read(stream: &TcpStream) -> Option<Delivery> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |line: &String| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: HashMap<String, String> = lines[1..].iter().filter_map(header).collect();
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Delivery { line: lines[0].clone(), headers, body: String::from_utf8(body).ok()? })
}
