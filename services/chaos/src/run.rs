//! `chaos run`: builds the installation, lets the load run, breaks things for as long as it was told, heals, drains,
//! and judges.

use crate::books::Books;
use crate::clock::now;
use crate::crew::Crew;
use crate::drain;
use crate::error::{ChaosError, io};
use crate::fault::campaign;
use crate::installation::Installation;
use crate::ledger::Lines;
use crate::options::Options;
use crate::report::{self, Circumstances};
use crate::snapshot::{self, Snapshot};
use crate::verdict::{Colour, Verdict};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const WARM: Duration = Duration::from_secs(3);

/// Runs it all; answers what it is worth.
pub async fn run(options: &Options) -> Result<Colour, ChaosError> {
    let folder = prepare(&options.folder)?;
    let options = &options.clone().with_programs_in(&folder)?;
    println!("chaos: seed {}, profile {}, {} s", options.seed, options.profile.as_str(), options.duration.as_secs());
    let sha = report::sha();
    let installation = Installation::start(options, &folder).await?;
    let mut crew = Crew::start(options, &installation, &folder)?;
    tokio::time::sleep(WARM).await;
    let started = Instant::now();
    let log = Lines::open(&folder.join("faults.ledger"))?;
    let faults = campaign::run(options, &installation, &log).await;
    let seconds = started.elapsed().as_secs_f64();
    crew.stop_sending();
    let unhealed = installation.heal().await.err().map(|error| error.to_string());
    crew.wait().await?;
    let unknown = if unhealed.is_none() { drain::settle(&crew.client).await } else { crew.client.indefinite().len() };
    let healed_at = now();
    let rest = if unhealed.is_none() { rest(options, &installation, &crew).await? } else { Rest::default() };
    crew.stop_watching();
    installation.end().await;

    let evidence = crew.evidence(&installation, &folder, faults?)?;
    let books = Books {
        profile: options.profile,
        submissions: crew.client.submissions(),
        reopenings: crew.client.reopenings(),
        runs: evidence.runs,
        effects: evidence.effects,
        refused_outcomes: evidence.refused_outcomes,
        sightings: crew.client.sightings(),
        faults: evidence.faults,
        songs: crew.canary.songs(),
        healed_at,
        unhealed,
        drained_ms: rest.drained_ms,
        audit: rest.audit,
        tellings: crew.tellings(),
        snapshot: rest.snapshot,
    };
    conclude(options, &folder, &books, &Circumstances { sha, seconds, unknown, left_out: crew.left_out() })
}

/// What is to be known of the installation when nothing moves any more.
#[derive(Default)]
struct Rest {
    drained_ms: Option<u64>,
    audit: Vec<String>,
    snapshot: Snapshot,
}

/// Waits until nothing is left to do, and reads what there is.
async fn rest(options: &Options, installation: &Installation, crew: &Crew) -> Result<Rest, ChaosError> {
    let drained_ms = drain::wait(installation).await;
    let audit = drain::audit(options, installation.probe.port()).await?;
    let probe = installation.probe;
    let snapshot = tokio::task::spawn_blocking(move || snapshot::read(&probe)).await;
    let mut snapshot = snapshot.map_err(|error| ChaosError::Setup(error.to_string()))??;
    if options.profile.is_lossless() {
        snapshot.facts = crew.scribe.facts();
    }
    Ok(Rest { drained_ms, audit, snapshot })
}

/// An empty folder of our own.
fn prepare(folder: &Path) -> Result<PathBuf, ChaosError> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(io("emptying the folder of an earlier run"))?;
    }
    std::fs::create_dir_all(folder).map_err(io("making the folder of the run"))?;
    folder.canonicalize().map_err(io("finding the folder of the run"))
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
    println!("again: make chaos SEED={} DURATION={seconds} PROFILE={profile} RATE={}", options.seed, options.rate);
    Ok(verdict.colour())
}
