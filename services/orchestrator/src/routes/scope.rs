//! Who may call what.

/// What a client must be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Nothing: probes and pages.
    Open,
    /// `read`: look at tasks, streams and workers.
    Read,
    /// `write`: submit, cancel, run again.
    Write,
    /// `admin`: deal with what gave up.
    Admin,
}

impl Scope {
    /// The scope of an operation by its name. What is not named here takes the most.
    pub fn of(operation_id: &str) -> Self {
        match operation_id {
            "welcome" | "health" | "livez" | "ready" | "metrics" => Self::Open,
            "submit_task" | "submit_tasks" | "assign_task" | "cancel_task" | "replay_task" => Self::Write,
            reading if ["get_", "list_", "follow_", "explain_"].iter().any(|verb| reading.starts_with(verb)) => {
                Self::Read
            }
            _ => Self::Admin,
        }
    }

    /// The scope of a word in a key or a token; nothing for any other word.
    pub fn read(word: &str) -> Option<Self> {
        [Self::Read, Self::Write, Self::Admin].into_iter().find(|scope| scope.as_str() == word)
    }

    /// Its word in keys and tokens; empty for what is open.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::operation;

    #[test]
    fn every_change_takes_more_than_reading() {
        for operation in operation::all() {
            let changes = operation.method != poem::http::Method::GET;
            assert_eq!(operation.scope >= Scope::Write, changes, "{}", operation.id);
        }
        assert_eq!(Scope::of("something_new"), Scope::Admin);
    }
}
