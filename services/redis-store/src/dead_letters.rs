//! Dead letters: looking at them, giving them back, throwing them away.

use crate::client::Store;
use crate::error::StoreError;
use crate::key::{self, Stream};
use crate::read::StreamEntry;
use crate::script;
use crate::value::{self, RawEntry};
use fred::types::Value;

/// The answer to an exhumation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhumed {
    /// Its entry waits in its stream again.
    Exhumed,
    /// There is no such letter.
    Gone,
    /// What is left of it is not an entry that could run.
    Unfit,
}

impl Store {
    /// A page of dead letters before letter `before` (`+` for the newest), newest first.
    pub async fn dead_letters_page(&self, before: &str, count: usize) -> Result<Vec<StreamEntry>, StoreError> {
        let from = if before == "+" { "+".to_owned() } else { format!("({before}") };
        let args = value::args([key::DEAD_LETTERS, &from, "-", "COUNT", &count.to_string()]);
        entries(self.command("XREVRANGE", args).await?)
    }

    /// One dead letter.
    pub async fn dead_letter(&self, letter_id: &str) -> Result<Option<StreamEntry>, StoreError> {
        let args = value::args([key::DEAD_LETTERS, letter_id, letter_id]);
        Ok(entries(self.command("XRANGE", args).await?)?.pop())
    }

    /// How many there are, and how many the bound has trimmed away so far.
    pub async fn dead_letters_count(&self) -> Result<(u64, u64), StoreError> {
        let there = value::number(&self.command("XLEN", value::args([key::DEAD_LETTERS])).await?, "XLEN")?;
        let trimmed = self.command("HGET", value::args([key::META, "dead_letters_trimmed"])).await?;
        Ok((there, trimmed.as_u64().unwrap_or(0)))
    }

    /// Throws letters away; answers how many were there. Idempotent.
    pub async fn discard_dead_letters(&self, letter_ids: &[String]) -> Result<u64, StoreError> {
        if letter_ids.is_empty() {
            return Ok(0);
        }
        let mut args = value::args([key::DEAD_LETTERS]);
        args.extend(letter_ids.iter().map(|id| Value::from(id.as_str())));
        value::number(&self.command("XDEL", args).await?, "XDEL")
    }

    /// Gives a letter that belongs to no task back to `stream`. Sent twice, it answers gone the second time.
    pub async fn exhume(&self, letter_id: &str, stream: &Stream) -> Result<Exhumed, StoreError> {
        let keys = vec![key::DEAD_LETTERS.to_owned(), stream.key(), key::bell(&stream.queue)];
        let answer = self.eval(&script::EXHUME, keys, value::args([letter_id])).await?;
        match value::text(answer, "exhume")?.as_str() {
            "exhumed" => Ok(Exhumed::Exhumed),
            "gone" => Ok(Exhumed::Gone),
            "unfit" => Ok(Exhumed::Unfit),
            _ => Err(StoreError::Reply("exhume")),
        }
    }
}

fn entries(reply: Value) -> Result<Vec<StreamEntry>, StoreError> {
    value::array(reply, "XRANGE")?
        .into_iter()
        .map(|entry| RawEntry::decode(entry, "XRANGE").map(StreamEntry::from))
        .collect()
}
