//! The one list of metrics: name, help, shape, labels, who serves it, and what its movement asks of a person.
//!
//! Names begin with `millstream_` and end with their base unit (`_seconds`, `_bytes`), with `_total` if they count, or
//! with what they count. No label holds an id: every label's values are words of the code, or bounded where they are
//! read. `docs/metrics.md` is this list as a page; tests hold the two together.

use std::fmt::Write;

/// Waits, from a moment to half an hour.
const WAIT_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];
/// Work, up to the longest timeout.
const RUN_SECONDS: &[f64] =
    &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0];
/// Tasks from submission to end, up to the week that they are given.
const TASK_SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 21600.0,
    86400.0, 259200.0, 604800.0,
];
/// Answers, up to what a client waits for.
const ANSWER_SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Items of one settling call: at most 128.
const BATCH_ITEMS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
/// Facts of one fold call: 512, or those of one entry.
const FOLD_FACTS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 128.0, 256.0, 512.0, 4096.0];

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its name, the same in the text, the documentation and an alert.
    pub name: &'static str,
    help: &'static str,
    /// How it moves.
    pub shape: Shape,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// Who serves it.
    pub services: &'static [Service],
    /// What to be woken for, if anything.
    pub alert: Option<&'static str>,
}

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Only up, but for a new start.
    Counter,
    /// Up and down.
    Gauge,
    /// Observations, counted by these upper bounds.
    Histogram(&'static [f64]),
}

/// Who serves a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The HTTP API.
    Orchestrator,
    /// One of the workers.
    Worker,
    /// One of the projectors.
    Projector,
}

const EVERY: &[Service] = &[Service::Orchestrator, Service::Worker, Service::Projector];
const ORCHESTRATOR: &[Service] = &[Service::Orchestrator];
const WORKER: &[Service] = &[Service::Worker];
const PROJECTOR: &[Service] = &[Service::Projector];
/// Those who end tasks: by a fold or a deadline, and by a client's cancel.
const ENDERS: &[Service] = &[Service::Projector, Service::Orchestrator];

impl Metric {
    /// What it says, in one sentence.
    pub fn help(&self) -> &'static str {
        self.help.trim()
    }
}

impl Shape {
    /// The word of the text format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Service {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orchestrator => "orchestrator",
            Self::Worker => "worker",
            Self::Projector => "projector",
        }
    }
}

/// A constant for each metric, whose documentation is its help, and the list of all of them.
macro_rules! metrics {
    ($(
        $(#[doc = $help:literal])+
        $constant:ident = $shape:expr, $name:literal, $services:ident, [$($label:literal),*] $(, $alert:literal)?;
    )*) => {
        $(
            $(#[doc = $help])+
            pub const $constant: Metric = Metric {
                name: $name,
                help: concat!($($help),+),
                shape: $shape,
                labels: &[$($label),*],
                services: $services,
                alert: metrics!(@alert $($alert)?),
            };
        )*
        /// Every metric, in the order of the documentation.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
    (@alert $alert:literal) => { Some($alert) };
    (@alert) => { None };
}

use Shape::{Counter, Gauge, Histogram};

#[rustfmt::skip] // a table
metrics! {
    /// Always 1; its labels tell which program this is.
    BUILD_INFO = Gauge, "millstream_build_info", EVERY, ["service", "version"];
    /// When the process started, in seconds of the Unix epoch.
    START_TIME = Gauge, "millstream_process_start_time_seconds", EVERY, [], "it changes every few minutes: the process dies";
    /// Commands to Redis that failed, each try by itself, by what is wrong.
    REDIS_ERRORS = Counter, "millstream_redis_errors_total", EVERY, ["class"], "`wrong_type` or `refused` rises at all: a person must look; `unavailable` rises for a minute";

    /// Handlers that have ended, by what became of the attempt: completed, retried, failed, cancelled or lost.
    ATTEMPTS = Counter, "millstream_attempts_total", WORKER, ["kind", "outcome"], "`failed` or `lost` in a part that is not usual for the kind";
    /// Time that a handler took, by whether it completed, failed, was cancelled or lost its lease.
    RUN = Histogram(RUN_SECONDS), "millstream_subtask_run_seconds", WORKER, ["kind", "outcome"];
    /// Time from a work entry's creation to the start of its handler; the pause before a retry does not count.
    QUEUE_WAIT = Histogram(WAIT_SECONDS), "millstream_queue_wait_seconds", WORKER, ["kind"], "its 99th percentile exceeds what your users wait for";
    /// Handlers that run now.
    RUNNING = Gauge, "millstream_running_subtasks", WORKER, ["kind"];
    /// Attempts that another one follows, by why they failed.
    RETRIES = Counter, "millstream_retries_total", WORKER, ["kind", "reason"];
    /// Subtasks that gave up and became dead letters, by why.
    BURIED = Counter, "millstream_buried_total", WORKER, ["reason"], "it rises: see `millstream dead-letters`";
    /// Recordings of attempts by their script (settle, retry, bury) and its answer: recorded, dropped because the
    /// subtask had ended, or stale because another attempt has the right.
    RECORDINGS = Counter, "millstream_recordings_total", WORKER, ["script", "answer"], "`stale` rises steadily: workers outlive their leases";
    /// Attempts that one call of a script records.
    BATCH = Histogram(BATCH_ITEMS), "millstream_settle_batch_items", WORKER, ["script"];
    /// Leases that were renewed.
    RENEWALS = Counter, "millstream_renewals_total", WORKER, [];
    /// Leases that were lost: taken by a reaper, or given up after 0.8 of a lease in which Redis did not answer.
    LEASES_LOST = Counter, "millstream_leases_lost_total", WORKER, ["cause"], "it rises: a worker or Redis stands still for longer than a lease";
    /// Entries that dead workers left: returned with one crash more, buried after too many, malformed, or ghosts, which
    /// someone had deleted.
    REAPED = Counter, "millstream_reaped_total", WORKER, ["outcome"], "`returned` rises without a deployment: workers die; `ghost` rises at all";
    /// What waited for its time and was moved into its stream, by any round of this worker.
    PROMOTED = Counter, "millstream_promoted_total", WORKER, [];
    /// Entries given back unrun: parked for want of a handler, or handed back by a worker that stops or cannot read
    /// them.
    GIVEN_BACK = Counter, "millstream_given_back_total", WORKER, ["cause"], "`parked` rises steadily: a kind has no worker";

    /// Tasks that have ended, by the kind of their subtasks, or `several`, and by how. What is run again ends again; an
    /// outage may leave some out.
    TASKS_ENDED = Counter, "millstream_tasks_ended_total", ENDERS, ["kind", "status"], "`failed` in a part that is not usual for the kind";
    /// Time from a task's submission to its last outcome, by the kind of its subtasks, or `several`, and by how it
    /// ended; a delay and earlier runs count.
    TASK_DURATION = Histogram(TASK_SECONDS), "millstream_task_duration_seconds", ENDERS, ["kind", "status"], "its 95th percentile exceeds what your users were promised";

    /// Facts that were folded: counted, progressed, duplicate, or ignored because nothing of that name exists.
    FOLDED = Counter, "millstream_folded_facts_total", PROJECTOR, ["answer"];
    /// Facts that one fold call takes.
    FOLD_BATCH = Histogram(FOLD_FACTS), "millstream_fold_batch_facts", PROJECTOR, [];
    /// Time that one fold call took.
    FOLD = Histogram(ANSWER_SECONDS), "millstream_fold_seconds", PROJECTOR, [];
    /// Entries of the log taken over from a projector that did not acknowledge them.
    CLAIMED = Counter, "millstream_claimed_events_total", PROJECTOR, [];
    /// Times that an entry of the log could not be folded because a key of its task, or one of all tasks, holds
    /// something else.
    POISONED = Counter, "millstream_poisoned_events_total", PROJECTOR, [], "it rises: a person must look, the log names the entry";
    /// Entries of the log that were trimmed.
    TRIMMED = Counter, "millstream_trimmed_events_total", PROJECTOR, [];
    /// Tasks whose time was over: cancelled for their deadline, or removed at the end of their life.
    EXPIRED = Counter, "millstream_expired_tasks_total", PROJECTOR, ["outcome"];
    /// Laws that open tasks break, as the last sweep of this projector found; one projector of all sweeps.
    VIOLATIONS = Gauge, "millstream_audit_violations", PROJECTOR, [], "it is not 0: see `millstream audit`";
    /// Deliveries to webhooks that this projector has submitted; how they went is told of the kind `webhook`.
    ANNOUNCED = Counter, "millstream_webhook_deliveries_total", PROJECTOR, [];
    /// Ends that a webhook was not told of, because as many deliveries to it were under way as may be.
    UNTOLD = Counter, "millstream_webhook_untold_total", PROJECTOR, [], "it rises: an endpoint does not answer";

    /// Answers of the API, by method, template of the route, and status.
    REQUESTS = Counter, "millstream_http_requests_total", ORCHESTRATOR, ["method", "route", "status"], "5xx are more than one in a thousand";
    /// Time from a request's head to its answer's head.
    REQUEST = Histogram(ANSWER_SECONDS), "millstream_http_request_seconds", ORCHESTRATOR, ["method", "route"], "its 99th percentile exceeds what your clients wait for";
    /// Problem documents, by their code.
    PROBLEMS = Counter, "millstream_http_problems_total", ORCHESTRATOR, ["code"], "`internal` rises at all";
    /// Tasks that were stored, by the door they came through.
    ACCEPTED = Counter, "millstream_tasks_accepted_total", ORCHESTRATOR, ["door"];
    /// Submissions refused because too much is waiting, by what is full: backlog, memory, or unfolded_facts.
    OVERLOADS = Counter, "millstream_overload_refusals_total", ORCHESTRATOR, ["reason"], "it rises: add workers, memory or projectors";
    /// Event streams and waiting requests that are open.
    SSE_CLIENTS = Gauge, "millstream_sse_clients", ORCHESTRATOR, [], "it nears SSE_MAX";
    /// Notes that the audit lacks, by reason: suppressed, as its client had ten refusals noted within the minute, or
    /// dropped, as Redis did not take it.
    NOTES_LOST = Counter, "millstream_audit_notes_lost_total", ORCHESTRATOR, ["reason"], "`dropped` rises at all; `suppressed` rises: somebody is refused in a loop";
    /// How often Redis had lost everything while this process ran.
    LOSSES = Counter, "millstream_redis_losses_total", ORCHESTRATOR, [], "it rises at all";

    /// Whether Redis answered this scrape in time; without it, nothing below is there.
    REDIS_UP = Gauge, "millstream_redis_up", ORCHESTRATOR, [], "0 for a minute";
    /// Bytes that Redis uses.
    REDIS_MEMORY = Gauge, "millstream_redis_memory_bytes", ORCHESTRATOR, [], "more than 80 % of the bound: submissions are refused";
    /// Bytes that Redis may use; absent where there is no bound.
    REDIS_MEMORY_MAX = Gauge, "millstream_redis_memory_max_bytes", ORCHESTRATOR, [], "it is absent";
    /// Tasks by status, those that have ended until their life ends.
    TASKS = Gauge, "millstream_tasks", ORCHESTRATOR, ["status"];
    /// Work entries that nobody has read yet: the measure to scale workers by.
    BACKLOG = Gauge, "millstream_backlog_entries", ORCHESTRATOR, ["queue", "priority"], "it only grows";
    /// Age of the oldest work entry that nobody has read yet; 0 if there is none.
    BACKLOG_AGE = Gauge, "millstream_backlog_oldest_age_seconds", ORCHESTRATOR, ["queue", "priority"], "more than a task may wait";
    /// Entries of a stream.
    STREAM = Gauge, "millstream_stream_entries", ORCHESTRATOR, ["stream"];
    /// Entries that a group has read and not acknowledged.
    GROUP_PENDING = Gauge, "millstream_group_pending_entries", ORCHESTRATOR, ["stream", "group"];
    /// Entries that a group has not read, as Redis tells it; absent where it does not know.
    GROUP_LAG = Gauge, "millstream_group_lag_entries", ORCHESTRATOR, ["stream", "group"];
    /// Whether Redis knows how many entries a group has not read; after a deletion it may not.
    GROUP_LAG_KNOWN = Gauge, "millstream_group_lag_known", ORCHESTRATOR, ["stream", "group"];
    /// Age of the oldest entry that a group has read and not acknowledged, its wait before it was read included; 0 if
    /// there is none.
    GROUP_OLDEST = Gauge, "millstream_group_oldest_pending_age_seconds", ORCHESTRATOR, ["stream", "group"];
    /// Subtasks that wait for their time: retries, schedules, and what is parked.
    DELAYED = Gauge, "millstream_delayed_subtasks", ORCHESTRATOR, [];
    /// Dead letters.
    DEAD_LETTERS = Gauge, "millstream_dead_letters", ORCHESTRATOR, [], "it is not 0 for a day: requeue or discard them";
    /// Dead letters that their bound has trimmed away.
    LETTERS_TRIMMED = Counter, "millstream_dead_letters_trimmed_total", ORCHESTRATOR, [], "it rises: letters were lost unseen";
    /// Bytes of the log of facts, as Redis estimates them.
    EVENTS_BYTES = Gauge, "millstream_events_bytes", ORCHESTRATOR, [];
    /// Facts that the projectors have yet to fold, estimated from a sample.
    UNFOLDED = Gauge, "millstream_unfolded_facts", ORCHESTRATOR, [], "more than 100,000: at 1,000,000 submissions are refused";
    /// Age of the oldest fact that is not folded; 0 if all are.
    PROJECTOR_LAG = Gauge, "millstream_projector_lag_seconds", ORCHESTRATOR, [], "more than 10: no projector runs, or one cannot fold";
    /// Workers: alive, draining before their end, or silent for a minute and not collected yet.
    WORKERS = Gauge, "millstream_workers", ORCHESTRATOR, ["state"], "`alive` is 0";
    /// Slots of the living workers, as of their last heartbeats: running, or free and ready to take work.
    SLOTS = Gauge, "millstream_worker_slots", ORCHESTRATOR, ["state"], "`free` is 0 while the backlog grows";
    /// Age of the oldest heartbeat of a living worker; absent without one.
    HEARTBEAT = Gauge, "millstream_worker_heartbeat_age_seconds", ORCHESTRATOR, [], "more than 30";
}

/// The list as `docs/metrics.md` holds it.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         `GET /metrics` answers in the text format of Prometheus: the API on its own port, workers and projectors on\n\
         `METRICS_PORT`, if it is set ([settings](settings.md)). What the orchestrator reads from Redis for a scrape is at most\n\
         a second old and the same on every replica: take one of them, or the maximum, never the sum. What is counted in a\n\
         process is that process' own: sum it. `kind` has at most 100 values and then `other`; `stream` and `queue` are those\n\
         of the first 64 queues by name.\n\n\
         The list in `services/telemetry/src/metric.rs` writes this page; a test compares it.\n\n\
         | name | type | labels | served by | meaning | be woken when |\n|---|---|---|---|---|---|\n",
    );
    for metric in ALL {
        let labels = metric.labels.join(", ");
        let services = metric.services.iter().map(|service| service.as_str()).collect::<Vec<_>>().join(", ");
        let (name, shape, help) = (metric.name, metric.shape.as_str(), metric.help());
        let _ = writeln!(
            text,
            "| `{name}` | {shape} | {labels} | {services} | {help} | {} |",
            metric.alert.unwrap_or_default()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the linter of Prometheus refuses, and our own rules beside it.
    fn flaw(Metric { name, shape, labels, .. }: &Metric) -> Option<&'static str> {
        let parts: Vec<&str> = name.split('_').collect();
        let is_word =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let has = |words: &[&str]| parts.iter().any(|part| words.contains(part));
        let rules = [
            ("a prefix", parts[0] == "millstream" && is_word(name)),
            ("a counter ends in _total, and nothing else", name.ends_with("_total") == (*shape == Counter)),
            ("a suffix of a histogram's series", !["_count", "_sum", "_bucket"].iter().any(|end| name.ends_with(end))),
            ("a type in a name", !has(&["gauge", "counter", "histogram", "summary"])),
            ("an abbreviated unit", !has(&["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "m", "h", "d"])),
            ("not a base unit", !has(&["milliseconds", "microseconds", "minutes", "hours", "kilobytes", "percent"])),
            (
                "a unit stands last",
                !has(&["seconds", "bytes"]) || parts.last().is_some_and(|it| ["seconds", "bytes"].contains(it)),
            ),
            (
                "a label with an id",
                !labels.iter().any(|label| label.ends_with("id") || *label == "le" || !is_word(label)),
            ),
        ];
        rules.into_iter().find(|(_, holds)| !holds).map(|(rule, _)| rule)
    }

    #[test]
    fn every_metric_is_named_by_the_rules_and_says_what_it_is() {
        for metric in ALL {
            assert_eq!(flaw(metric), None, "{}", metric.name);
            let help = metric.help();
            assert!(help.len() > 10 && help.ends_with('.') && !help.contains(['|', '\n']), "{}: {help}", metric.name);
            let times = ALL.iter().filter(|other| other.name == metric.name).count();
            assert_eq!(times, 1, "{} twice", metric.name);
        }
    }

    #[test]
    fn a_name_against_the_rules_is_noticed() {
        for (name, shape, label) in [
            ("tasks", Gauge, "status"),
            ("millstream_tasks_total", Gauge, "status"),
            ("millstream_tasks", Counter, "status"),
            ("millstream_wait_ms", Gauge, "status"),
            ("millstream_seconds_wait", Gauge, "status"),
            ("millstream_tasks_count", Gauge, "status"),
            ("millstream_tasks", Gauge, "task_id"),
        ] {
            let labels: &'static [&'static str] = Box::leak(Box::new([label]));
            assert!(flaw(&Metric { name, shape, labels, ..TASKS }).is_some(), "{name} {label}");
        }
    }

    #[test]
    fn buckets_rise() {
        for Metric { name, shape, .. } in ALL {
            if let Histogram(bounds) = shape {
                assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
            }
        }
    }

    #[test]
    fn the_documented_list_is_the_real_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let documented = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(documented, markdown(), "UPDATE=1 cargo test -p telemetry writes docs/metrics.md anew");
    }
}
