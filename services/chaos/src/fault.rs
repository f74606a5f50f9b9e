//! What can be broken: the kinds, how often each is drawn, and who inflicts it.
//!
//! [`deck`] draws them from the seed and [`campaign`] asks for them; [`process`], [`network`] and [`store`] inflict
//! them, each on a realm of its own, so that two faults of different realms may overlap.

pub mod campaign;
pub mod deck;
mod network;
mod process;
mod store;

use crate::error::ChaosError;
use crate::installation::Installation;
use crate::ledger::fault::Fault;
use crate::options::Profile;
use fastrand::Rng;

/// What a fault breaks; two of one realm never overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Realm {
    /// Processes of Millstream.
    Process,
    /// Links.
    Network,
    /// Redis, its disk and its clock.
    Store,
    /// Nothing: it is observed, not inflicted.
    Machine,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $realm:ident, $weight:literal, $repeats:literal;)+) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $variant,)+ }

        impl Kind {
            /// Every kind, in the order of the report.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What it breaks.
            pub const fn realm(self) -> Realm {
                match self { $(Self::$variant => Realm::$realm),+ }
            }

            /// How many cards of a deck are of this kind.
            const fn weight(self) -> usize {
                match self { $(Self::$variant => $weight),+ }
            }

            /// Whether it may make a run be repeated; what may not explains no duplicate.
            pub const fn repeats_runs(self) -> bool {
                match self { $(Self::$variant => $repeats),+ }
            }
        }
    };
}

kinds! {
    /// SIGKILL of one worker. Each interrupts two runs or so, and twenty restarts have to be told in 240 s.
    KillWorker = "kill-worker", Process, 14, true;
    /// SIGKILL of all workers at once.
    KillEveryWorker = "kill-every-worker", Process, 1, true;
    /// SIGKILL of a worker, and again within a second.
    KillTwice = "kill-twice", Process, 2, true;
    /// SIGTERM of a worker.
    EndWorker = "end-worker", Process, 1, true;
    /// SIGKILL of a projector.
    KillProjector = "kill-projector", Process, 2, false;
    /// SIGKILL of an orchestrator.
    KillOrchestrator = "kill-orchestrator", Process, 2, false;
    /// SIGSTOP of a worker for longer than its lease: the zombie.
    StopWorker = "stop-worker", Process, 4, true;
    /// SIGSTOP of a projector.
    StopProjector = "stop-projector", Process, 1, false;
    /// SIGSTOP of an orchestrator.
    StopOrchestrator = "stop-orchestrator", Process, 1, false;
    /// Nothing goes between a worker and Redis.
    PartitionWorker = "partition-worker", Network, 2, true;
    /// Nothing goes between an orchestrator and Redis.
    PartitionOrchestrator = "partition-orchestrator", Network, 1, false;
    /// Nothing goes between a projector and Redis.
    PartitionProjector = "partition-projector", Network, 1, false;
    /// Replies of Redis are lost on the way.
    HalfOpen = "half-open", Network, 2, true;
    /// Requests to Redis are lost on the way.
    Deaf = "deaf", Network, 1, true;
    /// Replies of Redis are cut in their middle.
    CutReplies = "cut-replies", Network, 2, true;
    /// Answers of the API are cut in their middle.
    CutAnswers = "cut-answers", Network, 2, false;
    /// Everything comes late.
    Delay = "delay", Network, 1, true;
    /// Everything comes slowly.
    Throttle = "throttle", Network, 1, true;
    /// Connections are reset, again and again.
    ResetStorm = "reset-storm", Network, 1, true;
    /// New connections are refused.
    Refuse = "refuse", Network, 1, true;
    /// SIGKILL of Redis.
    KillRedis = "kill-redis", Store, 2, true;
    /// SIGKILL of Redis, and again while everybody recovers from that.
    KillRedisTwice = "kill-redis-twice", Store, 1, true;
    /// SIGKILL of everything at once, as where a host loses its power; each comes back in its own time.
    Blackout = "blackout", Store, 1, true;
    /// SIGKILL of Redis while it rewrites its append-only file.
    KillInRewrite = "kill-in-rewrite", Store, 1, true;
    /// SIGKILL of Redis, and what it had not synced is gone.
    PowerLoss = "power-loss", Store, 2, true;
    /// SIGSTOP of Redis.
    StopRedis = "stop-redis", Store, 1, true;
    /// Redis has no memory left.
    OutOfMemory = "out-of-memory", Store, 2, true;
    /// Redis forgets its scripts.
    ScriptFlush = "script-flush", Store, 1, false;
    /// The clock of Redis jumps and comes back.
    ClockJump = "clock-jump", Store, 2, true;
    /// The clock of Redis jumps forward and stays there.
    ClockStep = "clock-step", Store, 1, true;
    /// Someone empties Redis.
    FlushAll = "flushall", Store, 4, true;
    /// The disk of Redis is full.
    DiskFull = "disk-full", Store, 4, true;
    /// The machine held the harness up for longer than a fifth of a lease.
    MachineStall = "machine-stall", Machine, 0, true;
    /// Redis did not answer the harness for longer than a fifth of a lease, although nobody had touched it.
    RedisStall = "redis-stall", Machine, 0, true;
    /// A worker got no time or no answer for longer than a fifth of a lease, although nothing had touched it.
    WorkerStall = "worker-stall", Machine, 0, true;
    /// A process of Millstream ended by itself.
    OwnExit = "own-exit", Machine, 0, true;
}

impl Kind {
    /// How many blows one fault of it is: each may be a crash of its own.
    pub fn blows(self) -> usize {
        if matches!(self, Self::KillTwice | Self::KillRedisTwice) { 2 } else { 1 }
    }

    /// Whether something stood still by itself.
    pub fn is_stall(self) -> bool {
        matches!(self, Self::MachineStall | Self::RedisStall | Self::WorkerStall)
    }

    /// The kinds that a profile inflicts.
    pub fn of(profile: Profile) -> Vec<Self> {
        let belongs = |kind: &Self| match kind {
            Self::FlushAll => profile == Profile::Flushall,
            Self::DiskFull => profile == Profile::Diskfull,
            kind => kind.realm() != Realm::Machine,
        };
        Self::ALL.iter().copied().filter(belongs).collect()
    }
}

/// Inflicts a fault and heals it; answers what is to be known of it.
pub async fn inflict(kind: Kind, installation: &Installation, rng: &mut Rng) -> Result<Fault, ChaosError> {
    match kind.realm() {
        Realm::Process => process::inflict(kind, installation, rng).await,
        Realm::Network => network::inflict(kind, installation, rng).await,
        Realm::Store | Realm::Machine => store::inflict(kind, installation, rng).await,
    }
}
