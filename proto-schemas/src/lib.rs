//! Every type that leaves a Millstream process, its bytes, and its JSON Schema.
//!
//! A serialised type is a promise: each has one encode, one decode and golden fixtures in `fixtures/`. Nothing here
//! does I/O, knows a Redis key or reads a clock. Unknown fields are ignored by readers; an unknown version is refused
//! by name and never dropped. `docs/protocol.md` tells the same story to someone who writes a worker in another
//! language.
//!
//! In reading order: [`limit`] the numbers; [`id`] what may stand in a key; [`status`] the words; [`entry`] a work
//! entry, with [`parent`] what it depends on; [`fact`] a line of the log; [`record`] what an outcome is kept as;
//! [`task`] the document people read; [`result`] what a subtask left behind; [`api_key`] who may ask, [`webhook`] who
//! is told.

pub mod api_key;
pub mod entry;
pub mod fact;
pub mod id;
pub mod limit;
pub mod parent;
pub mod record;
pub mod result;
pub mod schema;
pub mod status;
pub mod task;
pub mod webhook;

pub use api_key::ApiKey;
pub use entry::{EntryError, WorkEntry};
pub use fact::{Fact, FactError, FactKind};
pub use id::{ConsumerName, IdError, Kind, QueueName, SubtaskId, TaskId};
pub use parent::Parent;
pub use record::{Progress, Record, RecordError};
pub use result::{SubtaskError, SubtaskResult};
pub use status::{Door, OnFailure, Outcome, Priority, SubtaskStatus, TaskStatus};
pub use task::{SubtaskDefinition, Task, TaskError};
pub use webhook::{Webhook, WebhookEvent, WebhookSecret};

/// The version that writers put into `v`; readers accept it and every lower one.
pub const VERSION: u32 = 1;
