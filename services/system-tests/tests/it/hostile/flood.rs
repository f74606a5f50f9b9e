//! Clients that hold a connection and give nothing for it: hundreds at once, each sort of them many times.

use super::api::Api;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use system_tests::eventually::eventually;
use system_tests::stack::SOON;

/// A server that has stopped to read may leave the rest unsent.
const SEND_DEADLINE: Duration = Duration::from_secs(2);
/// Connections that have to be open at once, or nothing was held against the server.
const HELD_MIN: usize = 400;
/// Files of the process's own that may come and go meanwhile.
const OWN_FILES: usize = 8;
/// What all of them together may cost meanwhile: an eighth of a MB each.
const HELD_BYTES_MAX: u64 = 64_000_000;
/// The server waits for more.
const NONE: &str = "";

/// So many connections, what each sends before it does nothing more, and how its answer begins; the rest of that is not
/// read.
struct Sort {
    count: usize,
    bytes: Vec<u8>,
    answer: &'static str,
}

fn sorts() -> Vec<Sort> {
    let head =
        |method: &str, path: &str, lines: &str| format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    let get = |path: &str| head("GET", path, "");
    let post = |lines: &str| head("POST", "/tasks", &format!("Content-Type: application/json\r\n{lines}"));
    let endless = get("/health").trim_end().to_owned() + "\r\nX: " + &"y".repeat(12 << 10);
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(32 << 10));
    let sort = |count, text: String, answer| Sort { count, bytes: text.into_bytes(), answer };
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0].repeat(1_000);
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings].concat();
    let hello = [[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3].as_slice(), &[7; 500]].concat();
    // Those that are given up after 10 s come last, so that they are there when they are looked at.
    vec![
        sort(100, get("/events"), "HTTP/1.1 200"),
        sort(20, get("/docs").repeat(20), "HTTP/1.1 200"),
        sort(20, get("/health").repeat(100), "HTTP/1.1 200"),
        sort(10, post("Content-Length: 1000000\r\n") + &"[".repeat(1_000_000), "HTTP/1.1 422"),
        sort(20, head("GET", "/health", &"x: y\r\n".repeat(101)), "HTTP/1.1 431"),
        Sort { count: 20, bytes: preface, answer: "HTTP/1.1 400" },
        Sort { count: 20, bytes: hello, answer: "HTTP/1.1 400" },
        sort(100, String::new(), NONE),
        sort(60, "GET /hea".to_owned(), NONE),
        sort(60, endless, NONE),
        sort(60, post("Content-Length: 1048576\r\n") + &"x".repeat(64 << 10), NONE),
        sort(40, post("Transfer-Encoding: chunked\r\n") + &chunk, NONE),
    ]
}

/// Opens all of them, looks whether others are served meanwhile and how much the process has taken for them, and closes
/// them.
pub fn press(api: &Api) {
    let (files, bytes) = (api.open_files(), api.own_bytes());
    let sorts = sorts();
    let held: Vec<Vec<TcpStream>> = sorts.iter().map(|sort| open(api, sort)).collect();
    eventually(SOON, "they are held, or nothing is proved", || (api.open_files() >= files + HELD_MIN).then_some(()));
    api.check_good("a flood");
    let waiting = sorts.iter().zip(&held).filter(|(sort, _)| sort.answer == NONE);
    waiting.for_each(|(sort, sockets)| sockets.iter().for_each(|socket| sort.check_waits(socket)));
    let taken = api.own_bytes().saturating_sub(bytes);
    assert!(taken < HELD_BYTES_MAX, "the process takes {taken} bytes to hold them");
    drop(held);
    eventually(SOON, "all of them are gone", || (api.open_files() <= files + OWN_FILES).then_some(()));
}

/// Opens all of a sort, and reads how they are answered if they are.
fn open(api: &Api, sort: &Sort) -> Vec<TcpStream> {
    let one = |_| {
        let mut socket = TcpStream::connect(("127.0.0.1", api.port)).expect("the API takes connections");
        socket.set_write_timeout(Some(SEND_DEADLINE)).expect("a timeout");
        socket.set_read_timeout(Some(SOON)).expect("a timeout");
        let _ = socket.write_all(&sort.bytes);
        socket
    };
    let sockets: Vec<TcpStream> = (0..sort.count).map(one).collect();
    sockets.iter().for_each(|socket| sort.check_answer(socket));
    sockets
}

impl Sort {
    fn check_answer(&self, mut socket: &TcpStream) {
        let mut start = vec![0; self.answer.len()];
        socket.read_exact(&mut start).unwrap_or_else(|error| panic!("{}: {error}", self.what()));
        assert_eq!(String::from_utf8_lossy(&start), self.answer, "{}", self.what());
    }

    fn check_waits(&self, mut socket: &TcpStream) {
        socket.set_nonblocking(true).expect("a mode");
        let read = socket.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(read, Err(ErrorKind::WouldBlock), "{} does not wait", self.what());
    }

    fn what(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..self.bytes.len().min(40)]).escape_debug().to_string()
    }
}
