//! What a request leaves in the audit: who asked for which change, on what, and what came of it. Never what it carried:
//! of its path and of its filters stand there words that can be ids, kinds and reasons, and `*` for anything else.

use crate::auth::Client;
use crate::context::Context;
use crate::routes::operation::Operation;
use crate::routes::scope::Scope;
use crate::trail::{SharedTrail, Trail};
use crate::wire::time::Timestamp;
use poem::http::StatusCode;
use proto_schemas::TaskId;
use redis_store::note::{Note, word};
use std::sync::Arc;

/// What many servers write down for a client that hung up.
const CLIENT_GONE: u16 = 499;

/// Sees to it that a change is in the audit, or the wish for one: also if its client hangs up before it is answered,
/// and what becomes of it is not known here.
pub struct Noted {
    context: Option<Arc<Context>>,
    trail: SharedTrail,
    path: String,
    is_done: bool,
}

impl Noted {
    /// Of a request to `path`, which may be none of a change.
    pub fn new(context: Option<Arc<Context>>, trail: SharedTrail, path: &str) -> Self {
        Self { context, trail, path: path.to_owned(), is_done: false }
    }

    /// Notes how it is answered.
    pub fn told(&mut self, status: u16, code: &str) {
        self.is_done = true;
        let operation = self.trail.operation.get().filter(|operation| operation.scope >= Scope::Write);
        let (Some(operation), Some(context)) = (operation, &self.context) else { return };
        // Whoever is nobody could wash everything else out of it; metrics count them.
        if context.auth.is_some() && self.trail.client.get().is_none() {
            return;
        }
        let object = self.trail.made.get().cloned().unwrap_or_else(|| plain(&self.path));
        let details = [&self.trail.meant, &self.trail.became].map(|it| it.get().map(String::as_str));
        let detail = details.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let note = Note { status, code: code.to_owned(), detail, ..note(operation, &self.trail, object) };
        // Whoever was not let in has changed nothing, and may try without end.
        if self.trail.is_let_in.get().is_none() || status == StatusCode::TOO_MANY_REQUESTS {
            context.audit.hand_in_refusal(note);
        } else {
            context.audit.hand_in(note);
        }
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        if !self.is_done {
            self.told(CLIENT_GONE, "client_gone");
        }
    }
}

/// Notes one of the tasks that a request makes, at once: whatever becomes of the others, and of the request.
pub fn made(context: &Context, trail: &Trail, task_id: &TaskId) {
    if let Some(operation) = trail.operation.get() {
        context.audit.hand_in(note(operation, trail, format!("/tasks/{task_id}")));
    }
}

/// Of something that was accepted.
fn note(operation: &Operation, trail: &Trail, object: String) -> Note {
    Note {
        at: Timestamp::now().to_string(),
        client: trail.client.get().cloned().unwrap_or_else(|| Client::anonymous().name),
        operation: operation.id,
        object,
        status: StatusCode::ACCEPTED.as_u16(),
        code: String::new(),
        address: trail.address.clone(),
        request_id: trail.request_id.clone(),
        detail: String::new(),
    }
}

/// A path whose parts are words. Clients put anything there, and once in a while their key.
fn plain(path: &str) -> String {
    path.split('/').map(|part| if part.is_empty() { part } else { word(part) }).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn of_a_path_stands_there_what_may_be_an_id() {
        let key = format!("ms_{}_{}", "a".repeat(16), "b".repeat(64));
        for (path, expect) in [
            ("/tasks", "/tasks"),
            ("/assign-task/", "/assign-task/"),
            ("/tasks/01K5QJ0000ABCDEFGHJKMNPQRS.07/cancel", "/tasks/01K5QJ0000ABCDEFGHJKMNPQRS.07/cancel"),
            ("/tasks/a%20b/cancel", "/tasks/*/cancel"),
            (&format!("/tasks/{key}/cancel"), "/tasks/*/cancel"),
            (&format!("/tasks/{}/cancel", "b".repeat(64)), "/tasks/*/cancel"),
        ] {
            assert_eq!(plain(path), expect);
        }
    }
}
