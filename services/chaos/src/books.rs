//! Everything a verdict is made from: the ledgers, and Redis at rest. Plain values, so that every law is a pure
//! function.

use crate::clock::Moment;
use crate::fault::{Kind, Realm};
use crate::installation::LEASE_MS;
use crate::ledger::effect::Effect;
use crate::ledger::fault::Fault;
use crate::ledger::run::{Fence, Run};
use crate::ledger::sighting::Sighting;
use crate::ledger::submission::{Reopening, Submission, Try};
use crate::ledger::telling::Telling;
use crate::options::Profile;
use crate::snapshot::Snapshot;
use crate::workload::canary::Song;
use crate::workload::order::Script;
use std::collections::HashMap;

/// What `everysec` may lose, in ms before the power fails: a second, and the second that a write may wait for a sync.
/// It may be more where the clock of Redis was turned, or it was killed before. What the shim saw counts.
pub const WINDOW_MS: u64 = 2_000;

/// The books of one run.
#[derive(Debug, Clone)]
pub struct Books {
    /// What was promised.
    pub profile: Profile,
    /// What clients asked for and were told.
    pub submissions: Vec<Submission>,
    /// What clients asked to run again after its end.
    pub reopenings: Vec<Reopening>,
    /// What ran.
    pub runs: Vec<Run>,
    /// What took effect.
    pub effects: Vec<Effect>,
    /// Outcomes that came too late, and that a script refused, as the logs of the workers tell.
    pub refused_outcomes: usize,
    /// What readers saw.
    pub sightings: Vec<Sighting>,
    /// What was broken.
    pub faults: Vec<Fault>,
    /// The canary's.
    pub songs: Vec<Song>,
    /// When the last submission had been sent and everything was healed.
    pub healed_at: Moment,
    /// Why it could not be healed in the end; then Redis could not be read at rest, and only the ledgers are judged.
    pub unhealed: Option<String>,
    /// How long it then took until nothing was left to do; `None` if that did not happen in time.
    pub drained_ms: Option<u64>,
    /// What `millstream audit` found.
    pub audit: Vec<String>,
    /// What each orchestrator told of losses of everything.
    pub tellings: Vec<Telling>,
    /// Redis at rest.
    pub snapshot: Snapshot,
}

/// Runs of one subtask, in the order of their fences.
pub type Subtasks<'a> = HashMap<(&'a str, u32), Vec<&'a Run>>;

impl Books {
    /// Runs by subtask.
    pub fn subtasks(&self) -> Subtasks<'_> {
        let mut subtasks = Subtasks::new();
        for run in &self.runs {
            subtasks.entry((&run.task_id, run.index)).or_default().push(run);
        }
        for runs in subtasks.values_mut() {
            // Where what was acknowledged may be lost, an earlier entry may be handed out again after a later one.
            match self.profile.is_lossless() {
                true => runs.sort_by_key(|run| (run.fence, run.from)),
                false => runs.sort_by_key(|run| run.from),
            }
        }
        subtasks
    }

    /// The order of a number.
    pub fn order(&self, seq: u64) -> Option<&Submission> {
        self.submissions.binary_search_by_key(&seq, |one| one.seq).ok().map(|at| &self.submissions[at])
    }

    /// What a subtask of an order was to do.
    pub fn script(&self, seq: u64, index: u32) -> Option<&Script> {
        self.order(seq)?.scripts.get(index as usize)
    }

    /// Whether a clock was turned between two moments.
    pub fn is_clock_turned(&self, from: Moment, to: Moment) -> bool {
        let turned = |fault: &&Fault| matches!(fault.kind, Kind::ClockJump | Kind::ClockStep);
        self.inflicted().filter(turned).any(|fault| fault.meets(from, to, LEASE_MS))
    }

    /// Whether something held a run up between two moments, on purpose or not.
    pub fn is_held_up(&self, run: &Run, from: Moment, to: Moment) -> bool {
        self.faults.iter().any(|fault| fault.reaches(&run.worker, run.pid) && fault.meets(from, to, 0))
    }

    /// Faults that were inflicted, not observed.
    pub fn inflicted(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| fault.kind.realm() != Realm::Machine)
    }

    /// Whether what was sent and acknowledged then may be gone, by what the profile says.
    pub fn may_be_gone(&self, sent_at: Moment, acknowledged_at: Moment) -> bool {
        self.inflicted().any(|fault| match (self.profile, fault.kind) {
            (Profile::Everysec, Kind::PowerLoss) => {
                acknowledged_at >= lost_from(fault) && sent_at <= fault.from + LEASE_MS / 10
            }
            (Profile::Flushall, Kind::FlushAll) => sent_at <= fault.to,
            _ => false,
        })
    }

    /// Whether between two moments time may have gone back for a reader, by what the profile says.
    pub fn may_go_back(&self, from: Moment, to: Moment) -> bool {
        let loses = |fault: &Fault| match fault.kind {
            Kind::PowerLoss => self.profile == Profile::Everysec,
            Kind::FlushAll => self.profile == Profile::Flushall,
            _ => false,
        };
        let reaches = |fault: &Fault| lost_from(fault).saturating_sub(WINDOW_MS) <= to && from <= fault.to + WINDOW_MS;
        self.inflicted().any(|fault| loses(fault) && reaches(fault))
    }

    /// Whether the key of an order may have been free again when another try of it was answered.
    pub fn key_may_be_gone(&self, order: &Submission, by: &Try) -> bool {
        order.sent_at().is_some_and(|first| self.may_be_gone(first, by.to))
    }

    /// The part of a time in which the machine or Redis stood still by itself.
    pub fn stalled(&self, from: Moment, to: Moment) -> f64 {
        self.stalled_ms((from, to), 0, |kind| matches!(kind, Kind::MachineStall | Kind::RedisStall)) as f64
            / to.saturating_sub(from).max(1) as f64
    }

    /// How long in a time some of these stalls went on, each taken to be `slack` ms longer on both sides.
    pub fn stalled_ms(&self, (from, to): (Moment, Moment), slack: u64, counts: fn(Kind) -> bool) -> u64 {
        let mut stalls: Vec<(Moment, Moment)> = self
            .faults
            .iter()
            .filter(|fault| counts(fault.kind))
            .map(|stall| (stall.from.saturating_sub(slack).max(from), (stall.to + slack).min(to)))
            .collect();
        stalls.sort_unstable();
        let (mut sum, mut seen) = (0, from);
        for (start, end) in stalls {
            sum += end.saturating_sub(start.max(seen));
            seen = seen.max(end);
        }
        sum
    }

    /// What was asked to run again, by task.
    pub fn reopened(&self) -> HashMap<&str, Vec<&Reopening>> {
        let mut reopened: HashMap<&str, Vec<&Reopening>> = HashMap::new();
        for one in &self.reopenings {
            reopened.entry(&one.task_id).or_default().push(one);
        }
        reopened
    }

    /// The greatest fence under which a subtask ran.
    pub fn greatest_fence(runs: &[&Run]) -> Option<Fence> {
        runs.iter().map(|run| run.fence).max()
    }
}

/// From when on what was written may be gone with a fault.
fn lost_from(fault: &Fault) -> Moment {
    match fault.kind {
        Kind::PowerLoss => fault.lost_from.unwrap_or(fault.from.saturating_sub(WINDOW_MS)),
        _ => fault.from,
    }
}
