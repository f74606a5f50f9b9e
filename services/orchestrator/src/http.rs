//! HTTP/1.1 on a socket, with a bound for everything that a client decides.
//!
//! hyper speaks the protocol; the endpoint of poem answers. What they leave open is closed here:
//!
//! | what | bound | then | from |
//! |---|---|---|---|
//! | connections that wait to be taken | 1,024 | the client tries again | half of those that are served |
//! | connections | CONNECTIONS_MAX | 503, for 128 at a time; others are closed | ACCEPTANCE API-11 |
//! | request line | 8 KiB | 414 | RFC 9112 asks for 8,000 bytes |
//! | head | 16 KiB, 100 headers | 431 | hyper's own number of headers |
//! | a head that two servers could read in two ways | none | 400 | RFC 9112, 11.2 |
//! | time for a head, between requests, for a write | [`Deadlines`] | closed | API-11 |
//! | body, its time, all bodies together | 1 MiB, 10 s, 64 MiB | 413, 408, 503 | `body::read` |
//! | answers to readers over 256 KiB, together, until they are read | 128 MiB | 503 | eight of the largest |
//! | bytes in hyper's buffers | 64 KiB each way | waits | four heads |
//!
//! In reading order: `listen` takes the address; `serve` takes connections, within the `places` there are; `connection`
//! is the life of one; `answer` what is sent; `socket` is what hyper reads and writes through, with the `deadlines`;
//! `framing` finds where messages end, with `head` and `chunks`; `judge` and `host` decide on a head; `fault` is what
//! is told to whom has sent a bad one.

mod answer;
mod chunks;
mod connection;
mod deadlines;
mod fault;
mod framing;
mod head;
mod host;
mod judge;
mod listen;
mod places;
mod rest;
mod serve;
mod socket;

pub use answer::TakesRoom;
pub use deadlines::Deadlines;
pub use listen::listen;
pub use serve::{Terms, serve};
