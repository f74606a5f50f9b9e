//! Faults of Redis: its process, its disk, its memory, its scripts, its clock.

use super::Kind;
use super::process::{back, pause};
use crate::clock::now;
use crate::error::ChaosError;
use crate::installation::Installation;
use crate::ledger::fault::Fault;
use crate::member::Role;
use crate::shim::Torn;
use fastrand::Rng;
use std::time::Duration;
use system_tests::process::Signal;

const READY_WITHIN: Duration = Duration::from_secs(30);
/// Turns of the clock that come back, in ms. Backwards they may be long; what is scheduled under a clock that runs
/// ahead is late by the jump when it has come back, and the drain must wait for it.
const JUMPS_MS: [i64; 5] = [-600_000, -20_000, -2_000, 2_000, 15_000];

pub(super) async fn inflict(kind: Kind, installation: &Installation, rng: &mut Rng) -> Result<Fault, ChaosError> {
    let from = now();
    let lasting = rng.u64(200..3_000);
    let (mut pids, mut lost_from, mut targets) = (Vec::new(), None, vec!["redis".to_owned()]);
    let (hits, note) = match kind {
        Kind::StopRedis => {
            pids.extend(installation.redis.signal(Signal::STOP));
            pause(lasting).await;
            installation.redis.signal(Signal::CONT);
            (pids.len() as u64, format!("{lasting} ms"))
        }
        Kind::KillRedis | Kind::KillInRewrite => {
            if kind == Kind::KillInRewrite {
                installation.probe.command(&["BGREWRITEAOF"]).await?;
                pause(rng.u64(..30)).await;
            }
            pids.extend(installation.redis.end(Signal::KILL, Some(now() + lasting / 2)));
            (pids.len() as u64, String::new())
        }
        Kind::KillRedisTwice => {
            for dark_ms in [lasting / 4, lasting / 2] {
                let killed: Vec<u32> =
                    installation.redis.end(Signal::KILL, Some(now() + dark_ms)).into_iter().collect();
                back(std::slice::from_ref(&installation.redis), &killed).await;
                pids.extend(killed);
                installation.probe.wait_ready(READY_WITHIN).await;
                pause(rng.u64(..800)).await; // the others have found it again, or are about to
            }
            (u64::from(pids.len() == 2), String::new())
        }
        Kind::Blackout => {
            pids.extend(installation.redis.end(Signal::KILL, Some(now() + lasting / 2)));
            let members =
                [Role::Orchestrator, Role::Worker, Role::Projector].map(|role| installation.of(role)).concat();
            for member in &members {
                pids.extend(member.end(Signal::KILL, Some(now() + rng.u64(..lasting))));
                targets.push(member.name.clone());
            }
            back(&members, &pids).await;
            (pids.len() as u64, format!("{} processes", pids.len()))
        }
        Kind::PowerLoss => {
            let torn = lose_power(installation, lasting / 2, &mut pids).await?;
            lost_from = torn.since.map(|since| since.min(from));
            let hits = if pids.is_empty() { 0 } else { torn.files };
            (hits, format!("{} bytes were not synced since {:?}", torn.bytes, torn.since))
        }
        Kind::OutOfMemory => run_out_of_memory(installation, lasting).await?,
        Kind::ScriptFlush => forget_scripts(installation, lasting).await?,
        Kind::ClockJump => {
            let jump_ms = JUMPS_MS[rng.usize(..JUMPS_MS.len())];
            turn_clock(installation, jump_ms, Some(lasting)).await?
        }
        Kind::ClockStep => turn_clock(installation, rng.i64(2_000..120_000), None).await?,
        Kind::FlushAll => {
            let keys = installation.probe.command(&["DBSIZE"]).await?.text();
            installation.probe.command(&["FLUSHALL"]).await?;
            (keys.parse().unwrap_or(0), format!("{keys} keys"))
        }
        _ => fill_disk(installation, lasting).await?,
    };
    if !pids.is_empty() && kind != Kind::StopRedis {
        back(std::slice::from_ref(&installation.redis), &pids).await;
    }
    installation.probe.wait_ready(READY_WITHIN).await;
    Ok(Fault { kind, targets, pids, from, to: now(), hits, lost_from, note })
}

type Blow = Result<(u64, String), ChaosError>;

async fn lose_power(installation: &Installation, dark_ms: u64, pids: &mut Vec<u32>) -> Result<Torn, ChaosError> {
    let redis = &installation.redis;
    pids.extend(redis.end(Signal::KILL, None));
    while redis.pid().is_some() {
        pause(5).await; // SIGKILL is not refused
    }
    let torn = installation.shim.lose_power(&installation.append_only())?;
    pause(dark_ms).await;
    redis.release();
    Ok(torn)
}

async fn run_out_of_memory(installation: &Installation, lasting: u64) -> Blow {
    let probe = &installation.probe;
    let before = probe.info("errorstats", "errorstat_OOM").await;
    let used = probe.info("memory", "used_memory").await;
    probe.command(&["CONFIG", "SET", "maxmemory", &used.saturating_sub(64 * 1024).max(1).to_string()]).await?;
    pause(lasting).await;
    probe.command(&["CONFIG", "SET", "maxmemory", "0"]).await?;
    let refused = probe.info("errorstats", "errorstat_OOM").await.saturating_sub(before);
    Ok((refused, format!("{lasting} ms, {refused} commands refused")))
}

async fn forget_scripts(installation: &Installation, lasting: u64) -> Blow {
    let probe = &installation.probe;
    let before = probe.info("errorstats", "errorstat_NOSCRIPT").await;
    probe.command(&["SCRIPT", "FLUSH"]).await?;
    pause(lasting).await;
    let missed = probe.info("errorstats", "errorstat_NOSCRIPT").await.saturating_sub(before);
    Ok((missed, format!("{missed} scripts missed")))
}

async fn turn_clock(installation: &Installation, jump_ms: i64, back_after: Option<u64>) -> Blow {
    let time = async || {
        let time = installation.probe.command(&["TIME"]).await?;
        let part = |at: usize| time.items().get(at).and_then(|part| part.text().parse::<i64>().ok()).unwrap_or(0);
        Ok::<_, ChaosError>(part(0) * 1_000 + part(1) / 1_000)
    };
    let offset_ms = installation.shim.offset_ms()?;
    let before = time().await?;
    installation.shim.set_offset_ms(offset_ms + jump_ms)?;
    let turned = time().await? - before;
    if let Some(lasting) = back_after {
        pause(lasting).await;
        installation.shim.set_offset_ms(offset_ms)?;
    }
    Ok((u64::from(is_turned(turned, jump_ms)), format!("{jump_ms} ms")))
}

/// Whether a clock that moved so far followed the jump: by more than half, because time went on meanwhile.
fn is_turned(moved_ms: i64, jump_ms: i64) -> bool {
    (moved_ms - jump_ms).abs() < jump_ms.abs() / 2
}

async fn fill_disk(installation: &Installation, lasting: u64) -> Blow {
    let before = installation.redis.lives().len();
    let ballast = installation.data.join("ballast");
    let filled = ballast.clone();
    let written = tokio::task::spawn_blocking(move || fill(&filled)).await;
    let bytes = written.map_err(|error| ChaosError::Setup(error.to_string()))?;
    pause(lasting).await;
    let refused = installation.probe.info("errorstats", "errorstat_MISCONF").await;
    let _ = std::fs::remove_file(&ballast);
    let ended = installation.redis.lives().len() as u64 - before as u64;
    Ok((ended + refused, format!("{bytes} bytes of ballast, redis started {ended} times, {refused} commands refused")))
}

/// Writes until nothing goes in any more.
fn fill(path: &std::path::Path) -> u64 {
    use std::io::Write;
    let Ok(mut file) = std::fs::File::create(path) else { return 0 };
    let mut written = 0;
    for size in [1 << 20, 4_096, 1] {
        let chunk = vec![0; size];
        while let Ok(bytes @ 1..) = file.write(&chunk) {
            written += bytes as u64;
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_only_went_on_was_not_turned() {
        for jump_ms in JUMPS_MS {
            assert!(is_turned(jump_ms + 300, jump_ms), "{jump_ms}");
            assert!(!is_turned(300, jump_ms), "{jump_ms}");
        }
    }
}
