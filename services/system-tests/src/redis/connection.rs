//! A stranger's connection: RESP2 over a plain socket, so that tests see the keys as any client would.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What a server answers to one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A simple or a bulk string.
    Text(Vec<u8>),
    /// An error, code first.
    Error(String),
    /// An integer.
    Integer(i64),
    /// A missing string or array.
    Nil,
    /// An array.
    Array(Vec<Reply>),
}

impl Reply {
    /// The text of a string, of an integer, or of an error; empty for anything else.
    pub fn text(&self) -> String {
        match self {
            Self::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Error(message) => message.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Nil | Self::Array(_) => String::new(),
        }
    }

    /// The integer, also when it came as a string; panics on anything else.
    pub fn integer(&self) -> i64 {
        match self {
            Self::Integer(number) => *number,
            other => other.text().parse().unwrap_or_else(|_| panic!("not an integer: {other:?}")),
        }
    }

    /// The elements of an array; a nil has none; panics on anything else.
    pub fn items(&self) -> &[Reply] {
        match self {
            Self::Array(items) => items,
            Self::Nil => &[],
            other => panic!("not an array: {other:?}"),
        }
    }
}

/// A plain connection that speaks RESP2.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to a port of 127.0.0.1; a reply that takes longer than `reply_deadline` is an error.
    pub fn open(port: u16, reply_deadline: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(reply_deadline))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends one command and reads its reply; an error reply is a value.
    pub fn command<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> io::Result<Reply> {
        self.stream.get_mut().write_all(&encode(arguments))?;
        self.read_reply()
    }

    /// Sends commands in one go and reads their replies; an error reply is a value.
    pub fn pipeline<A: AsRef<[u8]>>(&mut self, commands: &[Vec<A>]) -> io::Result<Vec<Reply>> {
        let request: Vec<u8> = commands.iter().flat_map(|arguments| encode(arguments)).collect();
        self.stream.get_mut().write_all(&request)?;
        commands.iter().map(|_| self.read_reply()).collect()
    }

    fn read_reply(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "not RESP2");
        let rest = line.get(1..).ok_or_else(malformed)?.trim_end_matches("\r\n");
        let number = || rest.parse::<i64>().map_err(|_| malformed());
        Ok(match line.as_bytes()[0] {
            b'+' => Reply::Text(rest.as_bytes().to_vec()),
            b'-' => Reply::Error(rest.to_owned()),
            b':' => Reply::Integer(number()?),
            b'$' | b'*' if number()? < 0 => Reply::Nil,
            b'$' => {
                let mut bytes = vec![0; usize::try_from(number()?).map_err(|_| malformed())? + 2];
                self.stream.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                Reply::Text(bytes)
            }
            b'*' => Reply::Array((0..number()?).map(|_| self.read_reply()).collect::<io::Result<_>>()?),
            _ => return Err(malformed()),
        })
    }
}

fn encode<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments.iter().map(AsRef::as_ref) {
        request.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        request.extend_from_slice(argument);
        request.extend_from_slice(b"\r\n");
    }
    request
}
