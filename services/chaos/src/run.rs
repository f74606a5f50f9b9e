//! `chaos run`: builds the installation, lets the load run, breaks things for as long as it was told, heals, drains, and
//! judges.

use crate::books::Books;
use crate::clock::now;
use crate::drain;
use crate::error::{ChaosError, io};
use crate::fault::deck::{Deck, Hand};
use crate::fault::{Kind, inflict};
use crate::installation::Installation;
use crate::ledger::effect::Effect;
use crate::ledger::fault::Fault;
use crate::ledger::run::{self, Line, Run};
use crate::ledger::{self, Lines};
use crate::member::{Life, Role};
use crate::options::{Options, Profile};
use crate::report::{self, Circumstances};
use crate::scribe::Scribe;
use crate::sink;
use crate::snapshot;
use crate::stall::Stalls;
use crate::verdict::{Colour, Verdict};
use crate::workhand::LEDGER_ENDING;
use crate::workload::canary::Canary;
use crate::workload::client::Client;
use crate::workload::load::Load;
use fastrand::Rng;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const WARM: Duration = Duration::from_secs(3);
const SAY_EVERY: Duration = Duration::from_secs(20);

/// Runs it all; answers what it is worth.
pub async fn run(options: &Options) -> Result<Colour, ChaosError> {
    let folder = prepare(&options.folder)?;
    let options = &options.clone().with_programs_in(&folder)?;
    println!("chaos: seed {}, profile {}, {} s", options.seed, options.profile.as_str(), options.duration.as_secs());
    let installation = Installation::start(options, &folder).await?;
    let client = Arc::new(Client::new(installation.addresses(), options.seed, &folder)?);
    let (load, canary, stalls) = (Arc::new(Load::default()), Arc::new(Canary::default()), Arc::new(Stalls::default()));
    let (sending, watching) = (CancellationToken::new(), CancellationToken::new());
    stalls.watch(installation.probe, &watching);
    let scribe = Arc::new(Scribe::default());
    scribe.start(installation.probe, &folder, &watching)?;
    let clients = [
        tokio::spawn(load.clone().run(client.clone(), options.rate, sending.clone())),
        tokio::spawn(canary.clone().run(client.clone(), sending.clone())),
    ];
    tokio::time::sleep(WARM).await;
    let started = Instant::now();
    let broken = break_things(options, &installation, &Lines::open(&folder.join("faults.ledger"))?).await;
    let seconds = started.elapsed().as_secs_f64();
    sending.cancel();
    installation.heal().await?;
    for ended in clients {
        ended.await.map_err(|error| ChaosError::Setup(error.to_string()))?;
    }
    let mut faults = broken?;
    let unknown = drain::settle(&client).await;
    let healed_at = now();
    let drained_ms = drain::wait(&installation).await;
    println!("chaos: {} faults, drained in {drained_ms:?} ms", faults.len());
    let audit = drain::audit(options, installation.probe.port()).await?;
    let probe = installation.probe;
    let snapshot = tokio::task::spawn_blocking(move || snapshot::read(&probe)).await;
    let mut snapshot = snapshot.map_err(|error| ChaosError::Setup(error.to_string()))??;
    watching.cancel();
    if matches!(options.profile, Profile::Always | Profile::Diskfull) {
        snapshot.facts = scribe.facts();
    }
    installation.end().await;

    let runs = read_runs(&installation, &folder)?;
    count_interrupted(&mut faults, &runs);
    let stalls = stalls.seen(&faults);
    faults.extend(stalls);
    faults.extend(installation.lives().iter().filter_map(own_exit));
    let books = Books {
        profile: options.profile,
        submissions: client.submissions(),
        runs,
        effects: ledger::read(&folder.join(sink::LEDGER), Effect::decode)?,
        sightings: client.sightings(),
        faults,
        songs: canary.songs(),
        healed_at,
        drained_ms,
        audit,
        snapshot,
    };
    let around = Circumstances { seconds, unknown, left_out: load.left_out.load(Ordering::Relaxed) };
    conclude(options, &folder, &books, &around)
}

/// An empty folder of our own.
fn prepare(folder: &Path) -> Result<PathBuf, ChaosError> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(io("emptying the folder of an earlier run"))?;
    }
    std::fs::create_dir_all(folder).map_err(io("making the folder of the run"))?;
    folder.canonicalize().map_err(io("finding the folder of the run"))
}

/// Draws and inflicts until the time is over.
async fn break_things(
    options: &Options,
    installation: &Arc<Installation>,
    log: &Lines,
) -> Result<Vec<Fault>, ChaosError> {
    let mut deck = Deck::new(options.profile, options.seed);
    let (started, mut said) = (Instant::now(), Instant::now());
    let mut faults = Vec::new();
    while started.elapsed() < options.duration {
        let Hand { kinds, calm, seeds } = deck.draw();
        let mut blows = tokio::task::JoinSet::new();
        for (kind, seed) in kinds.into_iter().zip(seeds) {
            let installation = installation.clone();
            blows.spawn(async move { (kind, inflict(kind, &installation, &mut Rng::with_seed(seed)).await) });
        }
        while let Some(blow) = blows.join_next().await {
            match blow.map_err(|error| ChaosError::Setup(error.to_string()))? {
                (_, Ok(fault)) => {
                    log.write(&fault.encode()).map_err(io("writing the fault log"))?;
                    faults.push(fault);
                }
                // Redis was away under it: the blow went into the air, and is none.
                (kind, Err(error)) => println!("chaos: {} did not happen: {error}", kind.as_str()),
            }
        }
        if said.elapsed() > SAY_EVERY {
            said = Instant::now();
            println!("chaos: {:>5.0} s, {} faults", started.elapsed().as_secs_f64(), faults.len());
        }
        tokio::time::sleep(calm).await;
    }
    Ok(faults)
}

fn read_runs(installation: &Installation, folder: &Path) -> Result<Vec<Run>, ChaosError> {
    let mut lines = Vec::new();
    for worker in installation.of(Role::Worker) {
        lines.extend(ledger::read(&folder.join(format!("{}{LEDGER_ENDING}", worker.name)), Line::decode)?);
    }
    Ok(run::join(lines))
}

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

/// A process that ended although nobody had told it to.
fn own_exit(life: &Life) -> Option<Fault> {
    let to = life.to.filter(|_| !life.is_ended_by_us)?;
    let targets = vec![life.member.clone()];
    let note = format!("{} {}", life.member, life.end);
    Some(Fault { kind: Kind::OwnExit, targets, pids: vec![life.pid], from: to, to, hits: 1, note })
}

fn conclude(options: &Options, folder: &Path, books: &Books, around: &Circumstances) -> Result<Colour, ChaosError> {
    let verdict = Verdict::of(books);
    let document = report::document(options, books, &verdict, around);
    let kept = folder.with_extension("json");
    std::fs::write(&kept, format!("{document:#}\n")).map_err(io("writing the report"))?;
    println!("{}", report::table(&document, &verdict));
    println!("{document}");
    println!("report: {}", kept.display());
    if verdict.colour() == Colour::Green && !options.is_kept {
        std::fs::remove_dir_all(folder).map_err(io("removing the folder of the run"))?;
    } else {
        println!("ledgers, logs and data: {}", folder.display());
    }
    let (profile, seconds) = (options.profile.as_str(), options.duration.as_secs());
    println!("again: make chaos SEED={} DURATION={seconds} PROFILE={profile}", options.seed);
    Ok(verdict.colour())
}
