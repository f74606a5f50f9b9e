//! One process of the real binary: started with settings, listened to, signalled, and gone with the test.
//!
//! Its environment is PATH, its settings and a mark, so that a test finds the descendants it left behind. Beside it
//! stands a watcher, a shell that reads from a pipe held by this process: whichever way the test ends, the pipe closes
//! and the process is killed.

mod log;
mod mark;

pub use log::Log;
pub use mark::Mark;
pub use rustix::process::Signal;

use crate::{binary, eventually};
use log::Stream;
use rustix::process::{Pid, kill_process};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Duration;

/// Names and values of settings.
pub type Settings = BTreeMap<String, String>;

/// A started process; killed when dropped with all its descendants, and then its last lines are shown if the test
/// failed.
pub struct Process {
    name: String,
    child: Mutex<Child>,
    pid: u32,
    settings: Settings,
    watcher: Child,
    log: Log,
    readers: Vec<JoinHandle<()>>,
    mark: Mark,
}

/// How a sub-command ended and what it said.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Its stdout.
    pub out: String,
    /// Its stderr.
    pub err: String,
}

/// Runs `millstream <arguments>` to its end, which must come within a minute.
pub fn run(arguments: &[&str], settings: &Settings, directory: &Path) -> Finished {
    let mut process = Process::start(&arguments.join(" "), arguments, settings, directory);
    let code = process.wait_exit(Duration::from_secs(60)).code();
    for reader in process.readers.drain(..) {
        reader.join().expect("a reader ends with its stream");
    }
    Finished { code, out: process.log.of(Stream::Out), err: process.log.of(Stream::Err) }
}

impl Process {
    /// Starts `millstream <arguments>` in `directory`.
    pub fn start(name: &str, arguments: &[&str], settings: &Settings, directory: &Path) -> Self {
        let mark = Mark::new(directory);
        let (mark_name, mark_value) = mark.variable();
        let mut child = Command::new(binary::millstream())
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env(mark_name, mark_value)
            .envs(settings)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("millstream starts");
        let pid = child.id();
        let watcher = Command::new("sh")
            .args(["-c", "read -r _; kill -9 \"$0\" 2>/dev/null", &pid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell starts");
        let log = Log::default();
        let readers = vec![
            log.read(Stream::Out, child.stdout.take().expect("its stdout is piped")),
            log.read(Stream::Err, child.stderr.take().expect("its stderr is piped")),
        ];
        Self {
            name: name.to_owned(),
            child: Mutex::new(child),
            pid,
            settings: settings.clone(),
            watcher,
            log,
            readers,
            mark,
        }
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it was told.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What it has said, on both streams.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// What tells it and its descendants from all other processes.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Waits for a line that contains `text`; panics when `deadline` passes or when the process ended without it.
    pub fn wait_line(&self, deadline: Duration, text: &str) -> String {
        let found = eventually::within(deadline, || {
            let has_ended = self.try_exit().is_some() && self.readers.iter().all(JoinHandle::is_finished);
            let line = self.log.find(text);
            (line.is_some() || has_ended).then_some(line)
        });
        match found {
            Some(Some(line)) => line,
            Some(None) => panic!("{} ended without a line that contains {text:?}", self.name),
            None => panic!("{} said nothing with {text:?} within {deadline:?}", self.name),
        }
    }

    /// Sends a signal to this process alone.
    pub fn signal(&self, signal: Signal) {
        if self.try_exit().is_none() {
            send(self.pid, signal);
        }
    }

    /// Kills it with SIGKILL and waits for its end.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        self.wait_exit(Duration::from_secs(10));
    }

    /// Freezes it with SIGSTOP; returns once the kernel says that it is stopped.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        eventually::eventually(Duration::from_secs(10), "the process is stopped", || {
            is_stopped(self.pid).then_some(())
        });
    }

    /// Lets it go on after [`Process::stop`].
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// How it ended, if it has.
    pub fn try_exit(&self) -> Option<ExitStatus> {
        self.child.lock().expect("no one panics with it").try_wait().expect("a child can be asked")
    }

    /// Waits for its end; panics when `deadline` passes.
    pub fn wait_exit(&self, deadline: Duration) -> ExitStatus {
        eventually::eventually(deadline, &format!("{} ends", self.name), || self.try_exit())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The watcher first: it must not outlive the pid that it knows.
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        if self.try_exit().is_none() {
            send(self.pid, Signal::KILL);
            let _ = self.child.get_mut().expect("no one panics with it").wait();
        }
        for (pid, _) in self.mark.bearers() {
            send(pid, Signal::KILL); // what it left behind
        }
        if std::thread::panicking() {
            eprintln!("--- the last lines of {} (pid {}):\n{}", self.name, self.pid, self.log.tail(40));
        }
    }
}

/// Sends a signal to one process; one that has gone is no error.
pub fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid");
    let _ = kill_process(pid, signal);
}

/// Whether every thread of a process is stopped.
fn is_stopped(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    })
}
