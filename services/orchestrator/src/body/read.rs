//! Reading the bytes: at most 1 MiB, announced or not, at most 10 s, and within what all bodies share.
//!
//! What is refused is left unread. The connection ends with the answer, and its socket reads on for a moment, so that a
//! client which is still sending sees the answer all the same.

use super::budget::{BODIES, Budget};
use crate::refusal::Refusal;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use poem::RequestBody;
use poem::http::{HeaderMap, header};
use proto_schemas::limit::BODY_BYTES_MAX;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

const READ_DEADLINE: Duration = Duration::from_secs(10);
/// What is made room for before it has come; more grows with what comes.
const ROOM_BYTES: usize = 64 << 10;

/// The whole body, or why it is not read.
pub async fn read(headers: &HeaderMap, body: &mut RequestBody) -> Result<Vec<u8>, Refusal> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let pieces = body.take().map_err(|_| Refusal::BodyBroken)?.into_bytes_stream();
    match announced {
        Some(length) if length > BODY_BYTES_MAX => Err(Refusal::BodyTooLarge),
        _ => read_bounded(pin!(pieces), announced.unwrap_or(0), &BODIES, Instant::now() + READ_DEADLINE).await,
    }
}

async fn read_bounded(
    mut pieces: impl Stream<Item = io::Result<Bytes>> + Unpin,
    announced: usize,
    budget: &Budget,
    until: Instant,
) -> Result<Vec<u8>, Refusal> {
    let (mut bytes, mut share) = (Vec::with_capacity(announced.min(ROOM_BYTES)), budget.share());
    while let Some(piece) = timeout_at(until, pieces.next()).await.map_err(|_| Refusal::BodySlow)? {
        let piece = piece.map_err(|_| Refusal::BodyBroken)?;
        if bytes.len() + piece.len() > BODY_BYTES_MAX {
            return Err(Refusal::BodyTooLarge);
        }
        timeout_at(until, share.cover(bytes.len() + piece.len())).await.map_err(|_| Refusal::TooManyBodies)?;
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    async fn check(pieces: Vec<io::Result<Bytes>>, budget: &Budget, expect: Result<usize, Refusal>) {
        let until = Instant::now() + Duration::from_millis(50);
        let read = read_bounded(stream::iter(pieces), 0, budget, until).await.map(|bytes| bytes.len());
        assert_eq!(format!("{read:?}"), format!("{expect:?}"));
    }

    fn piece(length: usize) -> io::Result<Bytes> {
        Ok(vec![b'x'; length].into())
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit_and_within_the_budget() {
        let budget = Budget::new(2 << 10);
        check(vec![piece(1), piece(2)], &budget, Ok(3)).await;
        check(vec![piece(BODY_BYTES_MAX)], &budget, Ok(BODY_BYTES_MAX)).await;
        check(vec![piece(BODY_BYTES_MAX), piece(1)], &budget, Err(Refusal::BodyTooLarge)).await;
        check(vec![piece(1), Err(io::ErrorKind::InvalidData.into())], &budget, Err(Refusal::BodyBroken)).await;
        check(vec![piece(1_024), piece(1)], &Budget::new(1), Err(Refusal::TooManyBodies)).await;
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_slow() {
        let until = Instant::now() + Duration::from_millis(20);
        let read = read_bounded(stream::pending(), 5, &Budget::new(1), until).await;
        assert!(matches!(read, Err(Refusal::BodySlow)));
    }
}
