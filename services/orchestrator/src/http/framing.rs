//! Where each message of a connection ends, and that no head passes unread. Pure.

use super::chunks::{Chunks, Part};
use super::fault::Fault;
use super::head::Head;
use super::judge::{Announced, judge};

/// What follows next on a connection.
#[derive(Debug)]
pub struct Framing(Stage);

#[derive(Debug)]
enum Stage {
    /// A head, or the rest of it.
    Head(Head),
    /// So many bytes of a body.
    Length(u64),
    /// The rest of a chunked body.
    Chunked(Chunks),
}

/// Why nothing more of a connection passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A head is not good.
    Refused(Fault),
    /// A body is not what its head announced.
    Broken,
}

impl Framing {
    /// A connection on which nothing has come yet.
    pub fn new() -> Self {
        Self(Stage::Head(Head::default()))
    }

    /// Whether the next byte belongs to a head.
    pub fn is_in_head(&self) -> bool {
        matches!(self.0, Stage::Head(_))
    }

    /// How many of `bytes` may pass, and what ends the connection behind them. They begin behind what passed in the
    /// last call, so that a head is given again until it is complete.
    pub fn pass(&mut self, bytes: &[u8]) -> (usize, Option<End>) {
        let mut passed = 0;
        while passed < bytes.len() {
            let rest = &bytes[passed..];
            match &mut self.0 {
                Stage::Head(head) => {
                    let judged = head.look(rest).and_then(|length| match length {
                        None => Ok(None),
                        Some(length) => judge(&rest[..length]).map(|announced| Some((length, announced))),
                    });
                    match judged {
                        Ok(None) => break,
                        Ok(Some((length, announced))) => {
                            passed += length;
                            self.0 = Stage::after(announced);
                        }
                        Err(fault) => return (passed, Some(End::Refused(fault))),
                    }
                }
                Stage::Length(left) => {
                    let taken = (*left).min(rest.len() as u64);
                    passed += taken as usize; // no more than `bytes` has
                    self.0 = Stage::after(Announced::Length(*left - taken));
                }
                Stage::Chunked(chunks) => match chunks.look(rest) {
                    Part::All => passed = bytes.len(),
                    Part::End(length) => {
                        passed += length;
                        self.0 = Stage::Head(Head::default());
                    }
                    Part::Broken(length) => return (passed + length, Some(End::Broken)),
                },
            }
        }
        (passed, None)
    }
}

impl Stage {
    fn after(announced: Announced) -> Self {
        match announced {
            Announced::Length(0) => Self::Head(Head::default()),
            Announced::Length(length) => Self::Length(length),
            Announced::Chunked => Self::Chunked(Chunks::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    const POST: &str = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";

    #[test]
    fn messages_follow_each_other_and_a_bad_head_ends_them() {
        let all = format!("{GET}{POST}{CHUNKED}\r\n{POST}{GET}");
        assert_eq!(Framing::new().pass(all.as_bytes()), (all.len(), None));
        let bad = format!("{all}GET / HTTP/1.1\r\n\r\n{GET}");
        assert_eq!(Framing::new().pass(bad.as_bytes()), (all.len(), Some(End::Refused(Fault::Host))));
        let broken = format!("{GET}POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx{GET}");
        let (passed, end) = Framing::new().pass(broken.as_bytes());
        assert_eq!((&broken[passed..=passed], end), ("x", Some(End::Broken)));
    }

    #[test]
    fn what_looks_like_a_head_in_a_body_is_a_body() {
        let smuggled = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\n\r\nGET /bad HTTP/1.1\r\n\r";
        let mut framing = Framing::new();
        assert_eq!(framing.pass(smuggled.as_bytes()), (smuggled.len(), None));
        assert!(!framing.is_in_head());
        assert_eq!(framing.pass(b"\nGET"), (1, None));
        assert!(framing.is_in_head());
    }

    /// What passes when the bytes come in pieces of these sizes, over and over.
    fn in_pieces(text: &[u8], sizes: &[usize]) -> (usize, Option<End>) {
        let (mut framing, mut passed, mut here) = (Framing::new(), 0, 0);
        for size in sizes.iter().cycle() {
            here = text.len().min(here + size);
            let (more, end) = framing.pass(&text[passed..here]);
            passed += more;
            if end.is_some() || here == text.len() {
                return (passed, end);
            }
        }
        (passed, None)
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            messages in prop::collection::vec(prop::sample::select(vec![GET, POST, CHUNKED, "\r\n", "GET /\r\n"]), 1..8),
            sizes in prop::collection::vec(1usize..40, 1..6),
        ) {
            let text = messages.concat();
            prop_assert_eq!(in_pieces(text.as_bytes(), &sizes), Framing::new().pass(text.as_bytes()));
        }

        /// Bytes that are not HTTP at all are never a head, and never a panic.
        #[test]
        fn anything_may_come(bytes in prop::collection::vec(any::<u8>(), 0..300), sizes in prop::collection::vec(1usize..40, 1..6)) {
            in_pieces(&bytes, &sizes);
        }
    }
}
