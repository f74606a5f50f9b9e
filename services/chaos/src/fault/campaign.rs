//! Faults one after another, two at a time now and then, with calm between them, until the time is over.

use super::deck::{Deck, Hand};
use super::inflict;
use crate::clock::now;
use crate::error::{ChaosError, io};
use crate::installation::Installation;
use crate::ledger::Lines;
use crate::ledger::fault::Fault;
use crate::options::Options;
use fastrand::Rng;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SAY_EVERY: Duration = Duration::from_secs(20);

/// Draws and inflicts; answers what was done.
pub async fn run(options: &Options, installation: &Arc<Installation>, log: &Lines) -> Result<Vec<Fault>, ChaosError> {
    let mut deck = Deck::new(options.profile, options.seed);
    let (started, mut said) = (Instant::now(), Instant::now());
    let mut faults = Vec::new();
    while started.elapsed() < options.duration {
        let hand = deck.draw();
        tokio::time::sleep(hand.before).await;
        for fault in strike(installation, &hand).await? {
            log.write(&fault.encode()).map_err(io("writing the fault log"))?;
            faults.push(fault);
        }
        if said.elapsed() > SAY_EVERY {
            said = Instant::now();
            println!("chaos: {:>5.0} s, {} faults", started.elapsed().as_secs_f64(), faults.len());
        }
        tokio::time::sleep(hand.calm).await;
    }
    println!("chaos: {} faults", faults.len());
    Ok(faults)
}

/// Inflicts one hand, its faults at once.
async fn strike(installation: &Arc<Installation>, hand: &Hand) -> Result<Vec<Fault>, ChaosError> {
    let mut blows = JoinSet::new();
    for (&kind, &seed) in hand.kinds.iter().zip(&hand.seeds) {
        let installation = installation.clone();
        blows.spawn(async move {
            let from = now();
            match inflict(kind, &installation, &mut Rng::with_seed(seed)).await {
                Ok(fault) => fault,
                // Something was away under it. Half a fault may have happened, so it is known, and healed.
                Err(error) => {
                    println!("chaos: {} broke off: {error}", kind.as_str());
                    if let Err(error) = installation.heal().await {
                        println!("chaos: and does not heal yet: {error}"); // the last heal is judged
                    }
                    let (targets, note) = (vec!["redis".to_owned()], format!("broke off: {error}"));
                    Fault { kind, targets, pids: Vec::new(), from, to: now(), hits: 0, lost_from: None, note }
                }
            }
        });
    }
    let mut faults = Vec::new();
    while let Some(blow) = blows.join_next().await {
        faults.push(blow.map_err(|error| ChaosError::Setup(error.to_string()))?);
    }
    Ok(faults)
}
