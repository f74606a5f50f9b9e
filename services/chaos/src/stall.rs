//! Watches the machine and Redis for moments in which they stood still without being told to. Such a moment can cost a
//! lease like a fault, so it is known by name and counted apart, never mixed with what was inflicted.

use crate::clock::{Moment, now};
use crate::fault::Kind;
use crate::installation::LEASE_MS;
use crate::ledger::Lines;
use crate::ledger::fault::Fault;
use crate::probe::Probe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What makes a late tick a stall: a renewal that takes a quarter of a lease is given up, so a little less than that.
const STALL_MS: u64 = LEASE_MS / 5;
const TICK: Duration = Duration::from_millis(20);
const PING_EVERY: Duration = Duration::from_millis(50);

/// Calls `note` with each time in which this thread was to run and did not, until `stop` says so; blocks.
pub fn watch_time(stop: impl Fn() -> bool, note: impl Fn(Moment, Moment)) {
    let mut last = now();
    while !stop() {
        std::thread::sleep(TICK);
        let at = now();
        if at - last > STALL_MS {
            note(last, at);
        }
        last = at;
    }
}

/// Stalls so far.
#[derive(Default)]
pub struct Stalls(Mutex<Vec<Fault>>);

impl Stalls {
    /// Watches until `over`: the machine from a thread of its own, Redis by asking it.
    pub fn watch(self: &Arc<Self>, probe: Probe, log: Lines, over: &CancellationToken) {
        let log = Arc::new(log);
        let (stalls, stop, lines) = (self.clone(), over.clone(), log.clone());
        std::thread::spawn(move || {
            let note = |from, to| stalls.note(Kind::MachineStall, from, to, &lines);
            watch_time(|| stop.is_cancelled(), note);
        });
        let (stalls, stop, lines) = (self.clone(), over.clone(), log);
        tokio::spawn(async move {
            while !stop.is_cancelled() {
                let asked = now();
                let _ = probe.command(&["PING"]).await;
                if now() - asked > STALL_MS {
                    stalls.note(Kind::RedisStall, asked, now(), &lines);
                }
                tokio::time::sleep(PING_EVERY).await;
            }
        });
    }

    /// Those of the machine, and those of Redis that met nothing inflicted on it that would hold it up.
    pub fn seen(&self, inflicted: &[Fault]) -> Vec<Fault> {
        let on_redis = |fault: &&Fault| fault.kind.repeats_runs() && fault.targets.iter().any(|name| name == "redis");
        let on_redis: Vec<&Fault> = inflicted.iter().filter(on_redis).collect();
        let is_own = |stall: &Fault| {
            stall.kind == Kind::MachineStall
                || !on_redis.iter().any(|fault| fault.meets(stall.from, stall.to, LEASE_MS))
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|one| is_own(one)).cloned().collect()
    }

    fn note(&self, kind: Kind, from: Moment, to: Moment, log: &Lines) {
        let note = format!("{} ms", to - from);
        // Whatever stands still for all reaches every run.
        let stall = Fault { kind, targets: vec!["redis".to_owned()], pids: Vec::new(), from, to, hits: 1, note };
        let _ = log.write(&stall.encode()); // without it the run is judged all the same
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(stall);
    }
}
