//! An API that answers what a test has written down for it, and keeps what it was asked.

use super::Api;
use crate::settings::ClientSettings;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

/// One answer for each connection, in their order.
pub struct Script {
    address: SocketAddr,
    asked: JoinHandle<Vec<Value>>,
}

impl Script {
    /// Gives these answers, each with status 200.
    pub fn of(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let play = move || answers.iter().map(|text| answer(listener.accept().expect("a client").0, text)).collect();
        Self { address, asked: std::thread::spawn(play) }
    }

    /// A client of it.
    pub fn client(&self) -> Api {
        let millstream_url = format!("http://{}", self.address).parse().expect("an address");
        Api::new(&ClientSettings { millstream_url, millstream_api_key: None }).expect("a client")
    }

    /// The bodies of all requests, once the last answer is given.
    pub fn asked(self) -> Vec<Value> {
        self.asked.join().expect("it is played to the end")
    }
}

fn answer(mut stream: TcpStream, text: &str) -> Value {
    let mut request = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut length = 0;
    loop {
        let mut line = String::new();
        request.read_line(&mut line).expect("a header");
        match line.to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().expect("a length"),
            None if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    request.read_exact(&mut body).expect("a body");
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len())
        .expect("a client that waits");
    serde_json::from_slice(&body).expect("JSON")
}
