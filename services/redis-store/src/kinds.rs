//! Which kinds some worker has said that it serves.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, value};
use fred::types::Value;
use proto_schemas::{Kind, QueueName};

/// A kind that a worker has announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKind {
    /// Its name.
    pub kind: Kind,
    /// Where its subtasks wait.
    pub queue: QueueName,
    /// When a worker last said so, ms of the Unix epoch.
    pub seen_ms: u64,
}

impl Store {
    /// Says which kinds a worker serves, as of `now_ms`. Idempotent.
    pub async fn announce_kinds<'a>(
        &self,
        kinds: impl IntoIterator<Item = (&'a Kind, &'a QueueName)>,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let mut args = value::args([key::KINDS]);
        for (kind, queue) in kinds {
            args.push(kind.as_str().into());
            args.push(Value::from(format!("{queue} {now_ms}")));
        }
        if args.len() == 1 {
            return Ok(());
        }
        self.command("HSET", args).await.map(drop)
    }

    /// Every kind that was announced and not forgotten; what a stranger wrote and cannot be read is left out.
    pub async fn known_kinds(&self) -> Result<Vec<KnownKind>, StoreError> {
        let fields = value::map(self.command("HGETALL", value::args([key::KINDS])).await?, "HGETALL")?;
        let read = |(kind, text): (String, String)| {
            let (queue, seen_ms) = text.split_once(' ')?;
            let (kind, queue) = (Kind::new(kind).ok()?, QueueName::new(queue).ok()?);
            Some(KnownKind { kind, queue, seen_ms: seen_ms.parse().ok()? })
        };
        let mut known: Vec<KnownKind> = fields.into_iter().filter_map(read).collect();
        known.sort_by(|one, other| one.kind.cmp(&other.kind));
        Ok(known)
    }

    /// Forgets kinds. Idempotent.
    pub async fn forget_kinds(&self, kinds: &[Kind]) -> Result<(), StoreError> {
        if kinds.is_empty() {
            return Ok(());
        }
        let mut args = value::args([key::KINDS]);
        args.extend(kinds.iter().map(|kind| Value::from(kind.as_str())));
        self.command("HDEL", args).await.map(drop)
    }
}
