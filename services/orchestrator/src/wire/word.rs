//! The words of the API for states, priorities and doors.

use poem_openapi::Enum;
use serde::Serialize;

macro_rules! word {
    ($(#[$doc:meta])* $name:ident of $source:ty { $($variant:ident),+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
        #[serde(rename_all = "snake_case")]
        #[oai(rename_all = "snake_case")]
        pub enum $name { $(#[allow(missing_docs)] $variant),+ }

        impl From<$source> for $name {
            fn from(word: $source) -> Self {
                match word { $(<$source>::$variant => Self::$variant),+ }
            }
        }
    };
}

word! {
    /// Where a task stands; completed, failed and cancelled are final.
    TaskStatus of proto_schemas::TaskStatus { Queued, Processing, Completed, Failed, Cancelled }
}

word! {
    /// Where a subtask stands; completed, failed and cancelled are final.
    SubtaskStatus of proto_schemas::SubtaskStatus { Blocked, Queued, Delayed, Running, Completed, Failed, Cancelled }
}

word! {
    /// How urgent it is.
    Priority of proto_schemas::Priority { Critical, High, Medium, Low }
}

word! {
    /// The door a task came in by.
    Door of proto_schemas::Door { Native, Typed, Gated }
}

word! {
    /// What becomes of a subtask when one that it depends on does not complete: everything of the task that has not
    /// ended is cancelled; or it is, and so on along what depends on it; or it runs all the same.
    OnFailure of proto_schemas::OnFailure { FailFast, Skip, Continue }
}

/// Where a task stands, in the words of the typed door; completed, failed and cancelled are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Enum)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum ResultStatus {
    /// Nothing has started.
    Pending,
    /// Something has started.
    Processing,
    /// `result` is there.
    Completed,
    /// `error` is there.
    Failed,
    /// It will not run to its end.
    Cancelled,
}

impl From<proto_schemas::TaskStatus> for ResultStatus {
    fn from(status: proto_schemas::TaskStatus) -> Self {
        match status {
            proto_schemas::TaskStatus::Queued => Self::Pending,
            proto_schemas::TaskStatus::Processing => Self::Processing,
            proto_schemas::TaskStatus::Completed => Self::Completed,
            proto_schemas::TaskStatus::Failed => Self::Failed,
            proto_schemas::TaskStatus::Cancelled => Self::Cancelled,
        }
    }
}
