//! What is wrong with a request before there is one, and how hyper is made to answer it.
//!
//! hyper answers what it cannot read by itself, without a body. So a head that must not pass is replaced by a stand-in,
//! a head of our own that names the fault and asks to close: hyper reads it in its turn, after the requests before it,
//! the answer is made like every other one, and hyper ends the connection. No client can send a stand-in, because it is
//! HTTP/1.1 without a Host, which never passes.

use crate::refusal::Refusal;
use hyper::Version;
use hyper::header::HOST;

/// What is wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not a request line of HTTP/1: another version, another protocol, or CONNECT.
    RequestLine,
    /// A line does not end in CR LF.
    LineEnd,
    /// The target is not a path.
    Target,
    /// A header line is not one.
    Header,
    /// No Host, several, or not a host.
    Host,
    /// How long the body is cannot be told for certain.
    Length,
    /// The request line is too long.
    UriTooLong,
    /// The head is too long, or has too many headers.
    HeadersTooLarge,
}

const ALL: [Fault; 8] = [
    Fault::RequestLine,
    Fault::LineEnd,
    Fault::Target,
    Fault::Header,
    Fault::Host,
    Fault::Length,
    Fault::UriTooLong,
    Fault::HeadersTooLarge,
];

impl Fault {
    /// The head that takes the place of the bad one.
    pub fn stand_in(self) -> String {
        format!("GET /{} HTTP/1.1\r\nconnection: close\r\n\r\n", self as usize)
    }

    /// The fault that a request stands for, if it is a stand-in.
    pub fn of<B>(request: &hyper::Request<B>) -> Option<Self> {
        if request.version() != Version::HTTP_11 || request.headers().contains_key(HOST) {
            return None;
        }
        let number = request.uri().path().trim_start_matches('/').parse().ok();
        Some(number.and_then(|number: usize| ALL.get(number).copied()).unwrap_or(Self::RequestLine))
    }

    /// How the client is told.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::RequestLine => Refusal::NotHttp("This is not a request of HTTP/1.1."),
            Self::LineEnd => Refusal::NotHttp("Every line of a head must end in CR LF."),
            Self::Target => Refusal::NotHttp("The target of the request must be a path."),
            Self::Header => Refusal::NotHttp("A header must be a name, a colon and a value in one line."),
            Self::Host => Refusal::NotHttp("A request must have one header Host, with a host."),
            Self::Length => Refusal::NotHttp("A body needs one Content-Length, or Transfer-Encoding: chunked."),
            Self::UriTooLong => Refusal::UriTooLong,
            Self::HeadersTooLarge => Refusal::HeadersTooLarge,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::judge::judge;
    use hyper::Request;

    #[test]
    fn every_fault_has_a_stand_in_that_nobody_can_send() {
        for fault in ALL {
            let head = fault.stand_in();
            assert_eq!(judge(head.as_bytes()), Err(Fault::Host));
            let path = head.split(' ').nth(1).unwrap();
            let request = |host: bool| {
                let request = Request::builder().uri(path);
                if host { request.header("host", "x") } else { request }.body(()).unwrap()
            };
            assert_eq!(Fault::of(&request(false)), Some(fault));
            assert_eq!(Fault::of(&request(true)), None);
        }
    }

    #[test]
    fn an_old_request_without_a_host_is_no_stand_in() {
        let request = Request::builder().version(Version::HTTP_10).uri("/1").body(()).unwrap();
        assert_eq!(Fault::of(&request), None);
    }
}
