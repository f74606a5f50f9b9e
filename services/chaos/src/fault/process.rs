//! Faults of processes: killed, ended, stopped.

use super::Kind;
use crate::clock::now;
use crate::error::ChaosError;
use crate::installation::Installation;
use crate::ledger::fault::Fault;
use crate::member::{Member, Role};
use fastrand::Rng;
use std::sync::Arc;
use std::time::Duration;
use system_tests::process::Signal;

/// How long the supervisor waits before it starts a killed process again, at most, in ms.
const DOWN_MS: u64 = 3_000;
const BACK_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn inflict(kind: Kind, installation: &Installation, rng: &mut Rng) -> Result<Fault, ChaosError> {
    let role = match kind {
        Kind::KillProjector | Kind::StopProjector => Role::Projector,
        Kind::KillOrchestrator | Kind::StopOrchestrator => Role::Orchestrator,
        _ => Role::Worker,
    };
    let all = installation.of(role);
    let victims = if kind == Kind::KillEveryWorker { all } else { vec![all[rng.usize(..all.len())].clone()] };
    let from = now();
    let mut pids = Vec::new();
    match kind {
        Kind::StopWorker | Kind::StopProjector | Kind::StopOrchestrator => {
            // A worker sleeps for longer than its lease, so that what it holds is given to others.
            let least = if kind == Kind::StopWorker { 1_300 } else { 200 };
            pids.extend(victims.iter().filter_map(|victim| victim.signal(Signal::STOP)));
            pause(rng.u64(least..3_000)).await;
            for victim in &victims {
                victim.signal(Signal::CONT);
            }
        }
        Kind::EndWorker => {
            pids.extend(victims.iter().filter_map(|victim| victim.end(Signal::TERM, Some(now()))));
            back(&victims, &pids).await;
        }
        Kind::KillTwice => {
            for down_ms in [rng.u64(..400), rng.u64(..DOWN_MS)] {
                let killed: Vec<u32> =
                    victims.iter().filter_map(|victim| victim.end(Signal::KILL, Some(now() + down_ms))).collect();
                pids.extend(&killed);
                back(&victims, &killed).await;
                pause(rng.u64(..500)).await;
            }
        }
        _ => {
            for victim in &victims {
                pids.extend(victim.end(Signal::KILL, Some(now() + rng.u64(..DOWN_MS))));
            }
            back(&victims, &pids).await;
        }
    }
    let targets = victims.iter().map(|victim| victim.name.clone()).collect();
    let hits = pids.len() as u64;
    Ok(Fault { kind, targets, pids, from, to: now(), hits, lost_from: None, note: String::new() })
}

/// Waits until each runs as another process than those.
pub(super) async fn back(victims: &[Arc<Member>], killed: &[u32]) {
    let is_back = |victim: &Arc<Member>| victim.pid().is_some_and(|pid| !killed.contains(&pid));
    let all_back = async {
        while !victims.iter().all(is_back) {
            pause(10).await;
        }
    };
    let _ = tokio::time::timeout(BACK_WITHIN, all_back).await;
}

pub(super) async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
