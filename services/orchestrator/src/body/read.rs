//! Reading the bytes: at most 1 MiB, announced or not, and at most 10 s.

use crate::refusal::Refusal;
use poem::RequestBody;
use poem::http::{HeaderMap, header};
use proto_schemas::limit::BODY_BYTES_MAX;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

const READ_DEADLINE: Duration = Duration::from_secs(10);
/// A client that is still sending when the connection closes never sees the answer, so a little more than the limit is
/// read and thrown away.
const DRAIN_BYTES_MAX: u64 = 4 << 20;
const DRAIN_DEADLINE: Duration = Duration::from_secs(1);

/// The whole body, or why it is not read.
pub async fn read(headers: &HeaderMap, body: &mut RequestBody) -> Result<Vec<u8>, Refusal> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let body = body.take().map_err(|_| Refusal::BodyBroken)?;
    if announced.is_some_and(|length| length > BODY_BYTES_MAX) {
        if !headers.contains_key(header::EXPECT) {
            drain(body.into_async_read()).await;
        }
        return Err(Refusal::BodyTooLarge);
    }
    read_bounded(body.into_async_read(), announced.unwrap_or(0)).await
}

async fn read_bounded(mut reader: impl AsyncRead + Unpin, announced: usize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::with_capacity(announced.min(BODY_BYTES_MAX));
    let mut bounded = (&mut reader).take(BODY_BYTES_MAX as u64 + 1);
    match timeout(READ_DEADLINE, bounded.read_to_end(&mut bytes)).await {
        Err(_) => Err(Refusal::BodySlow),
        Ok(Err(_)) => Err(Refusal::BodyBroken),
        Ok(Ok(_)) if bytes.len() > BODY_BYTES_MAX => {
            drain(reader).await;
            Err(Refusal::BodyTooLarge)
        }
        Ok(Ok(_)) => Ok(bytes),
    }
}

async fn drain(reader: impl AsyncRead + Unpin) {
    let mut rest = reader.take(DRAIN_BYTES_MAX);
    let _ = timeout(DRAIN_DEADLINE, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}
