//! A Redis of a test's own: started on a free port of 127.0.0.1, proved by its pid to be ours, gone with the test.
//!
//! `REDIS_URL` is never read, so a test can touch no other server. Beside each server stands a watcher, a shell that
//! reads from a pipe held by this process: whichever way the process ends, also with the server in a `static` or by
//! SIGKILL, the pipe closes and the server is killed. Nothing but std and tempfile is needed.

mod connection;
mod hands;

pub use connection::{Connection, Reply};
pub use hands::Hands;

use crate::eventually::eventually;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const TRIES_MAX: usize = 5;
const START_DEADLINE: Duration = Duration::from_secs(20);
const POLL_EVERY: Duration = Duration::from_millis(5);
const REPLY_DEADLINE: Duration = Duration::from_secs(30);

/// A running server and its data directory; both go when it is dropped.
pub struct PrivateRedis {
    program: PathBuf,
    arguments: Vec<String>,
    port: u16,
    directory: tempfile::TempDir,
    hands: Option<Hands>,
    server: Option<Server>,
    connection: Mutex<Option<Connection>>,
}

impl PrivateRedis {
    /// A server without persistence.
    pub fn start() -> io::Result<Self> {
        Self::start_with(&["--appendonly", "no"])
    }

    /// A server that has written to its disk what it acknowledges: [`PrivateRedis::kill`] loses nothing.
    pub fn start_aof_always() -> io::Result<Self> {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// A server without persistence whose clock can be turned.
    pub fn start_turnable() -> io::Result<Self> {
        Self::start_under(&["--appendonly", "no"], Some(Hands::new()?))
    }

    /// A server with further command line arguments.
    pub fn start_with(arguments: &[&str]) -> io::Result<Self> {
        Self::start_under(arguments, None)
    }

    fn start_under(arguments: &[&str], hands: Option<Hands>) -> io::Result<Self> {
        let program = find_program()?;
        let directory = tempfile::tempdir()?;
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut refused = io::Error::other("no try was made");
        for _ in 0..TRIES_MAX {
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            match Server::launch(&program, port, directory.path(), &arguments, hands.as_ref()) {
                Ok(server) => {
                    let (server, connection) = (Some(server), Mutex::new(None));
                    return Ok(Self { program, arguments, port, directory, hands, server, connection });
                }
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// Kills the server with SIGKILL; the data directory stays.
    pub fn kill(&mut self) {
        self.server = None;
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Kills the server if it runs and starts it again on the same port and directory.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill();
        let hands = self.hands.as_ref();
        self.server = Some(Server::launch(&self.program, self.port, self.directory.path(), &self.arguments, hands)?);
        Ok(())
    }

    /// Has the server write its log anew, and waits until it has.
    pub fn rewrite_log(&self) {
        self.command(&["BGREWRITEAOF"]);
        eventually(START_DEADLINE, "the log is rewritten", || {
            let info = self.command(&["INFO", "persistence"]).text();
            let is_done = |name: &str| info.contains(&format!("{name}:0"));
            (is_done("aof_rewrite_in_progress") && is_done("aof_rewrite_scheduled")).then_some(())
        });
    }

    /// Turns the wall clock of a turnable server to be off by `ms`.
    pub fn turn_clock(&self, ms: i64) {
        self.hands.as_ref().expect("a turnable server").turn(ms);
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process, or `None` after [`PrivateRedis::kill`].
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(|server| server.child.id())
    }

    /// The address as Millstream's settings take it, with the password if the server asks for one.
    pub fn url(&self) -> String {
        let password = password(&self.arguments).map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{password}127.0.0.1:{}/0", self.port)
    }

    /// The directory of its data and of its log, `redis.log`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A stranger's connection, who knows the password.
    pub fn connect(&self) -> io::Result<Connection> {
        open(self.port, REPLY_DEADLINE, password(&self.arguments))
    }

    /// One command over a connection kept for this; panics when the server does not answer.
    pub fn command<A: AsRef<[u8]>>(&self, arguments: &[A]) -> Reply {
        let mut kept = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connection = kept.take().unwrap_or_else(|| self.connect().expect("the private Redis accepts"));
        let reply = connection.command(arguments).expect("the private Redis answers");
        *kept = Some(connection);
        reply
    }
}

/// The process and its watcher; dropping it kills both by their pids.
struct Server {
    child: Child,
    watcher: Child,
}

impl Server {
    /// Starts a server and returns once it has proved by its pid that it is the one that answers on `port`.
    fn launch(
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
        let mut server = Self { child, watcher };
        server.await_ready(port, password(arguments))?;
        Ok(server)
    }

    fn await_ready(&mut self, port: u16, password: Option<&str>) -> io::Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        let mut last = io::Error::other("it never answered");
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("the private Redis ended at its start: {status}")));
            }
            match answers(port, self.child.id(), password) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
                Err(error) => last = error,
            }
            std::thread::sleep(POLL_EVERY);
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, last))
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

/// Whether the server with `pid` serves `port`; `AddrInUse` if another one does.
fn answers(port: u16, pid: u32, password: Option<&str>) -> io::Result<bool> {
    let mut connection = open(port, Duration::from_secs(2), password)?;
    let info = connection.command(&["INFO", "server"])?.text();
    let served_by = info.lines().find_map(|line| line.strip_prefix("process_id:"));
    if served_by.and_then(|text| text.trim().parse().ok()) != Some(pid) {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server answers on the port"));
    }
    Ok(connection.command(&["PING"])? == Reply::Text(b"PONG".to_vec()))
}

/// A connection that has told the password, if the server asks for one.
fn open(port: u16, reply_deadline: Duration, password: Option<&str>) -> io::Result<Connection> {
    let mut connection = Connection::open(port, reply_deadline)?;
    if let Some(password) = password {
        connection.command(&["AUTH", password])?;
    }
    Ok(connection)
}

/// What these arguments of a server make it ask for.
fn password(arguments: &[String]) -> Option<&str> {
    let at = arguments.iter().position(|argument| argument == "--requirepass")?;
    arguments.get(at + 1).map(String::as_str)
}

/// The server program: REDIS_SERVER_BIN, else the first on the PATH, else the one that `scripts/get-redis` finds.
pub fn find_program() -> io::Result<PathBuf> {
    if let Some(program) = std::env::var_os("REDIS_SERVER_BIN").filter(|program| !program.is_empty()) {
        return Ok(program.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    for name in ["redis-server", "valkey-server"] {
        if let Some(found) = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file()) {
            return Ok(found);
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/get-redis");
    let output = Command::new(&script).stderr(Stdio::inherit()).output()?;
    let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no redis-server here, and none could be fetched"));
    }
    Ok(found.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn it_answers_as_its_own_process_and_is_gone_when_dropped() {
        let redis = PrivateRedis::start().unwrap();
        assert!(answers(redis.port(), redis.pid().unwrap(), None).unwrap());
        assert_eq!(answers(redis.port(), 1, None).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(redis.command(&["SET", "k", "a\r\nü"]), Reply::Text(b"OK".to_vec()));
        assert_eq!(redis.command(&["GET", "k"]).text(), "a\r\nü");
        assert_eq!(redis.command(&["GET", "none"]), Reply::Nil);
        assert!(matches!(redis.command(&["LPUSH", "k", "v"]), Reply::Error(text) if text.starts_with("WRONGTYPE")));
        let port = redis.port();
        drop(redis);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }

    #[test]
    fn a_port_that_another_server_holds_is_refused() {
        let first = PrivateRedis::start().unwrap();
        let directory = tempfile::tempdir().unwrap();
        assert!(Server::launch(&first.program, first.port(), directory.path(), &[], None).is_err());
        assert_eq!(first.command(&["PING"]).text(), "PONG");
    }

    #[test]
    fn what_was_acknowledged_survives_a_kill_when_every_write_is_synced() {
        let mut redis = PrivateRedis::start_aof_always().unwrap();
        let pid = redis.pid();
        redis.command(&["XADD", "s", "1-1", "f", "v"]);
        redis.kill();
        assert!(redis.pid().is_none() && redis.connect().is_err());
        redis.restart().unwrap();
        assert_ne!(redis.pid(), pid);
        assert_eq!(redis.command(&["XRANGE", "s", "-", "+"]).items()[0].items()[0].text(), "1-1");
    }

    #[test]
    fn a_server_that_asks_for_a_password_is_told_it_and_others_are_not_let_in() {
        let mut redis = PrivateRedis::start_with(&["--appendonly", "no", "--requirepass", "pw"]).unwrap();
        redis.restart().unwrap();
        assert_eq!(redis.command(&["PING"]).text(), "PONG");
        assert!(redis.url().starts_with("redis://:pw@127.0.0.1:"));
        let mut stranger = Connection::open(redis.port(), REPLY_DEADLINE).unwrap();
        assert!(stranger.command(&["PING"]).unwrap().text().starts_with("NOAUTH"));
    }

    #[test]
    fn the_watcher_kills_a_server_whose_owner_has_gone() {
        let mut redis = PrivateRedis::start().unwrap();
        let server = redis.server.as_mut().unwrap();
        drop(server.watcher.stdin.take());
        assert!(!server.child.wait().unwrap().success());
    }
}
