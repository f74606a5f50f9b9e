//! The body of an answer on its way out. A client may read as slowly as it likes, so what large answers to readers hold
//! in memory is shared out: one that does not fit is not sent. It leaves in copied pieces, because a piece that shares
//! its memory would keep all of it; and it holds its share until the last of them is the connection's. What answers a
//! change is sent in any case, because it has happened, and pages are of nobody's memory.

use super::deadlines::InFlight;
use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Smaller ones do not count: 2,048 connections hold 512 MiB of them at most.
const SMALL_BYTES: u64 = 256 << 10;
/// As much as the connection takes at a time.
const PIECE_BYTES: usize = 64 << 10;
/// Of all large answers together: eight of the largest.
pub const ROOM_KIB: usize = 128 << 10;

/// What large answers share.
#[derive(Debug, Clone)]
pub struct Room(Arc<Semaphore>);

/// An answer that is being sent; the connection is busy until it is sent or dropped.
pub struct Answer<B> {
    body: B,
    /// What has come of the body and is not sent.
    rest: Bytes,
    room: Option<OwnedSemaphorePermit>,
    _in_flight: InFlight,
}

/// It does not fit.
pub struct TooLarge;

/// Marks, among the extensions of a response, one that takes room if it is large.
#[derive(Debug, Clone, Copy)]
pub struct TakesRoom;

impl Room {
    /// Of so many KiB.
    pub fn new(kib: usize) -> Self {
        Self(Arc::new(Semaphore::new(kib)))
    }

    /// The part of it that a body of this size takes, if it takes any.
    pub fn take(&self, size: &SizeHint) -> Result<Option<OwnedSemaphorePermit>, TooLarge> {
        let Some(bytes) = size.exact().filter(|bytes| *bytes > SMALL_BYTES) else { return Ok(None) };
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).map_err(|_| TooLarge)?;
        self.0.clone().try_acquire_many_owned(kib).map(Some).map_err(|_| TooLarge)
    }
}

impl<B> Answer<B> {
    /// An answer that holds this part of the room.
    pub fn new(body: B, room: Option<OwnedSemaphorePermit>, in_flight: InFlight) -> Self {
        Self { body, rest: Bytes::new(), room, _in_flight: in_flight }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return Poll::Ready(other),
            }
        }
        let piece = match this.rest.len() {
            length if length <= PIECE_BYTES && this.room.is_none() => std::mem::take(&mut this.rest),
            length => {
                let piece = Bytes::copy_from_slice(&this.rest[..length.min(PIECE_BYTES)]);
                this.rest.advance(piece.len());
                piece
            }
        };
        if this.rest.is_empty() {
            this.rest = Bytes::new(); // an empty rest of a large one would keep it
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest.len() as u64 {
            0 => self.body.size_hint(),
            rest => {
                self.body.size_hint().exact().map_or_else(SizeHint::default, |more| SizeHint::with_exact(rest + more))
            }
        }
    }
}
