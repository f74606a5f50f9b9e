//! Faults of links, by the proxies.

use super::Kind;
use super::process::pause;
use crate::clock::now;
use crate::error::ChaosError;
use crate::installation::Installation;
use crate::ledger::fault::Fault;
use crate::member::Role;
use crate::proxy::{Condition, Direction, Link};
use fastrand::Rng;
use std::sync::Arc;
use std::time::Duration;

const STORM_RESETS: u64 = 20;

pub(super) async fn inflict(kind: Kind, installation: &Installation, rng: &mut Rng) -> Result<Fault, ChaosError> {
    let link = choose(kind, installation, rng);
    let lasting = rng.u64(200..3_000);
    let (from, touched) = (now(), link.touched());
    let mut note = format!("{lasting} ms");
    match kind {
        Kind::ResetStorm => {
            for _ in 0..STORM_RESETS {
                link.reset();
                pause(lasting / STORM_RESETS).await;
            }
        }
        _ => {
            let condition = condition(kind, rng);
            note = format!("{note} {condition:?}");
            link.set(condition);
            if condition == Condition::Refuse {
                link.reset(); // so that somebody comes to be refused
            }
            pause(lasting).await;
            link.set(Condition::Sound);
            // After a partition the peers' kernels either send again what was lost, or have given up.
            if condition == Condition::Hold && rng.bool() {
                link.reset();
            }
        }
    }
    let hits = link.touched() - touched;
    let targets = vec![link.name.clone()];
    Ok(Fault { kind, targets, pids: Vec::new(), from, to: now(), hits, lost_from: None, note })
}

fn choose(kind: Kind, installation: &Installation, rng: &mut Rng) -> Arc<Link> {
    let role = match kind {
        Kind::PartitionOrchestrator => Role::Orchestrator,
        Kind::PartitionProjector => Role::Projector,
        Kind::CutAnswers => return pick(&installation.doors, rng),
        Kind::PartitionWorker => Role::Worker,
        _ => *rng.choice(&[Role::Worker, Role::Worker, Role::Orchestrator, Role::Projector]).unwrap_or(&Role::Worker),
    };
    let names: Vec<String> = installation.of(role).iter().map(|member| member.name.clone()).collect();
    let links: Vec<Arc<Link>> = installation.links.iter().filter(|link| names.contains(&link.name)).cloned().collect();
    pick(&links, rng)
}

fn pick(links: &[Arc<Link>], rng: &mut Rng) -> Arc<Link> {
    links[rng.usize(..links.len())].clone()
}

fn condition(kind: Kind, rng: &mut Rng) -> Condition {
    match kind {
        Kind::HalfOpen => Condition::Swallow(Direction::Replies),
        Kind::Deaf => Condition::Swallow(Direction::Requests),
        Kind::CutReplies | Kind::CutAnswers => Condition::Cut(rng.u64(1..2_000)),
        Kind::Delay => Condition::Delay(Duration::from_millis(rng.u64(20..150))),
        Kind::Throttle => Condition::Throttle(64 * 1024),
        Kind::Refuse => Condition::Refuse,
        _ => Condition::Hold,
    }
}
