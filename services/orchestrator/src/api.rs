//! The operations, one file for each door: what they take, what they answer, what they are called in the document.

mod dead_letters;
mod events;
mod operations;
mod system;
mod tasks;
mod typed;
mod webhooks;

pub use events::TYPES_BYTES_MAX;

use poem_openapi::Tags;

/// All operations.
pub type Api = (
    tasks::TasksApi,
    typed::TypedApi,
    events::EventsApi,
    dead_letters::DeadLettersApi,
    webhooks::WebhooksApi,
    operations::OperationsApi,
    system::SystemApi,
);

/// All operations.
pub fn all() -> Api {
    (
        tasks::TasksApi,
        typed::TypedApi,
        events::EventsApi,
        dead_letters::DeadLettersApi,
        webhooks::WebhooksApi,
        operations::OperationsApi,
        system::SystemApi,
    )
}

#[derive(Tags)]
enum Tag {
    /// The native door: tasks and their subtasks.
    Tasks,
    /// The typed door: one piece of work of a kind, and its result.
    Typed,
    /// Live events, as server-sent events.
    Events,
    /// Dead letters: subtasks that failed for good.
    #[oai(rename = "Dead letters")]
    DeadLetters,
    /// Webhooks that are told when a task ends.
    Webhooks,
    /// Streams, workers, kinds, and why a task waits.
    Operations,
    /// The service itself.
    System,
}
