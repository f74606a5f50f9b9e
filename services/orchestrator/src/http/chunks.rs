//! Where a chunked body ends. Pure.
//!
//! hyper decodes it; this only has to find the same end, because the head of the next request begins there. It takes
//! less than hyper does (no bare LF, no bytes beyond 16 KiB of extensions and trailers), so what both take ends in one
//! place.

/// As hyper: beyond it an extension or a trailer has no purpose but to cost.
const EXTRAS_MAX: usize = 16 << 10;
/// Of a u64.
const DIGITS_MAX: u8 = 16;

/// How far a chunked body has been read.
#[derive(Debug, Default)]
pub struct Chunks {
    at: At,
    /// Bytes of extensions and trailers so far.
    extras: usize,
}

/// Where the next byte stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    /// Before the size of a chunk.
    #[default]
    Start,
    /// After a digit of the size.
    Size { size: u64, digits: u8 },
    /// In what may follow the size.
    Extension { size: u64 },
    /// After the CR that ends the line of the size.
    SizeLf { size: u64 },
    /// So many bytes before the end of the chunk.
    Body(u64),
    /// Before the CR LF of a chunk.
    BodyCr,
    /// Between these two.
    BodyLf,
    /// At the start of a line behind the last chunk.
    Trailer,
    /// In such a line.
    TrailerLine,
    /// After the CR of such a line.
    TrailerLf,
    /// After the CR of the empty line.
    EndLf,
    /// Behind the body.
    End,
}

/// How much of the given bytes is the body's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of them, and more is to come.
    All,
    /// So many, and it is complete.
    End(usize),
    /// So many; what follows is no chunked body.
    Broken(usize),
}

impl Chunks {
    /// Reads on in the bytes that follow those of the last call.
    pub fn look(&mut self, bytes: &[u8]) -> Part {
        let mut position = 0;
        while position < bytes.len() {
            if let At::Body(left) = self.at {
                let taken = left.min((bytes.len() - position) as u64);
                position += taken as usize; // no more than `bytes` has
                self.at = if taken == left { At::BodyCr } else { At::Body(left - taken) };
                continue;
            }
            match self.step(bytes[position]) {
                None => return Part::Broken(position),
                Some(At::End) => return Part::End(position + 1),
                Some(next) => self.at = next,
            }
            position += 1;
        }
        Part::All
    }

    fn step(&mut self, byte: u8) -> Option<At> {
        if matches!(self.at, At::Extension { .. } | At::Trailer | At::TrailerLine) {
            self.extras += 1;
            if self.extras > EXTRAS_MAX {
                return None;
            }
        }
        match (self.at, byte) {
            (At::Start, _) => grown(0, 0, byte),
            (At::Size { size, .. } | At::Extension { size }, b'\r') => Some(At::SizeLf { size }),
            (At::Size { size, .. }, b';' | b' ' | b'\t') => Some(At::Extension { size }),
            (At::Size { size, digits }, _) => grown(size, digits, byte),
            (At::Extension { size }, _) => (byte != b'\n').then_some(At::Extension { size }),
            (At::SizeLf { size: 0 }, b'\n') => Some(At::Trailer),
            (At::SizeLf { size }, b'\n') => Some(At::Body(size)),
            (At::BodyCr, b'\r') => Some(At::BodyLf),
            (At::BodyLf, b'\n') => Some(At::Start),
            (At::Trailer, b'\r') => Some(At::EndLf),
            (At::TrailerLine, b'\r') => Some(At::TrailerLf),
            (At::Trailer | At::TrailerLine, _) => (byte != b'\n').then_some(At::TrailerLine),
            (At::TrailerLf, b'\n') => Some(At::Trailer),
            (At::EndLf, b'\n') => Some(At::End),
            _ => None,
        }
    }
}

/// The size with one digit more.
fn grown(size: u64, digits: u8, byte: u8) -> Option<At> {
    let digit = char::from(byte).to_digit(16)?;
    (digits < DIGITS_MAX).then_some(At::Size { size: size << 4 | u64::from(digit), digits: digits + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same in one piece and byte by byte.
    fn check(text: &str, expect: Part) {
        assert_eq!(Chunks::default().look(text.as_bytes()), expect, "{text:?}");
        let mut chunks = Chunks::default();
        let parts = text.bytes().map(|byte| chunks.look(&[byte]));
        let by_byte = parts.enumerate().find_map(|(at, part)| match part {
            Part::All => None,
            Part::End(_) => Some(Part::End(at + 1)),
            Part::Broken(_) => Some(Part::Broken(at)),
        });
        assert_eq!(by_byte.unwrap_or(Part::All), expect, "{text:?} byte by byte");
    }

    #[test]
    fn the_end_is_behind_the_empty_line() {
        check("0\r\n\r\n", Part::End(5));
        check("5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n", Part::End(15));
        check("a;x=\"y\"\r\n0123456789\r\n000\r\nTrailer: x\r\nY: z\r\n\r\nrest", Part::End(46));
        check("5 \r\nhe\r\no\r\n0\r\n\r\n", Part::End(16));
        check("5\r\nhell", Part::All);
        check("F", Part::All);
    }

    #[test]
    fn what_is_no_chunk_breaks_where_it_begins() {
        for (text, at) in [
            ("\r\n", 0),
            ("x", 0),
            ("-1\r\n", 0),
            ("+1\r\n", 0),
            ("0x4\r\n", 1),
            ("5\nhello", 1),
            ("5;x\nhello", 3),
            ("5\r\nhello0\r\n", 8),
            ("5\r\nhello\r\r", 9),
            ("0\r\nX: y\n\r\n", 7),
            ("0\r\n\rx", 4),
            ("00000000000000001\r\n", 16),
        ] {
            check(text, Part::Broken(at));
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let long = "x".repeat(EXTRAS_MAX + 1);
        assert!(matches!(Chunks::default().look(format!("1;{long}").as_bytes()), Part::Broken(_)));
        assert!(matches!(Chunks::default().look(format!("0\r\n{long}").as_bytes()), Part::Broken(_)));
    }
}
