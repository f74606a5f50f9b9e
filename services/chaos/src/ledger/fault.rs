//! The fault log: what was broken, whose it was, from when to when, and whether it hit anything.

use crate::clock::Moment;
use crate::fault::Kind;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was done.
    pub kind: Kind,
    /// To whom.
    pub targets: Vec<String>,
    /// The processes that were killed or stopped.
    pub pids: Vec<u32>,
    /// From when.
    pub from: Moment,
    /// Until when: healed, going on, or started again.
    pub to: Moment,
    /// How much it hit; 0 is a blow into the air.
    pub hits: u64,
    /// What was written from then on was not synced; of a power loss only, and `None` if nobody knows.
    pub lost_from: Option<Moment>,
    /// What else is to be known.
    pub note: String,
}

impl Fault {
    /// Whether it shares a moment with `from` to `to`, give or take `slack` ms.
    pub fn meets(&self, from: Moment, to: Moment, slack: u64) -> bool {
        self.from.saturating_sub(slack) <= to && from <= self.to.saturating_add(slack)
    }

    /// Whether it can make a run on `worker` in process `pid` be repeated.
    pub fn reaches(&self, worker: &str, pid: u32) -> bool {
        let is_all = self.targets.iter().any(|target| target == "redis");
        is_all || self.pids.contains(&pid) || self.targets.iter().any(|target| target == worker)
    }

    /// The line as it is appended.
    pub fn encode(&self) -> String {
        let Self { kind, targets, pids, from, to, hits, note, .. } = self;
        let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
        let (targets, pids) = (targets.join(","), pids.join(","));
        format!("{from} {to} {} {targets} pids={pids} hits={hits} {note}", kind.as_str())
    }
}
