//! What Redis may do to a worker.

use crate::doing::Watch;
use crate::stage::{Stage, doings, eventually, patient, slots, stage, stage_on};
use proto_schemas::{ConsumerName, Priority, QueueName};
use redis_store::reap::{Asked, ReapCursors, Rule};
use std::time::{Duration, Instant};
use system_tests::redis::{PrivateRedis, Reply};
use worker::Config;

const STREAM: &str = "subtasks:default:medium";

fn add(stage: &Stage, stream: &str, subtask_id: &str) {
    let task_id = subtask_id.split('-').next().expect("a task");
    let reply = stage.redis.command(&[
        "XADD",
        stream,
        "*",
        "task_id",
        task_id,
        "subtask_id",
        subtask_id,
        "description",
        "by hand",
        "kind",
        "do",
    ]);
    assert!(matches!(reply, Reply::Text(_)), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_lose_nothing_and_count_no_crash() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(400, Priority::Medium)).await;
    let worker =
        stage.work(Config { lease: Duration::from_secs(20), ..slots(8) }, watch.take(Duration::from_millis(4)));
    let (mut killed, mut killed_at) = (0, Instant::now());
    eventually("400 results", || {
        if watch.started().len() < 350 && killed_at.elapsed() > Duration::from_millis(15) {
            killed_at = Instant::now();
            killed += stage.redis.command(&["CLIENT", "KILL", "TYPE", "normal"]).integer();
        }
        stage.results("T", 400) == 400
    })
    .await;
    assert!(killed > 10, "{killed} connections were cut");
    eventually("nothing is pending", || stage.pending().is_empty()).await;
    assert_eq!((stage.facts("completed").len(), stage.backlog()), (400, 0));
    assert_eq!(stage.facts("crashed").len(), 0, "no lease ran out: what was lost was found in the history");
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_a_reply_that_never_came_is_found_even_with_a_single_slot() {
    let (stage, watch) = (stage().await, Watch::default());
    let worker = stage.work(patient(1), watch.note());
    stage.idle(1).await;
    let me = stage.consumers().remove(0);
    // What a lost reply looks like: leased to the worker, unknown to it.
    for n in 0..3 {
        let id = format!("T-{n}");
        stage.redis.command(&["MULTI"]);
        add_queued(&stage, &id);
        stage.redis.command(&["XREADGROUP", "GROUP", "workers", &me, "STREAMS", STREAM, ">"]);
        assert_eq!(stage.redis.command(&["EXEC"]).items().len(), 2);
    }
    assert_eq!(stage.pending().len(), 3);
    stage.redis.command(&["XGROUP", "DESTROY", "subtasks:default:low", "workers"]); // the next read fails
    eventually("3 results", || stage.results("T", 3) == 3).await;
    assert_eq!((watch.started().len(), stage.pending().len(), stage.facts("crashed").len()), (3, 0, 0));
    worker.stop().await.expect("a clean end");
}

fn add_queued(stage: &Stage, subtask_id: &str) {
    let reply = stage.redis.command(&[
        "XADD",
        STREAM,
        "*",
        "task_id",
        "T",
        "subtask_id",
        subtask_id,
        "description",
        "by hand",
        "kind",
        "do",
    ]);
    assert_eq!(reply.text(), "QUEUED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_destroyed_under_way_is_made_anew_from_the_first_entry_on() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(100, Priority::Medium)).await;
    let worker = stage.work(slots(4), watch.take(Duration::from_millis(10)));
    eventually("some have run", || watch.started().len() > 20).await;
    assert_eq!(stage.redis.command(&["XGROUP", "DESTROY", STREAM, "workers"]).integer(), 1);
    eventually("100 results", || stage.results("T", 100) == 100).await;
    eventually("the stream is empty", || stage.backlog() == 0 && stage.pending().is_empty()).await;
    assert_eq!(stage.facts("completed").len(), 100);
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_flushall_a_worker_serves_what_comes_later() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(1, Priority::Medium)).await;
    let worker = stage.work(slots(2), watch.hold());
    eventually("an attempt", || watch.running() == 1).await;
    let before = stage.redis.command(&["HGET", "meta", "epoch"]).text();
    stage.redis.command(&["FLUSHALL"]);
    stage.submit("U", doings(1, Priority::Medium)).await;
    eventually("the attempt of what is gone was stopped", || watch.stopped().len() == 1).await;
    watch.gate.cancel();
    eventually("a result", || stage.result("U-0").is_some()).await;
    assert_eq!(stage.result("T-0"), None);
    assert_eq!(stage.redis.command(&["HGET", "meta", "lease_ms"]).text(), "1000", "agreed on anew");
    let epoch = stage.redis.command(&["HGET", "meta", "epoch"]).text();
    assert!(epoch.len() == 26 && epoch != before, "{before} then {epoch}");
    assert_eq!(stage.redis.command(&["HKEYS", "kinds"]).items().len(), 1, "announced anew");
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_another_type_keeps_no_other_from_being_read_and_is_read_once_mended() {
    for slot_count in [1, 8] {
        let (stage, watch) = (stage().await, Watch::default());
        let worker = stage.work(slots(slot_count), watch.note());
        stage.idle(1).await;
        stage.redis.command(&["DEL", "subtasks:default:high"]);
        stage.redis.command(&["SET", "subtasks:default:high", "a person was here"]);
        add(&stage, STREAM, "T-0");
        add(&stage, "subtasks:default:low", "T-1");
        eventually("the others are read", || stage.results("T", 2) == 2).await;
        stage.redis.command(&["DEL", "subtasks:default:high"]);
        add(&stage, "subtasks:default:high", "T-2");
        eventually("it is read again", || stage.result("T-2").is_some()).await;
        worker.stop().await.expect("a clean end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_of_another_type_refuses_keeps_its_slot_and_is_recorded_once_mended() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.redis.command(&["SET", "outcomes:T", "a person was here"]);
    let worker = stage.work(slots(2), watch.note());
    add(&stage, STREAM, "T-0");
    add(&stage, STREAM, "U-0");
    eventually("its neighbour is recorded", || stage.results("U", 1) == 1).await;
    let since = Instant::now();
    eventually("two leases pass", || since.elapsed() > slots(2).lease * 2).await;
    assert_eq!((watch.started().len(), stage.pending().len(), stage.facts("crashed").len()), (2, 1, 0));
    stage.redis.command(&["DEL", "outcomes:T"]);
    eventually("it is recorded", || stage.result("T-0").is_some()).await;
    assert_eq!((watch.started().len(), stage.pending().len()), (2, 0), "it ran once");
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_of_another_type_refused_is_tried_a_last_time_when_the_worker_ends() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.redis.command(&["SET", "outcomes:T", "a person was here"]);
    let worker = stage.work(patient(2), watch.note());
    add(&stage, STREAM, "T-0");
    let refusals = || {
        let stats = stage.redis.command(&["INFO", "errorstats"]).text();
        let count = stats.split("errorstat_WRONGTYPE:count=").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        count.unwrap_or(0_u64)
    };
    eventually("the pauses between refusals are long", || refusals() >= 8).await;
    stage.redis.command(&["DEL", "outcomes:T"]);
    // Longer than the other last commands insist: only who waits for the settle sees its answer.
    stage.redis.command(&["CLIENT", "PAUSE", "1800", "WRITE"]);
    worker.stop().await.expect("a clean end");
    assert!(stage.result("T-0").is_some());
    assert_eq!((watch.started().len(), stage.pending().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_starts_beside_a_stream_of_another_type() {
    let (stage, watch) = (stage().await, Watch::default());
    stage.redis.command(&["SET", "subtasks:default:low", "a person was here"]);
    let worker = stage.work(slots(2), watch.note());
    add(&stage, STREAM, "T-0");
    eventually("a result", || stage.result("T-0").is_some()).await;
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bell_of_another_type_costs_time_but_no_work() {
    let (stage, watch) = (stage().await, Watch::default());
    let worker = stage.work(slots(8), watch.note());
    stage.idle(1).await;
    stage.redis.command(&["SET", "bell:default", "a person was here"]);
    for n in 0..3 {
        add(&stage, STREAM, &format!("T-{n}"));
        eventually("a result", || stage.result(&format!("T-{n}")).is_some()).await;
    }
    stage.redis.command(&["DEL", "bell:default"]);
    stage.idle(1).await;
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_killed_and_comes_back_loses_nothing_and_the_pulse_tells() {
    let redis = PrivateRedis::start_aof_always().expect("a redis of our own");
    let (mut stage, watch) = (stage_on(redis).await, Watch::default());
    stage.submit("T", doings(30, Priority::Medium)).await;
    // More slots than subtasks: some stay free to read with, however many outcomes wait for Redis.
    let worker = stage.work(slots(64), watch.take(Duration::from_millis(200)));
    eventually("some have run", || watch.started().len() > 10).await;
    stage.redis.kill();
    // Longer than a command and a pause between two may take.
    eventually("the pulse is old", || worker.pulse.age() > Duration::from_secs(8)).await;
    stage.redis.restart().expect("the same server again");
    eventually("30 results", || stage.results("T", 30) == 30).await;
    eventually("the pulse beats", || worker.pulse.age() < Duration::from_millis(500)).await;
    eventually("nothing is left", || stage.backlog() == 0 && stage.pending().is_empty()).await;
    assert_eq!((stage.facts("completed").len(), stage.facts("crashed").len()), (30, 0), "an outage is no crash");
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_slots_are_all_at_work_has_a_pulse_unless_redis_takes_no_outcome() {
    let (mut stage, watch) = (stage().await, Watch::default());
    stage.submit("T", doings(1, Priority::Medium)).await;
    let worker = stage.work(patient(1), watch.hold());
    eventually("its slot is taken", || watch.running() == 1).await;
    let since = Instant::now();
    let mut oldest = Duration::ZERO;
    eventually("3 s", || {
        oldest = oldest.max(worker.pulse.age());
        since.elapsed() > Duration::from_secs(3)
    })
    .await;
    assert!(oldest < Duration::from_secs(2), "{oldest:?}");
    stage.redis.kill();
    watch.gate.cancel();
    eventually("the pulse is old", || worker.pulse.age() > Duration::from_millis(2_500)).await;
    worker.stop().await.expect("an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_longer_than_a_lease_is_no_crash_of_what_it_stopped() {
    let (mut stage, watch) =
        (stage_on(PrivateRedis::start_aof_always().expect("a redis of our own")).await, Watch::default());
    let lease = Duration::from_secs(2);
    stage.submit("T", doings(6, Priority::Medium)).await;
    let workers = [0, 1, 2].map(|_| stage.work(Config { lease, ..slots(2) }, watch.hold()));
    eventually("all run", || watch.running() == 6).await;
    // The first meets workers before their first round, the second in the midst of one.
    for is_killed in [false, false, true] {
        let ended = watch.stopped().len();
        if is_killed {
            stage.redis.kill()
        } else {
            stage.signal("-STOP")
        }
        let away_since = Instant::now();
        eventually("all were stopped", || watch.stopped().len() == ended + 6).await;
        eventually("every lease is over", || away_since.elapsed() > lease * 2).await;
        if is_killed {
            stage.redis.restart().expect("the same server again")
        } else {
            stage.signal("-CONT")
        }
        eventually("all run again", || watch.running() == 6).await;
        let rounds = || stage.redis.command(&["EXISTS", "maintenance:default"]).integer();
        eventually("somebody reaps again", || rounds() == 1).await;
    }
    watch.gate.cancel();
    eventually("6 results", || stage.results("T", 6) == 6).await;
    assert_eq!((stage.facts("crashed").len(), stage.facts("completed").len()), (0, 6));
    assert!(stage.facts("returned").len() >= 18, "handed back, after each outage");
    for worker in workers {
        worker.stop().await.expect("a clean end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_comes_too_late_judges_nobody() {
    let stage = stage().await;
    let (queue, by) = (QueueName::default_queue(), ConsumerName::new("late").expect("a name"));
    stage.store.create_worker_groups(&queue).await.expect("groups");
    stage.submit("T", doings(1, Priority::Medium)).await;
    stage.redis.command(&["XREADGROUP", "GROUP", "workers", "dead", "STREAMS", STREAM, ">"]);
    let (now_ms, mut cursors) = (stage.store.now_ms().await.expect("a time"), ReapCursors::default());
    for (not_after_ms, is_late) in [(now_ms - 1, true), (now_ms + 60_000, false)] {
        let rule = Rule { lease: Duration::ZERO, not_after_ms: Some(not_after_ms) };
        let asked = stage.store.ask_round(&by, &queue, rule, &mut cursors).await;
        assert_eq!(asked.expect("an answer") == Asked::Late, is_late);
        assert_eq!(stage.facts("crashed").len(), usize::from(!is_late));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reconnect_a_worker_judges_nobody_for_a_lease() {
    let (stage, watch, lease) = (stage().await, Watch::default(), Duration::from_secs(3));
    let worker = stage.work(Config { lease, ..slots(1) }, watch.note());
    let rounds = || stage.redis.command(&["EXISTS", "maintenance:default"]).integer();
    eventually("it reaps", || rounds() == 1).await;
    assert!(stage.redis.command(&["CLIENT", "KILL", "TYPE", "normal"]).integer() > 0);
    let cut_at = Instant::now();
    stage.redis.command(&["MULTI"]);
    add_queued(&stage, "T-0");
    stage.redis.command(&["XREADGROUP", "GROUP", "workers", "silent", "STREAMS", STREAM, ">"]);
    let entry_id = stage.redis.command(&["EXEC"]).items()[0].text();
    stage.redis.command(&["XCLAIM", STREAM, "workers", "silent", "0", &entry_id, "IDLE", "60000"]);
    eventually("it was judged in the end", || stage.facts("crashed").len() == 1).await;
    assert!(cut_at.elapsed() > lease.mul_f64(0.9), "{:?}", cut_at.elapsed());
    worker.stop().await.expect("a clean end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_young_worker_judges_nobody_for_a_lease_where_another_server_has_taken_over() {
    let (stage, watch) = (stage().await, Watch::default());
    let lease = Duration::from_secs(2);
    let up_for = || stage.redis.command(&["INFO", "server"]).text().lines().find_map(uptime).expect("an uptime");
    eventually("the server is no young one", || up_for() > lease).await;
    stage.redis.command(&["HSET", "meta", "run_id", "the-one-before 5"]);
    stage.submit("T", doings(1, Priority::Medium)).await;
    stage.redis.command(&["XGROUP", "CREATE", STREAM, "workers", "0"]);
    stage.redis.command(&["XREADGROUP", "GROUP", "workers", "cut-off", "STREAMS", STREAM, ">"]);
    let entry_id = stage.entries(STREAM)[0].0.clone();
    stage.redis.command(&["XCLAIM", STREAM, "workers", "cut-off", "0", &entry_id, "IDLE", "60000"]);
    let worker = stage.work(Config { lease, ..slots(1) }, watch.note());
    eventually("it was judged in the end", || stage.facts("crashed").len() == 1).await;
    let said = stage.redis.command(&["HGET", "meta", "run_id"]).text();
    let since_ms: u64 = said.split(' ').nth(1).and_then(|ms| ms.parse().ok()).expect("a time");
    let judged_ms: u64 = stage.facts("crashed")[0][7].parse().expect("a time");
    assert!(judged_ms >= since_ms + 2_000, "judged {} ms after the server was known", judged_ms - since_ms);
    worker.stop().await.expect("a clean end");
}

fn uptime(line: &str) -> Option<Duration> {
    line.strip_prefix("uptime_in_seconds:")?.trim().parse().ok().map(Duration::from_secs)
}
