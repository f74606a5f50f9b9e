//! One supervised process: started, ended or stopped on purpose, and started again whatever became of it.

use crate::clock::{Moment, now};
use crate::error::{ChaosError, io};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use system_tests::process::{Signal, send};

/// The pause before a process that ended by itself is started again, in ms.
const PAUSE_MS: u64 = 300;

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The database.
    Redis,
    /// The API.
    Orchestrator,
    /// Folds facts.
    Projector,
    /// Runs subtasks, with the handlers of this harness.
    Worker,
    /// Remembers effects; never harmed.
    Sink,
}

/// One process and its end.
#[derive(Debug, Clone)]
pub struct Life {
    /// Whose.
    pub member: String,
    /// Its pid.
    pub pid: u32,
    /// When its end was seen.
    pub to: Option<Moment>,
    /// Whether the harness ended it.
    pub is_ended_by_us: bool,
    /// How it ended.
    pub end: String,
}

/// A process that is to run.
pub struct Member {
    /// Its name, once in an installation.
    pub name: String,
    /// What it is for.
    pub role: Role,
    log: PathBuf,
    recipe: Recipe,
    state: Mutex<State>,
}

type Recipe = Box<dyn Fn() -> Command + Send + Sync>;

struct State {
    child: Option<Child>,
    lives: Vec<Life>,
    /// When to start it if it does not run; `None` keeps it down.
    start_at: Option<Moment>,
    /// Set when the harness ends it: when to start it again, if at all.
    restart_at: Option<Option<Moment>>,
}

impl Member {
    /// A process that is started at the next look; `recipe` is its command line, `folder` takes its log.
    pub fn new(name: &str, role: Role, folder: &Path, recipe: impl Fn() -> Command + Send + Sync + 'static) -> Self {
        let state = State { child: None, lives: Vec::new(), start_at: Some(0), restart_at: None };
        let log = folder.join(format!("{name}.log"));
        Self { name: name.to_owned(), role, log, recipe: Box::new(recipe), state: Mutex::new(state) }
    }

    /// Looks once: notes an end, and starts it when its time has come.
    pub fn look(&self) -> Result<(), ChaosError> {
        let mut state = self.lock();
        state.reap();
        let is_due = state.start_at.is_some_and(|at| at <= now());
        if state.child.is_none() && is_due {
            let child = self.spawn()?;
            let (member, pid) = (self.name.clone(), child.id());
            let life = Life { member, pid, to: None, is_ended_by_us: false, end: String::new() };
            state.lives.push(life);
            state.child = Some(child);
            state.start_at = None;
        }
        Ok(())
    }

    /// Sends SIGKILL or SIGTERM and says when to start it again: at that moment, or not before [`Member::release`].
    /// Answers the pid; `None` if it did not run.
    pub fn end(&self, signal: Signal, restart_at: Option<Moment>) -> Option<u32> {
        let mut state = self.lock();
        state.reap();
        if let Some(child) = &state.child {
            let pid = child.id();
            send(pid, signal);
            state.restart_at = Some(restart_at);
            return Some(pid);
        }
        state.start_at = restart_at;
        None
    }

    /// Lets a process that was ended for good be started at the next look.
    pub fn release(&self) {
        let mut state = self.lock();
        state.restart_at = state.restart_at.map(|_| Some(0));
        if state.child.is_none() {
            state.start_at = Some(0);
        }
    }

    /// Sends SIGSTOP or SIGCONT; answers the pid, `None` if it does not run.
    pub fn signal(&self, signal: Signal) -> Option<u32> {
        let mut state = self.lock();
        state.reap();
        let pid = state.child.as_ref().map(Child::id)?;
        send(pid, signal);
        Some(pid)
    }

    /// Its pid while it runs.
    pub fn pid(&self) -> Option<u32> {
        let mut state = self.lock();
        state.reap();
        state.child.as_ref().map(Child::id)
    }

    /// Every process it has been so far.
    pub fn lives(&self) -> Vec<Life> {
        self.lock().lives.clone()
    }

    fn spawn(&self) -> Result<Child, ChaosError> {
        let open = || OpenOptions::new().create(true).append(true).open(&self.log);
        let (out, err) = (open(), open());
        let log = |file: std::io::Result<_>| file.map_err(io(format!("opening the log of {}", self.name)));
        let mut command = (self.recipe)();
        command.stdin(Stdio::null()).stdout(log(out)?).stderr(log(err)?);
        command.spawn().map_err(io(format!("starting {}", self.name)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes the end of the process, if it has come.
    fn reap(&mut self) {
        let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten()) else { return };
        self.child = None;
        let ended_by_us = self.restart_at.take();
        self.start_at = ended_by_us.unwrap_or(Some(now() + PAUSE_MS));
        if let Some(life) = self.lives.last_mut() {
            life.close(status, ended_by_us.is_some());
        }
    }
}

impl Life {
    fn close(&mut self, status: ExitStatus, is_ended_by_us: bool) {
        self.to = Some(now());
        self.is_ended_by_us = is_ended_by_us;
        self.end = status.to_string();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn sleeper(folder: &Path, seconds: &'static str) -> Member {
        Member::new("sleeper", Role::Worker, folder, move || {
            let mut command = Command::new("sleep");
            command.arg(seconds);
            command
        })
    }

    fn until(member: &Member, condition: impl Fn(&Member) -> bool) {
        for _ in 0..1_000 {
            member.look().unwrap();
            if condition(member) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("not within 5 s");
    }

    #[test]
    fn what_is_killed_stays_down_until_it_is_released() {
        let folder = tempfile::tempdir().unwrap();
        let member = sleeper(folder.path(), "60");
        member.look().unwrap();
        let pid = member.end(Signal::KILL, None).unwrap();
        until(&member, |member| member.pid().is_none());
        member.look().unwrap();
        assert_eq!(member.pid(), None);
        member.release();
        until(&member, |member| member.pid().is_some_and(|new| new != pid));
        let lives = member.lives();
        assert!(lives.len() == 2 && lives[0].is_ended_by_us && lives[0].end.contains("signal: 9"), "{lives:?}");
        member.end(Signal::KILL, None);
        until(&member, |member| member.pid().is_none());
    }

    #[test]
    fn what_ends_by_itself_is_started_again_and_noted() {
        let folder = tempfile::tempdir().unwrap();
        let member = sleeper(folder.path(), "0");
        until(&member, |member| member.lives().len() > 1);
        assert!(!member.lives()[0].is_ended_by_us);
    }
}
