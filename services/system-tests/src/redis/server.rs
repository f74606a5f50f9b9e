//! The process of a private server and its watcher.

use super::Reply;
use super::connection::Connection;
use super::hands::Hands;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_DEADLINE: Duration = Duration::from_secs(20);
const POLL_EVERY: Duration = Duration::from_millis(5);

/// The process and its watcher; dropping it kills both by their pids.
pub struct Server {
    child: Child,
    watcher: Child,
    password: Option<String>,
}

/// How far a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It reads its data.
    Loading,
    /// It serves.
    Ready,
}

impl Server {
    /// Starts a server; [`Server::ready`] proves that it is the one that answers on `port`.
    pub fn spawn(
        program: &Path,
        port: u16,
        directory: &Path,
        arguments: &[String],
        hands: Option<&Hands>,
    ) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--daemonize", "no"])
            .args(["--logfile", "redis.log", "--dir"])
            .arg(directory)
            .args(arguments)
            .envs(hands.into_iter().flat_map(Hands::environment))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let watcher = Command::new("sh")
            .args(["-c", "read -r _; kill -9 \"$0\"", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let watcher = match watcher {
            Ok(watcher) => watcher,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        Ok(Self { child, watcher, password: password(arguments).map(str::to_owned) })
    }

    /// Itself, once it serves.
    pub fn ready(self, port: u16) -> io::Result<Self> {
        self.once(State::Ready, port)
    }

    /// Itself, once it says that it reads its data; it is an error if it serves before it was heard.
    pub fn loading(self, port: u16) -> io::Result<Self> {
        self.once(State::Loading, port)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn once(mut self, wanted: State, port: u16) -> io::Result<Self> {
        let deadline = Instant::now() + START_DEADLINE;
        let mut last = io::Error::other("it never answered");
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("the private Redis ended at its start: {status}")));
            }
            match state(port, self.pid(), self.password.as_deref()) {
                Ok(state) if state == wanted => return Ok(self),
                Ok(State::Ready) => return Err(io::Error::other("the private Redis has read its data already")),
                Ok(State::Loading) => {}
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
                Err(error) => last = error,
            }
            std::thread::sleep(POLL_EVERY);
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, last))
    }

    /// How it ends when nobody holds its watcher any more.
    #[cfg(test)]
    pub fn end_of_unwatched(&mut self) -> io::Result<std::process::ExitStatus> {
        drop(self.watcher.stdin.take());
        self.child.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The watcher first: it must not outlive the pid that it knows.
        for process in [&mut self.watcher, &mut self.child] {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// How far the server with `pid` on `port` is; `AddrInUse` if another one answers.
pub fn state(port: u16, pid: u32, password: Option<&str>) -> io::Result<State> {
    let mut connection = open(port, Duration::from_secs(2), password)?;
    let info = connection.command(&["INFO", "server"])?.text();
    let served_by = info.lines().find_map(|line| line.strip_prefix("process_id:"));
    if served_by.and_then(|text| text.trim().parse().ok()) != Some(pid) {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server answers on the port"));
    }
    let is_ready = connection.command(&["PING"])? == Reply::Text(b"PONG".to_vec());
    Ok(if is_ready { State::Ready } else { State::Loading })
}

/// A connection that has told the password, if the server asks for one.
pub fn open(port: u16, reply_deadline: Duration, password: Option<&str>) -> io::Result<Connection> {
    let mut connection = Connection::open(port, reply_deadline)?;
    if let Some(password) = password {
        connection.command(&["AUTH", password])?;
    }
    Ok(connection)
}

/// What these arguments of a server make it ask for.
pub fn password(arguments: &[String]) -> Option<&str> {
    let at = arguments.iter().position(|argument| argument == "--requirepass")?;
    arguments.get(at + 1).map(String::as_str)
}
