//! What a handler has left of a body. A connection can only go on behind it: what is little and comes soon is read and
//! dropped, otherwise the answer has to say that the connection ends.

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, SizeHint};
use poem::Request;
use poem::http::header;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::timeout;

/// What is read and dropped of a body at most, so that a refusal does not cost a connection.
const DROPPED_BYTES_MAX: usize = 64 << 10;
/// How long is waited for that.
const DROPPED_WITHIN: Duration = Duration::from_millis(200);

/// A body that is shared between whoever reads it and whoever looks at the end what is left.
#[derive(Clone)]
pub struct Rest(Arc<Mutex<Shared>>);

struct Shared {
    body: BoxBody<Bytes, io::Error>,
    /// Nothing of it was asked for, and the client waits to be asked (`Expect: 100-continue`).
    is_awaited: bool,
    has_ended: bool,
}

impl Rest {
    /// Puts itself in the place of a request's body; `None` if that is empty.
    pub fn of(request: &mut Request) -> Option<Self> {
        let is_awaited = request.headers().contains_key(header::EXPECT);
        let body = BoxBody::from(request.take_body());
        if body.is_end_stream() {
            return None;
        }
        let rest = Self(Arc::new(Mutex::new(Shared { body, is_awaited, has_ended: false })));
        request.set_body(BoxBody::new(rest.clone()));
        Some(rest)
    }

    /// Drops what is left, if that is little and comes soon; whether the body is at its end.
    pub async fn drained(mut self) -> bool {
        if self.lock().is_awaited {
            return false;
        }
        let mut dropped = 0;
        let all = async {
            while let Some(piece) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await {
                dropped +=
                    piece.ok().and_then(|frame| frame.into_data().ok()).map_or(usize::MAX / 2, |data| data.len());
                if dropped > DROPPED_BYTES_MAX {
                    return false;
                }
            }
            true
        };
        timeout(DROPPED_WITHIN, all).await.unwrap_or(false)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Rest {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut shared = self.lock();
        if shared.has_ended {
            return Poll::Ready(None);
        }
        shared.is_awaited = false;
        let frame = ready!(Pin::new(&mut shared.body).poll_frame(cx));
        shared.has_ended = frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let shared = self.lock();
        shared.has_ended || shared.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().body.size_hint()
    }
}
