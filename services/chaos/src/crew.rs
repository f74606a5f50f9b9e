//! Everyone who works beside the installation during a run: clients, readers, the canary, the watchers; and what they
//! leave behind as evidence.

use crate::error::{ChaosError, io};
use crate::fault::Kind;
use crate::installation::Installation;
use crate::ledger::effect::Effect;
use crate::ledger::fault::Fault;
use crate::ledger::run::{self, Line, Run};
use crate::ledger::telling::Telling;
use crate::ledger::{self, Lines};
use crate::member::{Life, Role};
use crate::options::Options;
use crate::scribe::Scribe;
use crate::sink;
use crate::stall::{Stalls, own};
use crate::workhand::LEDGER_ENDING;
use crate::workload::canary::Canary;
use crate::workload::client::Client;
use crate::workload::exhumer;
use crate::workload::inquirer::Inquirer;
use crate::workload::load::Load;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// All of them at work.
pub struct Crew {
    /// Keeps the ledger of the clients.
    pub client: Arc<Client>,
    /// Sings.
    pub canary: Arc<Canary>,
    /// Copies the log.
    pub scribe: Arc<Scribe>,
    load: Arc<Load>,
    inquirer: Arc<Inquirer>,
    stalls: Arc<Stalls>,
    sending: CancellationToken,
    watching: CancellationToken,
    at_work: Vec<JoinHandle<()>>,
}

/// What was written down outside of this process, and what the kernel says.
pub struct Evidence {
    /// Every run of a handler.
    pub runs: Vec<Run>,
    /// Every request to the sink.
    pub effects: Vec<Effect>,
    /// Outcomes that a script refused.
    pub refused_outcomes: usize,
    /// Every fault, inflicted or seen.
    pub faults: Vec<Fault>,
}

impl Crew {
    /// Sends them to work.
    pub fn start(options: &Options, installation: &Installation, folder: &Path) -> Result<Self, ChaosError> {
        let client = Arc::new(Client::new(installation.addresses(), options.seed, folder)?);
        let (sending, watching) = (CancellationToken::new(), CancellationToken::new());
        let (load, canary) = (Arc::new(Load::default()), Arc::new(Canary::default()));
        let (stalls, scribe) = (Arc::new(Stalls::default()), Arc::new(Scribe::default()));
        stalls.watch(installation.quiet, Lines::open(&folder.join("stalls.ledger"))?, &watching);
        scribe.start(installation.probe, folder, &watching)?;
        let inquirer = Arc::new(Inquirer::default());
        let mut at_work = vec![
            tokio::spawn(load.clone().run(client.clone(), options.rate, sending.clone())),
            tokio::spawn(canary.clone().run(client.clone(), sending.clone())),
            tokio::spawn(exhumer::run(client.clone(), sending.clone())),
        ];
        for number in 1..=installation.doors.len() {
            at_work.push(tokio::spawn(inquirer.clone().run(client.clone(), number, sending.clone())));
        }
        Ok(Self { client, canary, scribe, load, inquirer, stalls, sending, watching, at_work })
    }

    /// No more orders.
    pub fn stop_sending(&self) {
        self.sending.cancel();
    }

    /// Waits until every client has its answer.
    pub async fn wait(&mut self) -> Result<(), ChaosError> {
        for ended in self.at_work.drain(..) {
            ended.await.map_err(|error| ChaosError::Setup(error.to_string()))?;
        }
        Ok(())
    }

    /// The watchers may go home.
    pub fn stop_watching(&self) {
        self.watching.cancel();
    }

    /// Orders that were not sent because too many clients waited.
    pub fn left_out(&self) -> u64 {
        self.load.left_out.load(Ordering::Relaxed)
    }

    /// What orchestrators told of losses of everything.
    pub fn tellings(&self) -> Vec<Telling> {
        self.inquirer.tellings()
    }

    /// Reads the ledgers of the other processes; adds to the faults what broke by itself.
    pub fn evidence(
        &self,
        installation: &Installation,
        folder: &Path,
        mut faults: Vec<Fault>,
    ) -> Result<Evidence, ChaosError> {
        let mut lines = Vec::new();
        for worker in installation.of(Role::Worker) {
            lines.extend(ledger::read(&folder.join(format!("{}{LEDGER_ENDING}", worker.name)), Line::decode)?);
        }
        let mut stalls = self.stalls.seen();
        stalls.extend(lines.iter().filter_map(starved));
        let runs = run::join(lines);
        count_interrupted(&mut faults, &runs);
        faults.extend(own(stalls, &faults));
        faults.extend(installation.lives().iter().filter_map(own_exit));
        let effects = ledger::read(&folder.join(sink::LEDGER), Effect::decode)?;
        let mut refused_outcomes = 0;
        for worker in installation.of(Role::Worker) {
            let log = std::fs::read(folder.join(format!("{}.log", worker.name)));
            let log = log.map_err(io(format!("reading the log of {}", worker.name)))?;
            refused_outcomes += String::from_utf8_lossy(&log).lines().filter(|line| line.contains(LATE)).count();
        }
        Ok(Evidence { runs, effects, refused_outcomes, faults })
    }
}

/// What a worker logs when a script refuses an outcome because another attempt has the right to record one.
const LATE: &str = "stale: another attempt has the right";

/// What a worker was doing when it was killed or stopped is what the fault hit.
fn count_interrupted(faults: &mut [Fault], runs: &[Run]) {
    let on_workers = [Kind::KillWorker, Kind::KillEveryWorker, Kind::KillTwice, Kind::StopWorker];
    for fault in faults.iter_mut().filter(|fault| on_workers.contains(&fault.kind)) {
        let is_hit = |run: &&Run| {
            let until = run.end.map_or(u64::MAX, |(at, _)| at);
            fault.pids.contains(&run.pid) && run.from <= fault.to && until >= fault.from
        };
        fault.hits = runs.iter().filter(is_hit).count() as u64;
    }
}

/// A worker that got no time from the machine, or no answer from Redis.
fn starved(line: &Line) -> Option<Fault> {
    let Line::Starved { pid, worker, from, to } = line else { return None };
    let (targets, note) = (vec![worker.clone()], format!("{} ms", to - from));
    Some(Fault {
        kind: Kind::WorkerStall,
        targets,
        pids: vec![*pid],
        from: *from,
        to: *to,
        hits: 1,
        lost_from: None,
        note,
    })
}

/// A process that ended although nobody had told it to.
fn own_exit(life: &Life) -> Option<Fault> {
    let to = life.to.filter(|_| !life.is_ended_by_us)?;
    let targets = vec![life.member.clone()];
    let note = format!("{} {}", life.member, life.end);
    Some(Fault { kind: Kind::OwnExit, targets, pids: vec![life.pid], from: to, to, hits: 1, lost_from: None, note })
}
