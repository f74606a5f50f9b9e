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
pub const STALL_MS: u64 = LEASE_MS / 5;
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

/// Leaves out what met a fault that would hold up the same: that was no stall.
pub fn own(stalls: Vec<Fault>, inflicted: &[Fault]) -> Vec<Fault> {
    let causes: Vec<&Fault> = inflicted.iter().filter(|fault| fault.kind.repeats_runs()).collect();
    let concerns = |fault: &Fault, stall: &Fault| {
        fault.targets.iter().any(|target| target == "redis" || stall.targets.contains(target))
    };
    let is_own = |stall: &Fault| {
        let met = |fault: &&Fault| concerns(fault, stall) && fault.meets(stall.from, stall.to, LEASE_MS);
        stall.kind == Kind::MachineStall || !causes.iter().any(met)
    };
    stalls.into_iter().filter(is_own).collect()
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

    /// Those that the harness saw.
    pub fn seen(&self) -> Vec<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, kind: Kind, from: Moment, to: Moment, log: &Lines) {
        let note = format!("{} ms", to - from);
        // Whatever stands still for all reaches every run.
        let stall = Fault {
            kind,
            targets: vec!["redis".to_owned()],
            pids: Vec::new(),
            from,
            to,
            hits: 1,
            lost_from: None,
            note,
        };
        let _ = log.write(&stall.encode()); // without it the run is judged all the same
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(stall);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: Kind, target: &str, from: Moment) -> Fault {
        let targets = vec![target.to_owned()];
        Fault { kind, targets, pids: Vec::new(), from, to: from + 100, hits: 1, lost_from: None, note: String::new() }
    }

    #[test]
    fn what_a_fault_held_up_is_no_stall_and_what_stood_still_beside_another_is() {
        let left = |stall, inflicted: &[Fault]| own(vec![stall], inflicted).len();
        let slow = || fault(Kind::WorkerStall, "worker-1", 5_000);
        assert_eq!(left(slow(), &[fault(Kind::PartitionWorker, "worker-1", 4_500)]), 0);
        assert_eq!(left(slow(), &[fault(Kind::KillRedis, "redis", 4_500)]), 0);
        assert_eq!(left(slow(), &[fault(Kind::PartitionWorker, "worker-2", 4_500)]), 1);
        assert_eq!(left(slow(), &[fault(Kind::ScriptFlush, "redis", 5_000)]), 1);
        assert_eq!(left(slow(), &[fault(Kind::KillRedis, "redis", 2_000)]), 1);
        assert_eq!(left(fault(Kind::MachineStall, "redis", 5_000), &[fault(Kind::KillRedis, "redis", 5_000)]), 1);
    }

    #[test]
    fn a_thread_that_slept_too_long_is_noted() {
        let seen = Mutex::new(Vec::new());
        watch_time(
            || {
                let count = seen.lock().unwrap().len();
                if count == 0 {
                    std::thread::sleep(Duration::from_millis(STALL_MS + 50));
                }
                count > 0
            },
            |from, to| seen.lock().unwrap().push(to - from),
        );
        assert!(seen.lock().unwrap()[0] > STALL_MS);
    }
}
