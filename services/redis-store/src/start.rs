//! Telling the log what has been running for a while.

use crate::client::Store;
use crate::error::StoreError;
use crate::{key, script, value};
use fred::types::Value;
use proto_schemas::{ConsumerName, Fact};

impl Store {
    /// Appends one entry of `started` facts; their time is set by Redis.
    pub async fn start(&self, by: &ConsumerName, facts: &[Fact]) -> Result<(), StoreError> {
        let mut args = value::args([by.as_str()]);
        args.extend(facts.iter().map(|fact| Value::from(fact.encode_prefix())));
        self.eval(&script::START, vec![key::EVENTS.to_owned()], args).await.map(drop)
    }
}
