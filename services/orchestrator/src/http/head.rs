//! Where a request head ends, looked for while it comes in pieces. Pure.
//!
//! Whatever can be refused before the end is refused then: nobody has to send the rest of a head that is lost, and what
//! is no HTTP at all need not run into a deadline. One empty line may stand before a head (RFC 9112, 2.2).

use super::fault::Fault;
use super::judge::judge_line;

/// The request line and all headers: what nginx and Apache take together, and twice what browsers send.
pub const HEAD_BYTES_MAX: usize = 16 << 10;
/// RFC 9112 asks for 8,000 at least.
pub const LINE_BYTES_MAX: usize = 8 << 10;

/// How far a head has been looked through.
#[derive(Debug, Default)]
pub struct Head {
    /// Where the next look begins.
    looked: usize,
    /// Where the line begins that is not complete.
    line: usize,
    /// Whether the request line was read by itself.
    is_line_judged: bool,
}

impl Head {
    /// Its length, once it is complete. `bytes` begin with the head: those of the last look, and what came since.
    pub fn look(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let first = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
        while let Some(found) = bytes[self.looked..].iter().position(|byte| *byte == b'\n') {
            let end = self.looked + found + 1;
            let line = end - self.line;
            let is_first = self.line <= first && end > first;
            if line < 2 || bytes[end - 2] != b'\r' {
                return Err(Fault::LineEnd);
            }
            if is_first && line == 2 {
                return Err(Fault::RequestLine);
            }
            if is_first && line > LINE_BYTES_MAX {
                return Err(Fault::UriTooLong);
            }
            (self.looked, self.line) = (end, end);
            if line == 2 && end > first {
                return if end > HEAD_BYTES_MAX { Err(Fault::HeadersTooLarge) } else { Ok(Some(end)) };
            }
        }
        self.looked = bytes.len();
        self.refuse_early(bytes, first).map(|()| None)
    }

    /// What is known to be wrong before the end has come.
    fn refuse_early(&mut self, bytes: &[u8], first: usize) -> Result<(), Fault> {
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let may_be_empty_line = bytes == b"\r";
        if bytes.get(first).is_some_and(|byte| !is_token(byte)) && !may_be_empty_line {
            return Err(Fault::RequestLine);
        }
        if self.line <= first {
            return if bytes.len() - first > LINE_BYTES_MAX { Err(Fault::UriTooLong) } else { Ok(()) };
        }
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(Fault::HeadersTooLarge);
        }
        if !self.is_line_judged {
            self.is_line_judged = true;
            let end = bytes[first..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| first + at + 1);
            judge_line(&bytes[..end])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same in one piece and byte by byte.
    fn check(text: &str, expect: Result<Option<usize>, Fault>) {
        assert_eq!(Head::default().look(text.as_bytes()), expect, "{text:?}");
        let mut head = Head::default();
        let mut looks = (1..=text.len()).map(|end| head.look(&text.as_bytes()[..end]));
        let by_byte = looks.find(|look| *look != Ok(None)).unwrap_or(Ok(None));
        assert_eq!(by_byte, expect, "{text:?} byte by byte");
    }

    #[test]
    fn a_head_ends_with_its_empty_line() {
        check("GET / HTTP/1.1\r\n\r\n", Ok(Some(18)));
        check("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /", Ok(Some(27)));
        check("\r\nGET / HTTP/1.1\r\n\r\n", Ok(Some(20)));
        for text in ["", "\r", "\r\n", "G", "GET /", "GET / HTTP/1.1\r", "GET / HTTP/1.1\r\nHost: x\r\n\r"] {
            check(text, Ok(None));
        }
    }

    #[test]
    fn what_is_lost_is_refused_before_its_end() {
        for text in ["\u{16}\u{3}\u{1}", "\0", "{", " GET", "\r\n\r\n", "\r\n\r", "\r\n/"] {
            check(text, Err(Fault::RequestLine));
        }
        for text in ["GET /\r\n", "PRI * HTTP/2.0\r\n", "CONNECT x:1 HTTP/1.1\r\n", "\r\nGET / HTTP/1.2\r\nHo"] {
            check(text, Err(Fault::RequestLine));
        }
        for text in ["GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: x\n", "\n", "GET / HTTP/1.1\r\n\n"] {
            check(text, Err(Fault::LineEnd));
        }
    }

    #[test]
    fn a_head_is_bounded_whether_or_not_it_ends() {
        let line = |length: usize| format!("GET /{} HTTP/1.1\r\n", "x".repeat(length - 16));
        check(&format!("{}\r\n", line(LINE_BYTES_MAX)), Ok(Some(LINE_BYTES_MAX + 2)));
        check(&line(LINE_BYTES_MAX + 1), Err(Fault::UriTooLong));
        check(&"G".repeat(LINE_BYTES_MAX + 1), Err(Fault::UriTooLong));
        let head = |length: usize| format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(length - 23));
        check(&head(HEAD_BYTES_MAX), Ok(Some(HEAD_BYTES_MAX)));
        check(&head(HEAD_BYTES_MAX + 1), Err(Fault::HeadersTooLarge));
        check(&head(HEAD_BYTES_MAX + 10)[..HEAD_BYTES_MAX + 1], Err(Fault::HeadersTooLarge));
    }
}
