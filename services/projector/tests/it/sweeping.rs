//! What is open is watched, and what is broken is named once, while everything runs.

use crate::stage::{Log, MEDIUM, SOON, Stage, config, eventually, stage};
use projector::Config;
use std::time::Duration;

const PERIOD: Duration = Duration::from_millis(50);

fn sweeping() -> Config {
    Config { sweep_every: PERIOD, ..config("p") }
}

async fn until_logged(log: &Log, text: &str) {
    eventually(SOON, &format!("the log says {text}"), async || (log.count(text) > 0).then_some(())).await;
}

/// Waits until a later violation was named: a sweep has begun and ended since.
async fn another_sweep(stage: &Stage, log: &Log, task: &str) {
    stage.submit(task, 1).await;
    let last = stage.command(&format!("XREVRANGE {MEDIUM} + - COUNT 1")).items()[0].items()[0].text();
    stage.command(&format!("XDEL {MEDIUM} {last}"));
    until_logged(log, &format!("token_missing task {task} subtask 0")).await;
}

#[tokio::test]
async fn a_subtask_for_which_nothing_stands_is_named_once_and_again_if_it_comes_back() {
    let (log, _guard) = Log::listen();
    let stage = stage().await;
    let _running = stage.start(sweeping());
    another_sweep(&stage, &log, "A").await;
    another_sweep(&stage, &log, "B").await;
    another_sweep(&stage, &log, "C").await;
    assert_eq!(log.count("token_missing task A subtask 0"), 1);
    assert!(log.count("open tasks break the laws") >= 3);
    let add = format!("XADD {MEDIUM} * task_id A subtask_id A-0 description again");
    let entry_id = stage.command(&add).text();
    another_sweep(&stage, &log, "D").await;
    stage.command(&format!("XDEL {MEDIUM} {entry_id}"));
    eventually(SOON, "A is named again", async || (log.count("token_missing task A subtask 0") == 2).then_some(()))
        .await;
    assert_eq!(stage.command("HGET task:A status").text(), "queued", "it never repairs");
    assert_eq!(stage.command(&format!("XLEN {MEDIUM}")).integer(), 0);
}

/// How often someone has asked for the length of a sorted set: each sweep asks for three.
fn zcards(stage: &Stage) -> u64 {
    calls(stage, "zcard")
}

/// How often a command was sent.
fn calls(stage: &Stage, command: &str) -> u64 {
    let info = stage.command("INFO commandstats").text();
    let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.and_then(|rest| rest.split(',').next()).map_or(0, |calls| calls.parse().expect("a number"))
}

#[tokio::test]
async fn too_much_to_read_is_skipped_and_said_once() {
    let (log, _guard) = Log::listen();
    let stage = stage().await;
    stage.submit("many", 3).await;
    stage.command(&format!("XTRIM {MEDIUM} MAXLEN 0"));
    let _running = stage.start(Config { sweep_subtasks_max: 2, ..sweeping() });
    until_logged(&log, "more is open than is swept").await;
    let counted = zcards(&stage);
    eventually(SOON, "it is skipped again and again", async || (zcards(&stage) > counted + 12).then_some(())).await;
    stage.command("HSET task:many total 1 subtasks []"); // unreadable, but not many
    until_logged(&log, "task_unreadable task many").await;
    assert_eq!(log.count("more is open than is swept"), 1);
    assert_eq!(log.count("token_missing"), 0);
}

#[tokio::test]
async fn one_projector_sweeps_for_all_until_its_mark_is_gone() {
    let (log, _guard) = Log::listen();
    let stage = stage().await;
    stage.submit("A", 1).await;
    stage.command(&format!("XTRIM {MEDIUM} MAXLEN 0"));
    stage.command("SET maintenance:@audit another PX 3600000");
    let asked = calls(&stage, "set");
    let _running = stage.start(sweeping());
    eventually(SOON, "it asks again and again", async || (calls(&stage, "set") > asked + 5).then_some(())).await;
    assert_eq!(log.count("token_missing"), 0, "another one looks");
    stage.command("DEL maintenance:@audit");
    until_logged(&log, "token_missing task A subtask 0").await;
}

#[tokio::test]
async fn dead_letters_that_were_trimmed_away_are_announced() {
    let (log, _guard) = Log::listen();
    let stage = stage().await;
    stage.command("HSET meta dead_letters_trimmed 7");
    let _running = stage.start(config("p"));
    until_logged(&log, "trimmed=7 all_time=7").await;
    stage.command("HINCRBY meta dead_letters_trimmed 5");
    until_logged(&log, "trimmed=5 all_time=12").await;
    assert_eq!(log.count("dead letters were trimmed away"), 2);
}
