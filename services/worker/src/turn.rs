//! Letting others of this runtime go first.

use std::future::poll_fn;
use std::task::Poll;

/// Goes to the end of the queue once. Unlike tokio's own `yield_now`, which waits for its thread, whichever thread is free
/// goes on with it: a handler that takes its thread for long holds up nobody else.
pub(crate) async fn give_way() {
    let mut has_waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
