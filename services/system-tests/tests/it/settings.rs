//! Every setting: told in one table, read from three places, refused by its name.

use std::path::Path;
use system_tests::process::{Process, Settings, run};
use system_tests::redis::PrivateRedis;
use system_tests::stack::{SOON, free_port};

/// A row of the table that `millstream settings` prints.
struct Row {
    name: String,
    default: String,
    read_by: Vec<String>,
}

/// What long-running sub-commands there are to refuse a value.
const ROLES: [&str; 4] = ["up", "orchestrator", "worker", "projector"];

#[test]
fn a_value_that_cannot_be_used_stops_the_start_by_the_name_of_its_setting() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut tried = 0;
    for row in table(directory.path()) {
        let Some(bad) = bad_value(&row.name) else { continue };
        for role in row.read_by.iter().filter(|role| ROLES.contains(&role.as_str())) {
            let mut settings: Settings =
                ["ORCHESTRATOR_PORT", "REDIS_PORT"].map(|name| (name.to_owned(), free_port().to_string())).into();
            settings.insert(row.name.clone(), bad.to_owned());
            let finished = run(&[role], &settings, directory.path());
            assert_eq!(finished.code, Some(2), "{role} with {}: {finished:?}", row.name);
            let said = format!("{}{}", finished.out, finished.err); // `up` repeats what a part of it says
            assert!(said.contains(&format!("{}: ", row.name)), "{role} does not name {}: {said}", row.name);
            let is_path = bad.starts_with('/'); // a path is no secret, and which file it was is half of the answer
            assert!(
                is_path || !finished.err.contains(bad),
                "{role} repeats the value of {}: {}",
                row.name,
                finished.err
            );
            assert_eq!(finished.err.lines().count(), 1, "one line: {}", finished.err);
            tried += 1;
        }
    }
    assert!(tried >= 25, "only {tried} were tried");
}

/// A value that the setting must refuse; `None` for what takes any text.
fn bad_value(name: &str) -> Option<&'static str> {
    Some(match name {
        "HEALTH_DIR" => return None, // a role that cannot show its health still works, and says so
        "JWT_AUDIENCE" | "JWT_ISSUER" => return None,
        "JWT_PUBLIC_KEY" => return None, // is read only where AUTH asks for tokens
        "JWT_SECRET" => "two words",
        "REDIS_URL" => "hunter2",
        "OTLP_ENDPOINT" => "http://miller:hunter2@collector:4318",
        "REDIS_HOST" | "ORCHESTRATOR_HOST" | "METRICS_HOST" | "ALLOWED_HOSTS" => "no host",
        "LOG_LEVEL" => "deafening",
        "LOG_FILE" | "PLAN_RULES" | "REDIS_SERVER_BIN" => "/dev/null/nothing",
        "WORKER_ID" => "two words",
        "WORKER_KINDS" => "unheard of",
        _ => "perhaps",
    })
}

#[test]
fn a_flag_goes_before_the_environment_and_the_environment_before_the_file() {
    let redis = PrivateRedis::start().expect("a Redis of our own");
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(".env"), "WORKER_ID=from-file\nWORKER_SLOTS=3\nLEASE_MS=1234\n")
        .expect("a file");
    let settings: Settings =
        [("REDIS_URL", redis.url()), ("WORKER_SLOTS", "5".into()), ("WORKER_ID", "from-env".into())]
            .map(|(name, value): (&str, String)| (name.to_owned(), value))
            .into();
    let worker = Process::start("worker", &["worker", "--worker-id", "from-flag"], &settings, directory.path());
    let line = worker.wait_line(SOON, "] ready");
    for part in ["[from-flag]", "slots=5", "lease_ms=1234"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn secrets_are_masked_in_the_start_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = format!("redis://miller:hunter2@127.0.0.1:{}/0", free_port());
    for role in ["orchestrator", "worker", "projector"] {
        let settings: Settings = [("REDIS_URL", address.clone()), ("ORCHESTRATOR_PORT", free_port().to_string())]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        let process = Process::start(role, &[role], &settings, directory.path());
        process.wait_line(SOON, "REDIS_URL=redis://***@127.0.0.1:");
        assert_eq!(process.log().all("hunter2"), [""; 0]);
    }
}

#[test]
fn every_setting_of_the_design_has_a_row_with_its_default() {
    let directory = tempfile::tempdir().expect("a directory");
    let rows = table(directory.path());
    for (name, default) in [
        ("REDIS_URL", "–"),
        ("REDIS_HOST", "–"),
        ("REDIS_PORT", "`6379`"),
        ("ORCHESTRATOR_HOST", "`127.0.0.1`"),
        ("ORCHESTRATOR_PORT", "`8000`"),
        ("ALLOW_ANONYMOUS", "`false`"),
        ("ALLOWED_HOSTS", "–"),
        ("WORKERS", "`2`"),
        ("WORKER_ID", "–"),
        ("WORKER_SLOTS", "`64`"),
        ("WORKER_KINDS", "–"),
        ("LEASE_MS", "`10000`"),
        ("SIMULATE_SECONDS", "`1.0`"),
        ("PLAN_RULES", "–"),
        ("RESULT_TTL_SECONDS", "`86400`"),
        ("TASK_TTL_SECONDS", "`604800`"),
        ("EVENTS_RETENTION_SECONDS", "`3600`"),
        ("BACKLOG_MAX", "`1000000`"),
        ("CONNECTIONS_MAX", "`2048`"),
        ("SSE_MAX", "`2000`"),
        ("SHUTDOWN_GRACE_SECONDS", "`25`"),
        ("METRICS_HOST", "`127.0.0.1`"),
        ("METRICS_PORT", "`0`"),
        ("LOG_LEVEL", "`info`"),
        ("LOG_FORMAT", "`text`"),
        ("LOG_FILE", "–"),
        ("OTLP_ENDPOINT", "–"),
        ("TRACE_RATIO", "`1.0`"),
    ] {
        let row = rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no row for {name}"));
        assert_eq!(row.default, default, "{name}");
    }
}

fn table(directory: &Path) -> Vec<Row> {
    let printed = run(&["settings"], &Settings::new(), directory);
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    let rows = printed.out.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Row> = rows.map(Row::read).collect();
    assert!(rows.len() >= 20, "{}", printed.out);
    rows
}

impl Row {
    fn read(line: &str) -> Self {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _, default, _, read_by] = cells[..] else { panic!("not a row: {line}") };
        Self {
            name: name.trim_matches('`').to_owned(),
            default: default.to_owned(),
            read_by: read_by.split(", ").map(str::to_owned).collect(),
        }
    }
}
