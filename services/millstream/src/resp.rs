//! A few lines of the Redis protocol over a plain connection: for `redis-cli` where none is installed, and to prove
//! which process answers on a port. No TLS, no reconnecting; whoever needs those uses `redis-store`.

use anyhow::{Context, bail};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Arrays deeper than this are not Redis speaking.
const DEPTH_MAX: usize = 32;
/// Redis itself refuses longer strings.
const BYTES_MAX: usize = 512 << 20;

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`
    Status(String),
    /// `-ERR …`
    Error(String),
    /// `:1`
    Integer(i64),
    /// A string of bytes.
    Bulk(Vec<u8>),
    /// Nothing.
    Nil,
    /// Replies in order.
    Array(Vec<Reply>),
}

/// One connection.
pub struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    /// Connects; `timeout` bounds the connecting and each reply.
    pub fn open(host: &str, port: u16, timeout: Duration) -> anyhow::Result<Self> {
        let mut last = None;
        for address in (host, port).to_socket_addrs().with_context(|| format!("looking up {host}"))? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(timeout))?;
                    stream.set_write_timeout(Some(timeout))?;
                    return Ok(Self { reader: BufReader::new(stream) });
                }
                Err(error) => last = Some(error),
            }
        }
        let error = last.map_or_else(|| anyhow::anyhow!("no address"), anyhow::Error::from);
        Err(error.context(format!("connecting to {host}:{port}")))
    }

    /// Lets a reply take as long as it takes.
    pub fn wait_for_ever(&self) -> anyhow::Result<()> {
        Ok(self.reader.get_ref().set_read_timeout(None)?)
    }

    /// Sends one command and waits for its reply.
    pub fn command<A: AsRef<[u8]>>(&mut self, args: &[A]) -> anyhow::Result<Reply> {
        self.send(&encode(args))?;
        self.receive()
    }

    /// Sends encoded commands without waiting.
    pub fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.reader.get_mut().write_all(bytes)?)
    }

    /// Waits for the next reply.
    pub fn receive(&mut self) -> anyhow::Result<Reply> {
        decode(&mut self.reader, 0)
    }
}

/// One command as bytes.
pub fn encode<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn decode(reader: &mut impl BufRead, depth: usize) -> anyhow::Result<Reply> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).context("reading a reply")?;
    let Some(line) = line.strip_suffix(b"\r\n") else { bail!("the connection ended") };
    let (kind, text) = line.split_at_checked(1).context("an empty reply")?;
    let text = String::from_utf8_lossy(text).into_owned();
    let length = || text.parse::<i64>().ok().filter(|length| *length <= BYTES_MAX as i64).context("a reply's length");
    match kind {
        b"+" => Ok(Reply::Status(text)),
        b"-" => Ok(Reply::Error(text)),
        b":" => Ok(Reply::Integer(text.parse().context("a reply's number")?)),
        b"$" => match usize::try_from(length()?) {
            Ok(length) => {
                let mut bytes = vec![0; length + 2];
                reader.read_exact(&mut bytes).context("reading a reply")?;
                bytes.truncate(length);
                Ok(Reply::Bulk(bytes))
            }
            Err(_) => Ok(Reply::Nil),
        },
        b"*" if depth < DEPTH_MAX => match usize::try_from(length()?) {
            Ok(length) => (0..length).map(|_| decode(reader, depth + 1)).collect::<Result<_, _>>().map(Reply::Array),
            Err(_) => Ok(Reply::Nil),
        },
        _ => bail!("this is not a Redis"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_by_their_first_byte() {
        let bulk = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
        for (bytes, expect) in [
            ("+OK\r\n", Reply::Status("OK".into())),
            ("-ERR no\r\n", Reply::Error("ERR no".into())),
            (":-1\r\n", Reply::Integer(-1)),
            ("$-1\r\n", Reply::Nil),
            ("$4\r\na\r\nb\r\n", bulk("a\r\nb")),
            ("*2\r\n$1\r\na\r\n*0\r\n", Reply::Array(vec![bulk("a"), Reply::Array(vec![])])),
        ] {
            assert_eq!(decode(&mut bytes.as_bytes(), 0).unwrap(), expect);
        }
        for bytes in ["", "HTTP/1.1 200 OK\r\n", "$99999999999\r\n", "$4\r\na", &"*1\r\n".repeat(40)] {
            assert!(decode(&mut bytes.as_bytes(), 0).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_command_is_an_array_of_strings() {
        assert_eq!(encode(&["GET", "ü"]), b"*2\r\n$3\r\nGET\r\n$2\r\n\xc3\xbc\r\n");
    }
}
