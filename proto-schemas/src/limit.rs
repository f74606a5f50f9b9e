//! The numbers that bound every input; all from DESIGN §6 unless a line says otherwise.

/// Bytes of a request body.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Characters of a description (ACCEPTANCE TASK-4).
pub const DESCRIPTION_CHARS_MAX: usize = 10_000;
/// Bytes of one subtask's payload, as JSON text.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 10;
/// Bytes of one stored result, as JSON text.
pub const RESULT_BYTES_MAX: usize = 256 << 10;
/// Subtasks of one task.
pub const SUBTASKS_MAX: usize = 1_000;
/// Tasks of one batch of submissions.
pub const BATCH_TASKS_MAX: usize = 1_000;
/// Fields of a work entry, unknown ones included; more than Lua could hand on to one command is nobody's entry.
pub const ENTRY_FIELDS_MAX: usize = 256;
/// Nesting of arrays and objects in a request.
pub const JSON_DEPTH_MAX: usize = 32;
/// Characters of an id, a kind or a queue name.
pub const TOKEN_CHARS_MAX: usize = 64;
/// Bytes of a terminal record, so that `outcomes:<id>` stays a listpack.
pub const RECORD_BYTES_MAX: usize = 64;
/// Characters of a failure message kept in a result or a dead letter.
pub const MESSAGE_CHARS_MAX: usize = 1_024;
/// Fact lines of one `events` entry, fewer where they are about [`SUBTASKS_MAX`] subtasks together, and items of one
/// settle call.
pub const BATCH_ITEMS_MAX: usize = 128;
/// Bytes of results that one settle call carries.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// Attempts of a subtask unless its definition says otherwise.
pub const ATTEMPTS_DEFAULT: u32 = 5;
/// Times that a subtask may be run again: each leaves a record with its task.
pub const GENERATIONS_MAX: u32 = 100;

/// Crashes after which an entry is buried, counted apart from attempts.
pub const CRASHES_MAX: u32 = 3;
/// Milliseconds one attempt may take unless its definition says otherwise.
pub const TIMEOUT_MS_DEFAULT: u64 = 600_000;
/// The longest timeout a definition may ask for, in milliseconds.
pub const TIMEOUT_MS_MAX: u64 = 3_600_000;
/// Milliseconds after which an open task is past its deadline.
pub const TASK_DEADLINE_MS: u64 = 7 * 24 * 3_600 * 1_000;
/// Seconds a task outlives its end.
pub const TASK_TTL_SECONDS: u64 = 7 * 24 * 3_600;
/// Seconds a result is kept.
pub const RESULT_TTL_SECONDS: u64 = 24 * 3_600;
/// Entries of one queue, all priorities together, beyond which a submit is refused.
pub const BACKLOG_MAX: u64 = 1_000_000;
/// Entries of `dead-letters`, approximately.
pub const DEAD_LETTERS_MAX: u64 = 100_000;
/// Wake-up tokens in a bell.
pub const BELL_TOKENS_MAX: u64 = 64;
/// Milliseconds a dead worker's entries wait before they are reaped.
pub const LEASE_MS_DEFAULT: u64 = 10_000;
/// Milliseconds of the first retry's longest pause unless the definition says otherwise.
pub const BACKOFF_BASE_MS: u64 = 1_000;
/// Milliseconds of any retry's longest pause unless the definition says otherwise.
pub const BACKOFF_CAP_MS: u64 = 300_000;
/// The longest pause that a definition may ask for, in milliseconds.
pub const BACKOFF_MS_MAX: u64 = 86_400_000;
/// The most attempts that a definition may ask for.
pub const ATTEMPTS_MAX: u32 = 100;
/// Crashes after which an entry is buried even if it never ran alone: a worker that does not know solitude.
pub const CRASHES_CAP: u32 = 4 * CRASHES_MAX;
/// Deliveries that mark an entry as running alone in its worker: only such a crash buries it.
pub const ALONE_DELIVERIES: u64 = 1_000;
/// Times that an entry of the log was given out to be folded after which nobody waits for it: it cannot be, until a
/// person has looked.
pub const FOLD_DELIVERIES_MAX: u64 = 20;
/// Subtasks that one subtask may depend on.
pub const PARENTS_MAX: usize = 50;
/// Lines that an entry keeps of the attempts before it.
pub const HISTORY_LINES_MAX: usize = 16;
/// Seconds an idempotency key is remembered.
pub const IDEMPOTENCY_TTL_SECONDS: u64 = 24 * 3_600;
/// Characters of an idempotency key (draft-ietf-httpapi-idempotency-key-header leaves it to the server).
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// The furthest into the future that a task may be delayed, in milliseconds.
pub const DELAY_MS_MAX: u64 = 365 * 24 * 3_600 * 1_000;
/// The longest deadline that a task may ask for, in milliseconds.
pub const DEADLINE_MS_MAX: u64 = 30 * 24 * 3_600 * 1_000;
/// Milliseconds that the hint of a cancelled task outlives it at least: longer than any attempt.
pub const CANCEL_HINT_MS: u64 = 2 * TIMEOUT_MS_MAX;
/// Milliseconds after which a kind that no worker announces is forgotten.
pub const KIND_TTL_MS: u64 = 7 * 24 * 3_600 * 1_000;
/// Facts that the projectors may have yet to fold before a submit is refused.
pub const UNFOLDED_FACTS_MAX: u64 = 1_000_000;
/// Keys to the API of an installation: every orchestrator reads all of them every second or two.
pub const API_KEYS_MAX: u64 = 1_000;
/// Webhooks of an installation.
pub const WEBHOOKS_MAX: u64 = 100;
/// Characters of the URL of a webhook.
pub const WEBHOOK_URL_CHARS_MAX: usize = 2_048;
/// Milliseconds that a secret of a webhook goes on signing after another has taken its place.
pub const WEBHOOK_SECRET_OVERLAP_MS: u64 = 24 * 3_600 * 1_000;
/// Attempts to tell a webhook of one end: with the pauses below half a day or more.
pub const WEBHOOK_ATTEMPTS: u32 = 15;
/// Milliseconds that one such attempt may take.
pub const WEBHOOK_TIMEOUT_MS: u64 = 20_000;
/// Milliseconds after which a delivery that has not ended is given up.
pub const WEBHOOK_DEADLINE_MS: u64 = 24 * 3_600 * 1_000;
/// Deliveries of one webhook that may be under way, and of all together: about 60 MB of Redis where nobody answers.
pub const WEBHOOK_OPEN_MAX: u64 = 5_000;
/// See [`WEBHOOK_OPEN_MAX`].
pub const WEBHOOKS_OPEN_MAX: u64 = 20_000;
/// Milliseconds of the longest pause before the second attempt; it doubles with each further one.
pub const WEBHOOK_BACKOFF_BASE_MS: u64 = 5_000;
/// Milliseconds of the longest pause before any attempt.
pub const WEBHOOK_BACKOFF_CAP_MS: u64 = 6 * 3_600 * 1_000;
