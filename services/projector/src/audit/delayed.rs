//! What waits for its time: every member has a body that says whose token it is.

use super::findings::Findings;
use super::law::{Law, Violation};
use super::tokens::Tokens;
use proto_schemas::{EntryError, Priority, QueueName, WorkEntry};
use redis_store::promote::DelayedMember;
use redis_store::{Store, StoreError, key};

/// Members that one command reads: each body may carry 64 KiB.
const PAGE: usize = 100;

/// What a member's body says.
pub(crate) enum Body {
    /// There is none.
    Missing,
    /// It is not an entry that could run.
    Malformed,
    /// Where it belongs, and its entry.
    Entry(QueueName, Box<WorkEntry>),
    /// A newer Millstream wrote it.
    Newer,
}

/// Walks `delayed` by due time; answers how many members there are.
pub(crate) async fn walk(store: &Store, tokens: &mut Tokens, findings: &mut Findings) -> Result<u64, StoreError> {
    let mut offset = 0;
    loop {
        let page = store.delayed_page(offset, PAGE).await?;
        page.iter().for_each(|member| check(member, tokens, findings));
        if page.len() < PAGE {
            return Ok((offset + page.len()) as u64);
        }
        // Half of each page is read again: what is promoted meanwhile moves the rest towards the front.
        offset += PAGE / 2;
    }
}

fn check(member: &DelayedMember, tokens: &mut Tokens, findings: &mut Findings) {
    let broken = |detail: &str| {
        let detail = format!("{} {} {detail}", key::DELAYED, member.member);
        Violation::of_entry(Law::DelayedLeftover, detail).at(key::DELAYED, &member.member)
    };
    let anchor = (&member.member, member.due_ms);
    match read(member) {
        Body::Missing => findings.found(broken("has no body"), anchor),
        Body::Malformed => findings.found(broken("has a body that is no entry"), anchor),
        Body::Newer => {}
        Body::Entry(_, entry) => {
            let is_parked = entry.parked_at_ms.is_some();
            tokens.add_delayed(&entry.task_id, entry.index, entry.generation, is_parked);
        }
    }
}

/// Reads a body as `promote` does.
pub(crate) fn read(member: &DelayedMember) -> Body {
    match &member.body {
        None => Body::Missing,
        Some(text) => read_body(text),
    }
}

/// Reads the JSON list of a queue and an entry's fields, as `delayed:body` and plans keep it.
pub(crate) fn read_body(text: &str) -> Body {
    let Ok(parts) = serde_json::from_str::<Vec<String>>(text) else { return Body::Malformed };
    let Some((queue, fields)) = parts.split_first() else { return Body::Malformed };
    let Ok(queue) = queue.parse::<QueueName>() else { return Body::Malformed };
    if fields.len() % 2 != 0 {
        return Body::Malformed;
    }
    let pairs = || fields.chunks_exact(2).map(|pair| (pair[0].as_bytes(), pair[1].as_bytes()));
    let named = pairs().rfind(|(name, _)| *name == b"priority");
    let priority = named.map_or(Ok(Priority::Medium), |(_, word)| String::from_utf8_lossy(word).parse());
    let Ok(priority) = priority else { return Body::Malformed };
    match WorkEntry::decode(pairs(), priority) {
        Ok(entry) => Body::Entry(queue, Box::new(entry)),
        Err(EntryError::Newer(_)) => Body::Newer,
        Err(_) => Body::Malformed,
    }
}
