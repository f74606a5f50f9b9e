//! What lies in Redis beside and between: a stranger's keys, a stranger's commands, a person's eyes.

use system_tests::body;
use system_tests::eventually::eventually;
use system_tests::monitor::Monitor;
use system_tests::redis::Reply;
use system_tests::stack::{Plan, SOON, Stack};

const FOREIGN: [&[&str]; 8] = [
    &["SADD", "_kombu.binding.celery", "celery\u{6}\u{16}\u{6}\u{16}celery", "second"],
    &["RPUSH", "celery", "{\"body\": \"W10=\"}", "two"],
    &["HSET", "unacked", "tag", "[{}]"],
    &["ZADD", "unacked_index", "1.5", "tag"],
    &["SET", "celery-task-meta-1", "{\"status\": \"SUCCESS\"}"],
    &["XADD", "orders", "1-1", "field", "value"],
    &["PFADD", "visitors", "a", "b"],
    &["SETBIT", "task", "7", "1"],
];

#[test]
fn a_whole_run_leaves_a_strangers_keys_alone_and_never_walks_the_keyspace() {
    let mut stack = Plan::workers(1).start();
    for command in FOREIGN {
        assert!(!matches!(stack.redis.command(command), Reply::Error(_)), "{command:?}");
    }
    let dump = |stack: &Stack| FOREIGN.map(|command| stack.redis.command(&["DUMP", command[1]]));
    let before = dump(&stack);
    let monitor = Monitor::start(&stack.redis);
    stack.orchestrator.kill();
    stack.restart_orchestrator();
    stack.add_projector();
    stack.add_worker();
    stack.workers[1].wait_line(SOON, "] ready");

    let id = stack.client.submit(&body::authentication());
    stack.await_status(&id, "completed");
    stack.workers[0].kill();
    let id = stack.client.submit(&body::lasting(3, 0.2));
    stack.await_status(&id, "completed");
    for path in ["/", "/health", "/ready", "/docs", "/openapi.json"] {
        assert_eq!(stack.client.get(path).status, 200, "{path}");
    }
    stack.audit();
    let rebuilt = stack.run(&["rebuild"]);
    assert_eq!(rebuilt.code, Some(0), "{rebuilt:?}");

    assert_eq!(dump(&stack), before);
    let sent = monitor.commands();
    for expected in ["EVALSHA", "XREADGROUP", "HGETALL", "ZRANGE", "XGROUP", "XAUTOCLAIM", "HSET"] {
        assert!(sent.iter().any(|command| command == expected), "the monitor hears {expected}");
    }
    for command in ["KEYS", "SCAN", "FLUSHALL", "FLUSHDB", "RANDOMKEY", "SWAPDB", "CONFIG SET", "MONITOR", "SORT"] {
        assert!(!sent.iter().any(|one| one == command), "{command} was sent");
    }
}

#[test]
fn the_manuals_redis_cli_lines_show_text_that_people_can_read() {
    let stack = Plan::workers(1).start();
    let id = stack.client.submit(&body::authentication());
    stack.await_status(&id, "completed");
    let waiting = stack.client.submit(&body::lasting(2, 30.0));
    eventually(SOON, "both run", || (stack.pending().len() == 2).then_some(()));
    for (line, expected) in [
        ("XLEN subtasks:default:medium".to_owned(), "2"),
        ("XLEN events".to_owned(), ""),
        ("XRANGE subtasks:default:medium - +".to_owned(), "step 1"),
        ("XRANGE events - +".to_owned(), "completed"),
        ("XINFO STREAM subtasks:default:medium".to_owned(), "length"),
        ("XINFO GROUPS subtasks:default:medium".to_owned(), "workers"),
        ("XINFO CONSUMERS subtasks:default:medium workers".to_owned(), "worker-1"),
        ("XINFO STREAM events".to_owned(), "length"),
        ("XINFO GROUPS events".to_owned(), "projector"),
        ("XINFO CONSUMERS events projector".to_owned(), "name"),
        ("XPENDING subtasks:default:medium workers".to_owned(), "worker-1"),
        ("XPENDING subtasks:default:medium workers - + 10".to_owned(), "worker-1"),
        (format!("HGETALL task:{id}"), "Build a user authentication system"),
        (format!("HGET task:{id} status"), "completed"),
        (format!("HGETALL outcomes:{id}"), "completed 1 0"),
        (format!("HGETALL task:{waiting}"), "step 0"),
        (format!("GET result:{id}-0"), "Design user database schema"),
        (format!("TTL result:{id}-0"), "86"),
    ] {
        check_readable(&stack, &line, expected);
    }
}

fn check_readable(stack: &Stack, line: &str, expected: &str) {
    let words: Vec<&str> = ["redis-cli"].into_iter().chain(line.split(' ')).collect();
    let shown = stack.run(&words);
    assert_eq!(shown.code, Some(0), "{line}: {shown:?}");
    assert!(shown.out.contains(expected), "{line}: {}", shown.out);
    for bad in ["WRONGTYPE", "ERR ", "\\x", "\u{fffd}"] {
        assert!(!shown.out.contains(bad) && !shown.err.contains(bad), "{line}: {shown:?}");
    }
    let printable = |char: char| char == '\n' || !char.is_control();
    assert!(shown.out.chars().all(printable), "{line}: {}", shown.out);
}

#[test]
fn what_the_readme_says_to_type_instead_works_as_it_stands_there() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).expect("a README");
    let rows = readme.lines().filter_map(|line| line.trim().strip_prefix("| `")?.strip_suffix('|'));
    let rows: Vec<(&str, &str)> = rows.filter_map(|row| row.split_once("` |")).collect();
    let stack = Plan::workers(1).start();
    let id = stack.client.submit(&body::simulated(1));
    let mut typed = 0;
    for (before, now) in rows {
        let now = now.trim().trim_matches('`');
        let line = if now == "the same" { before } else { now };
        let line = line.replace("<subtask_id>", &format!("{id}-0")).replace("<id>", &id);
        let is_redis = ["X", "HGET", "GET ", "LLEN", "TTL"].iter().any(|start| line.starts_with(start));
        assert!(is_redis, "{line} is not for redis-cli");
        let words: Vec<&str> = line.split(' ').collect();
        let reply = stack.redis.command(&words);
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
        typed += 1;
    }
    assert!(typed >= 5, "only {typed} lines were seen");
}

#[test]
fn a_second_group_on_a_work_stream_disturbs_nobody() {
    const STREAM: &str = "subtasks:default:medium";
    let mut stack = Plan::workers(0).start();
    let id = stack.client.submit(&body::simulated(20));
    stack.redis.command(&["XGROUP", "CREATE", STREAM, "strangers", "0"]);
    let read = ["XREADGROUP", "GROUP", "strangers", "somebody", "COUNT", "10", "STREAMS", STREAM, ">"];
    assert_eq!(stack.redis.command(&read).items()[0].items()[1].items().len(), 10);
    stack.add_worker();
    stack.await_status(&id, "completed");
    assert_eq!(stack.fact_count(&id, "completed"), 20);
    assert!(stack.entries().is_empty() && stack.pending().is_empty());
    assert_eq!(stack.pending_in(STREAM, "strangers").len(), 10, "what the other group holds is its own affair");
    stack.audit();
}
