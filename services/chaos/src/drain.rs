//! The end of a run: what nobody knows is asked again under its key, then nothing moves any more, or time is up.

use crate::clock::now;
use crate::error::ChaosError;
use crate::installation::{Installation, LEASE_MS};
use crate::options::Options;
use crate::workload::client::Client;
use crate::workload::order::Order;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Three leases, what a backoff may take, and the longest that a clock which ran ahead has scheduled.
const DRAINED_WITHIN_MS: u64 = 3 * LEASE_MS + 50_000;
const LOOK_EVERY: Duration = Duration::from_millis(250);
const ASKED_AGAIN_MAX: usize = 5;
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
const ASKED_AT_ONCE: usize = 16;
const AUDITED_WITHIN: Duration = Duration::from_secs(120);

/// Sends every order whose fate is unknown again under its key, until the fate is known. Answers how many are left.
pub async fn settle(client: &Arc<Client>) -> usize {
    for turn in 0..ASKED_AGAIN_MAX {
        if turn > 0 {
            tokio::time::sleep(ASK_AGAIN_AFTER).await; // whoever is too busy says so at once
        }
        let permits = Arc::new(Semaphore::new(ASKED_AT_ONCE));
        let mut asking = JoinSet::new();
        for seq in client.indefinite() {
            let (client, permits) = (client.clone(), permits.clone());
            asking.spawn(async move {
                let _permit = permits.acquire_owned().await;
                let _ = client.submit(&Order::draw(client.seed, seq), false).await; // its ledger has the answer
            });
        }
        if asking.is_empty() {
            break;
        }
        while asking.join_next().await.is_some() {}
    }
    client.indefinite().len()
}

/// Waits until nothing is left to do; answers how long that took, `None` if time was up.
pub async fn wait(installation: &Installation) -> Option<u64> {
    let from = now();
    while now() < from + DRAINED_WITHIN_MS {
        if is_idle(installation).await.unwrap_or(false) {
            return Some(now() - from);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    None
}

async fn is_idle(installation: &Installation) -> Result<bool, ChaosError> {
    for command in [["ZCARD", "tasks:queued"], ["ZCARD", "tasks:processing"], ["ZCARD", "delayed"]] {
        if installation.probe.command(&command).await?.text() != "0" {
            return Ok(false);
        }
    }
    for stream in system_tests::books::STREAMS {
        if installation.probe.command(&["XLEN", stream]).await?.text() != "0" {
            return Ok(false);
        }
    }
    // Whoever has not read the log to its end may have something to do yet; the scribe has something to copy.
    let log = system_tests::books::fields(&installation.probe.command(&["XINFO", "STREAM", "events"]).await?);
    let groups = installation.probe.command(&["XINFO", "GROUPS", "events"]).await?;
    let is_done = |group: BTreeMap<String, String>| {
        group.get("pending").is_some_and(|pending| pending == "0")
            && group.get("last-delivered-id") == log.get("last-generated-id")
    };
    Ok(groups.items().iter().map(system_tests::books::fields).all(is_done))
}

/// Runs the product's own audit; answers what it found.
pub async fn audit(options: &Options, redis_port: u16) -> Result<Vec<String>, ChaosError> {
    let audit = tokio::process::Command::new(&options.millstream)
        .args(["audit", "--json"])
        .env_clear()
        .env("REDIS_URL", format!("redis://127.0.0.1:{redis_port}/0"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let Ok(output) = tokio::time::timeout(AUDITED_WITHIN, audit).await else {
        return Ok(vec!["the audit did not end in time".to_owned()]);
    };
    let output = output.map_err(crate::error::io("starting the audit"))?;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    match report["violations"].as_array() {
        Some(violations) => Ok(violations.iter().map(ToString::to_string).collect()),
        None => Ok(vec![format!("the audit says: {}", String::from_utf8_lossy(&output.stderr))]),
    }
}
