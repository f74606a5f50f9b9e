//! What is answered to operations on tasks: how each ends well, and what each is refused.

use crate::governor::Pressure;
use crate::refusal::documented::{self, Answer, Refusals};
use crate::refusal::{Refusal, sample};
use crate::wire::answer::JsonText;
use crate::wire::batch::BatchAnswer;
use crate::wire::task::TaskDocument;
use poem_openapi::ApiResponse;

/// A submission.
#[derive(ApiResponse)]
pub enum Accepted {
    /// Stored, and ended while you waited. The document is as of its end.
    #[oai(status = 200)]
    Ended(
        JsonText<TaskDocument>,
        /// Where the task is read.
        #[oai(header = "Location")]
        String,
        /// The entity tag of the document: its revision, with `-delayed` behind it while it waits for `run_at`.
        #[oai(header = "ETag")]
        String,
        /// `true` if an earlier request with the same Idempotency-Key stored it.
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
        /// How long was waited for at most.
        #[oai(header = "Preference-Applied")]
        Option<String>,
    ),
    /// Stored: it will run. The document is as of its acceptance.
    #[oai(status = 202)]
    Task(
        JsonText<TaskDocument>,
        /// Where the task is read.
        #[oai(header = "Location")]
        String,
        /// The entity tag of the document: its revision, with `-delayed` behind it while it waits for `run_at`.
        #[oai(header = "ETag")]
        String,
        /// `true` if an earlier request with the same Idempotency-Key stored it.
        #[oai(header = "Idempotency-Replayed")]
        Option<String>,
        /// How long was waited for its end, if that was preferred.
        #[oai(header = "Preference-Applied")]
        Option<String>,
    ),
}

/// A batch.
#[derive(ApiResponse)]
pub enum Answered {
    /// The results of the batch, in its order.
    #[oai(status = 200)]
    Tasks(
        JsonText<BatchAnswer>,
        /// Seconds after which what was refused for a time makes sense to be sent again; absent if nothing was.
        #[oai(header = "Retry-After")]
        Option<u32>,
    ),
}

/// A replay.
#[derive(ApiResponse)]
pub enum Replayed {
    /// It runs again. The document is as of that moment.
    #[oai(status = 202)]
    Task(
        JsonText<TaskDocument>,
        /// The entity tag of the document: its revision, with `-delayed` behind it while it waits for `run_at`.
        #[oai(header = "ETag")]
        String,
    ),
}

/// A look.
#[derive(ApiResponse)]
#[allow(clippy::large_enum_variant)] // it is made once and sent
pub enum Found {
    /// The task as it stands.
    #[oai(status = 200)]
    Task(
        JsonText<TaskDocument>,
        /// The entity tag of the document: its revision, with `-delayed` behind it while it waits for `run_at`.
        #[oai(header = "ETag")]
        String,
        /// How long was waited for at most.
        #[oai(header = "Preference-Applied")]
        Option<String>,
    ),
    /// Not modified: the document still has an entity tag that `If-None-Match` names.
    #[oai(status = 304)]
    Unchanged(
        /// The entity tag of the document: its revision, with `-delayed` behind it while it waits for `run_at`.
        #[oai(header = "ETag")]
        String,
        /// How long was waited for at most.
        #[oai(header = "Preference-Applied")]
        Option<String>,
    ),
}

/// A cancel.
#[derive(ApiResponse)]
pub enum Halted {
    /// It is cancelled. The document is as of that moment.
    #[oai(status = 200)]
    Task(
        JsonText<TaskDocument>,
        /// The entity tag of the document: its revision, with `-delayed` behind it while it waits for `run_at`.
        #[oai(header = "ETag")]
        String,
    ),
}

/// Of a submission.
pub struct Submitting;

impl Refusals for Submitting {
    const OWN: &'static [Answer] = &[
        (400, "A malformed Idempotency-Key.", &[sample::invalid_task, || Refusal::IdempotencyKeyInvalid]),
        (409, "The task that this Idempotency-Key stands for has expired.", &[|| Refusal::IdempotencyTaskGone]),
        (413, "The body has more than 1 MiB, or `params` or `context` more than 64 KiB.", &[|| Refusal::BodyTooLarge]),
        (
            422,
            "Against a rule: an unknown kind, more than 1,000 subtasks, a name twice, dependencies that are unknown or lead in a circle, an Idempotency-Key that stands for another request.",
            &[sample::too_many_subtasks, sample::unknown_kind, || Refusal::IdempotencyKeyReused],
        ),
        (
            429,
            "Too much is waiting: in a queue, in Redis' memory or before the projectors.",
            &[|| Refusal::Overloaded(Pressure::Backlog)],
        ),
        (503, "Too few replicas have stored it.", &[|| Refusal::NotReplicated]),
    ];
    const WAY: &'static [&'static [Answer]] = documented::SENDING;
}

/// Of a batch.
pub struct SubmittingSeveral;

impl Refusals for SubmittingSeveral {
    const OWN: &'static [Answer] = &[
        (400, "A malformed Idempotency-Key.", &[|| Refusal::IdempotencyKeyInvalid]),
        (
            422,
            "Not 1 to 1,000 tasks, or an Idempotency-Key that stands for another request. Nothing was stored.",
            &[sample::too_many_tasks, || Refusal::IdempotencyKeyReused],
        ),
    ];
    const WAY: &'static [&'static [Answer]] = documented::SENDING;
}

/// Of a list.
pub struct Listing;

impl Refusals for Listing {
    const OWN: &'static [Answer] = &[];
    const WAY: &'static [&'static [Answer]] = documented::READING;
}

/// Of a look.
pub struct Reading;

impl Refusals for Reading {
    const OWN: &'static [Answer] = &[documented::NO_TASK];
    const WAY: &'static [&'static [Answer]] = documented::READING;
}

/// Of a cancel.
pub struct Cancelling;

impl Refusals for Cancelling {
    const OWN: &'static [Answer] = &[
        (400, "A malformed `If-Match`.", &[sample::no_entity_tag]),
        documented::NO_TASK,
        (409, "The task has completed or failed.", &[|| Refusal::NotCancellable]),
        (412, "The task is not at the revision that `If-Match` names.", &[|| Refusal::PreconditionFailed]),
    ];
    const WAY: &'static [&'static [Answer]] = documented::WRITING;
}

/// Of a replay.
pub struct Replaying;

impl Refusals for Replaying {
    const OWN: &'static [Answer] = &[
        documented::NO_TASK,
        (
            409,
            "The task has not ended, is running again already, or has run again 100 times.",
            &[|| Refusal::NotReplayable, || Refusal::RunsExhausted],
        ),
        (412, "The task is not at the revision that `If-Match` names.", &[|| Refusal::PreconditionFailed]),
        (422, "A subtask that the task does not have.", &[sample::unknown_subtask]),
        (429, "Too much is waiting: in Redis' memory or before the projectors.", &[documented::FULL]),
    ];
    const WAY: &'static [&'static [Answer]] = documented::SENDING;
}
