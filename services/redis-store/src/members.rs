//! Members of an index that says what is due: a page of it has to show what is behind what a hand put there.

use crate::client::Store;
use crate::error::StoreError;
use crate::value;
use fred::types::Value;

impl Store {
    /// What `read` makes of the members found in `index`. Of what is none nothing can ever come, so it is removed.
    pub(crate) async fn members<T>(
        &self,
        index: &str,
        found: Value,
        read: impl Fn(String) -> Option<T>,
    ) -> Result<Vec<T>, StoreError> {
        let (mut members, mut strangers) = (Vec::new(), value::args([index]));
        for member in value::array(found, "ZRANGEBYSCORE")? {
            match member.as_string().and_then(&read) {
                Some(known) => members.push(known),
                None => strangers.push(member),
            }
        }
        if strangers.len() > 1 {
            tracing::warn!(index, count = strangers.len() - 1, "removing what is no member of this index");
            self.command("ZREM", strangers).await?;
        }
        Ok(members)
    }
}
