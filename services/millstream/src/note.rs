//! What an operator's command leaves in the audit, where what clients change through the API stands too: who ran it, on
//! what, and what came of it. It is written right behind the change; what takes longer is noted before it begins as
//! well, since whoever stops it has changed something by then. A note that cannot be written undoes nothing: it is said
//! on stderr.

use chrono::{SecondsFormat, Utc};
use redis_store::Store;
use redis_store::note::{Note, word};
use rustix::process::getuid;
use std::error::Error;
use ulid::Ulid;

const USERS: &str = "/etc/passwd";
/// As the API would have answered.
const DONE: u16 = 200;
const BEGUN: u16 = 202;
const NOT_FOUND: u16 = 404;

/// The notes of one command: all of them have the same id.
pub struct CommandNote {
    operation: &'static str,
    object: String,
    request_id: String,
}

impl CommandNote {
    /// Of an operation on something, named as the API would name both.
    pub fn new(operation: &'static str, object: impl Into<String>) -> Self {
        Self { operation, object: object.into(), request_id: Ulid::generate().to_string() }
    }

    /// It has begun, and may change something from now on.
    pub async fn begun(&self, store: &Store) {
        self.write(store, BEGUN, "", String::new()).await;
    }

    /// It is done.
    pub async fn done(&self, store: &Store, detail: String) {
        self.write(store, DONE, "", detail).await;
    }

    /// There was nothing to do it with.
    pub async fn not_found(&self, store: &Store, code: &str) {
        self.write(store, NOT_FOUND, code, String::new()).await;
    }

    async fn write(&self, store: &Store, status: u16, code: &str, detail: String) {
        let note = Note {
            at: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            client: client(),
            operation: self.operation,
            object: self.object.clone(),
            status,
            code: code.to_owned(),
            address: String::new(),
            request_id: self.request_id.clone(),
            detail,
        };
        if let Err(error) = store.note(&[note]).await {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            eprintln!("millstream: the audit could not be told of this: {error}{cause}");
        }
    }
}

/// Who runs this: `cli:<user>@<host>`, the user by the name that this machine has for it, else by its number.
fn client() -> String {
    let uid = getuid().as_raw();
    let users = std::fs::read_to_string(USERS).unwrap_or_default();
    let user = name_of(uid, &users).map_or_else(|| uid.to_string(), str::to_owned);
    let host = hostname::get().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    format!("cli:{}@{}", word(&user), word(&host))
}

/// The name of a user in a file like `/etc/passwd`.
fn name_of(uid: u32, users: &str) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid) && !name.is_empty()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_name_of_the_first_line_with_its_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:7:7::/:\nmiller:x:1000:1000::/home:/bin/sh\nother:x:1000:5::/:\n";
        for (uid, expect) in [(0, Some("root")), (1_000, Some("miller")), (7, None), (5, None)] {
            assert_eq!(name_of(uid, users), expect, "{uid}");
        }
    }

    #[test]
    fn whoever_runs_a_command_is_no_client_of_the_api() {
        let client = client();
        assert!(client.starts_with("cli:") && client.contains('@') && !client.contains(' '), "{client}");
    }
}
