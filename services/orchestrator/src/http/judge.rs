//! Whether a complete request head may go on, and what body it announces. Pure.
//!
//! What two servers in a row could read in two ways is refused here, whatever RFC 9112 lets a lenient one do with it:
//! that is how requests are smuggled past a proxy. The parser is the one that hyper uses, so both read the same head.

use super::fault::Fault;
use super::host;
use std::mem::MaybeUninit;

/// As many as hyper reads without an allocation.
const HEADERS_MAX: usize = 100;

/// The body that a head announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// So many bytes; without a header none.
    Length(u64),
    /// As many as the chunks say.
    Chunked,
}

/// Reads a head from its first byte to the empty line at its end.
pub fn judge(head: &[u8]) -> Result<Announced, Fault> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut headers) {
        Ok(httparse::Status::Complete(read)) if read == head.len() => {}
        Ok(_) => return Err(Fault::LineEnd),
        Err(httparse::Error::TooManyHeaders) => return Err(Fault::HeadersTooLarge),
        Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => return Err(Fault::Header),
        Err(_) => return Err(Fault::RequestLine),
    }
    let method = request.method.ok_or(Fault::RequestLine)?;
    let target = request.path.ok_or(Fault::RequestLine)?;
    if method == "CONNECT" {
        return Err(Fault::RequestLine);
    }
    if !host::is_target(method, target) {
        return Err(Fault::Target);
    }
    let is_1_1 = request.version == Some(1);
    check_host(request.headers, is_1_1)?;
    announced(request.headers, is_1_1)
}

/// Reads a request line of which no more has come yet.
pub fn judge_line(line: &[u8]) -> Result<(), Fault> {
    let mut request = httparse::Request::new(&mut []);
    match request.parse(line) {
        Ok(_) if request.method != Some("CONNECT") => Ok(()),
        _ => Err(Fault::RequestLine),
    }
}

/// One Host, and one that is a host; HTTP/1.0 may go without.
fn check_host(headers: &[httparse::Header<'_>], is_1_1: bool) -> Result<(), Fault> {
    let mut hosts = all(headers, "host");
    match (hosts.next(), hosts.next()) {
        (Some(value), None) if host::is_host(value) => Ok(()),
        (None, _) if !is_1_1 => Ok(()),
        _ => Err(Fault::Host),
    }
}

/// One length or one coding, never both.
fn announced(headers: &[httparse::Header<'_>], is_1_1: bool) -> Result<Announced, Fault> {
    let (mut lengths, mut codings) = (all(headers, "content-length"), all(headers, "transfer-encoding"));
    match (lengths.next(), codings.next(), lengths.next(), codings.next()) {
        (None, None, ..) => Ok(Announced::Length(0)),
        (Some(length), None, None, None) => digits(length).map(Announced::Length).ok_or(Fault::Length),
        (None, Some(coding), None, None) if is_1_1 && coding.eq_ignore_ascii_case(b"chunked") => Ok(Announced::Chunked),
        _ => Err(Fault::Length),
    }
}

/// Digits alone: no sign, no space, no list. More than an i64 holds is nothing that anyone sends.
fn digits(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let number: u64 = is_number.then_some(value).and_then(|value| std::str::from_utf8(value).ok()?.parse().ok())?;
    i64::try_from(number).is_ok().then_some(number)
}

fn all<'a>(headers: &'a [httparse::Header<'_>], name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, expect: Result<Announced, Fault>) {
        assert_eq!(judge(head.as_bytes()), expect, "{head:?}");
    }

    /// A head with Host and these lines more.
    fn with(lines: &str) -> String {
        format!("POST /tasks HTTP/1.1\r\nHost: x\r\n{lines}\r\n")
    }

    #[test]
    fn a_length_or_a_coding_stands_once_and_alone() {
        for (lines, expect) in [
            ("", Ok(Announced::Length(0))),
            ("Content-Length: 0\r\n", Ok(Announced::Length(0))),
            ("content-length:  42 \r\n", Ok(Announced::Length(42))),
            ("Content-Length: 9223372036854775807\r\n", Ok(Announced::Length(i64::MAX as u64))),
            ("Content-Length: 9223372036854775808\r\n", Err(Fault::Length)),
            ("Content-Length: 99999999999999999999\r\n", Err(Fault::Length)),
            ("Content-Length: -1\r\n", Err(Fault::Length)),
            ("Content-Length: +4\r\n", Err(Fault::Length)),
            ("Content-Length: 0x4\r\n", Err(Fault::Length)),
            ("Content-Length: 4, 4\r\n", Err(Fault::Length)),
            ("Content-Length:\r\n", Err(Fault::Length)),
            ("Content-Length: 4\r\nContent-Length: 4\r\n", Err(Fault::Length)),
            ("Content-Length: 4\r\ncontent-length: 5\r\n", Err(Fault::Length)),
            ("Transfer-Encoding: chunked\r\n", Ok(Announced::Chunked)),
            ("Transfer-Encoding: Chunked\r\n", Ok(Announced::Chunked)),
            ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", Err(Fault::Length)),
            ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", Err(Fault::Length)),
            ("Transfer-Encoding: gzip, chunked\r\n", Err(Fault::Length)),
            ("Transfer-Encoding: chunked, identity\r\n", Err(Fault::Length)),
            ("Transfer-Encoding: identity\r\n", Err(Fault::Length)),
            ("Transfer-Encoding: xchunked\r\n", Err(Fault::Length)),
            ("Transfer-Encoding: \"chunked\"\r\n", Err(Fault::Length)),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(Fault::Length)),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", Err(Fault::Length)),
            ("Transfer-Encoding : chunked\r\n", Err(Fault::Header)),
            ("Transfer-Encoding\u{b}: chunked\r\n", Err(Fault::Header)),
            ("X: y\r\n Transfer-Encoding: chunked\r\n", Err(Fault::Header)),
            ("X: y\r\n\tz\r\n", Err(Fault::Header)),
            ("X: a\0b\r\n", Err(Fault::Header)),
            ("X: a\rb\r\n", Err(Fault::Header)),
            (": x\r\n", Err(Fault::Header)),
            ("no colon\r\n", Err(Fault::Header)),
        ] {
            check(&with(lines), expect);
        }
        check("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Err(Fault::Length));
    }

    #[test]
    fn a_request_has_one_host_and_only_an_old_one_goes_without() {
        check("GET / HTTP/1.1\r\n\r\n", Err(Fault::Host));
        check("GET / HTTP/1.0\r\n\r\n", Ok(Announced::Length(0)));
        check("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", Err(Fault::Host));
        check("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", Err(Fault::Host));
        check("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", Err(Fault::Host));
        check("GET / HTTP/1.1\r\nHost:\r\n\r\n", Err(Fault::Host));
    }

    #[test]
    fn a_request_line_is_a_method_a_target_and_a_version_of_http_1() {
        for line in ["GET /", "GET  / HTTP/1.1", "GET / HTTP/2.0", "GET / HTTP/1.2", "GET / HTTP/1.1 ", "/ HTTP/1.1"]
            .into_iter()
            .chain(["CONNECT x:1 HTTP/1.1", "G\u{e9}T / HTTP/1.1", "GET /\u{1} HTTP/1.1", "PRI * HTTP/2.0"])
        {
            check(&format!("{line}\r\nHost: x\r\n\r\n"), Err(Fault::RequestLine));
            assert_eq!(judge_line(format!("{line}\r\n").as_bytes()), Err(Fault::RequestLine), "{line}");
        }
        check("GET /<x> HTTP/1.1\r\nHost: x\r\n\r\n", Err(Fault::Target));
        assert_eq!(judge_line(b"GET / HTTP/1.1\r\n"), Ok(()));
    }

    #[test]
    fn a_hundred_headers_are_enough() {
        let many = |count: usize| with(&"a: b\r\n".repeat(count - 1));
        check(&many(HEADERS_MAX), Ok(Announced::Length(0)));
        check(&many(HEADERS_MAX + 1), Err(Fault::HeadersTooLarge));
    }
}
