//! A Redis of a test's own: started on a free port of 127.0.0.1, proved by its pid to be ours, gone with the test.
//!
//! `REDIS_URL` is never read, so a test can touch no other server. Beside each server stands a watcher, a shell that
//! reads from a pipe held by this process: whichever way the process ends, also with the server in a `static` or by
//! SIGKILL, the pipe closes and the server is killed. Nothing but std and tempfile is needed.

mod connection;
mod digest;
mod hands;
mod server;

pub use connection::{Connection, Reply};
pub use hands::Hands;

use crate::eventually::eventually;
use server::{Server, open, password};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const TRIES_MAX: usize = 5;
const REWRITE_DEADLINE: Duration = Duration::from_secs(20);
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

    /// The same, and when it is started again it takes 5 ms to read each key, and answers meanwhile.
    pub fn start_slow_to_load() -> io::Result<Self> {
        let durable = ["--appendonly", "yes", "--appendfsync", "always", "--rdbcompression", "no"];
        let slow = ["--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024"];
        Self::start_with(&[durable.as_slice(), &slow].concat())
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
            let spawned = Server::spawn(&program, port, directory.path(), &arguments, hands.as_ref());
            match spawned.and_then(|server| server.ready(port)) {
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
        self.server = Some(self.spawn_again()?.ready(self.port)?);
        Ok(())
    }

    /// The same, and returns while the server is still reading its data: it answers `LOADING` until
    /// [`PrivateRedis::await_ready`].
    pub fn restart_into_loading(&mut self) -> io::Result<()> {
        self.server = Some(self.spawn_again()?.loading(self.port)?);
        Ok(())
    }

    /// Waits until the server has read its data.
    pub fn await_ready(&mut self) -> io::Result<()> {
        let server = self.server.take().ok_or(io::ErrorKind::NotConnected)?;
        self.server = Some(server.ready(self.port)?);
        Ok(())
    }

    fn spawn_again(&mut self) -> io::Result<Server> {
        self.kill();
        Server::spawn(&self.program, self.port, self.directory.path(), &self.arguments, self.hands.as_ref())
    }

    /// Has the server write its log anew, and waits until it has.
    pub fn rewrite_log(&self) {
        self.command(&["BGREWRITEAOF"]);
        eventually(REWRITE_DEADLINE, "the log is rewritten", || {
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
        self.server.as_ref().map(Server::pid)
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
    use super::server::{State, state};
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn it_answers_as_its_own_process_and_is_gone_when_dropped() {
        let redis = PrivateRedis::start().unwrap();
        assert_eq!(state(redis.port(), redis.pid().unwrap(), None).unwrap(), State::Ready);
        assert_eq!(state(redis.port(), 1, None).unwrap_err().kind(), io::ErrorKind::AddrInUse);
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
        assert!(
            Server::spawn(&first.program, first.port(), directory.path(), &[], None)
                .and_then(|server| server.ready(first.port()))
                .is_err()
        );
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
    fn a_server_that_reads_its_data_says_so_and_has_it_then() {
        let mut redis = PrivateRedis::start_slow_to_load().unwrap();
        redis.command(&["EVAL", "for i = 1, 200 do redis.call('SET', i, string.rep('x', 1024)) end", "0"]);
        redis.rewrite_log();
        redis.restart_into_loading().unwrap();
        let told = redis.command(&["GET", "1"]).text();
        assert!(told.starts_with("LOADING"), "{told}");
        redis.await_ready().unwrap();
        assert_eq!(redis.command(&["DBSIZE"]).integer(), 200);
    }

    #[test]
    fn the_watcher_kills_a_server_whose_owner_has_gone() {
        let mut redis = PrivateRedis::start().unwrap();
        let server = redis.server.as_mut().unwrap();
        assert!(!server.end_of_unwatched().unwrap().success());
    }
}
