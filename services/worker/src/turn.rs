//! Letting others of this runtime go first.

use std::future::poll_fn;
use std::task::Poll;

/// Goes to the end of the queue once. Unlike tokio's own `yield_now`, which waits for its thread, whichever thread is
/// free goes on with it: a handler that takes its thread for long holds up nobody else. Outside of a spawned task it is
/// no wait.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};
    use tokio::sync::oneshot;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_thread_that_is_free_goes_on_with_whoever_gave_way_to_one_that_keeps_the_other() {
        let has_gone_on = Arc::new(AtomicBool::new(false));
        let (here, gone_on) = oneshot::channel();
        let until = has_gone_on.clone();
        let keeps_its_thread = tokio::spawn(async move {
            gone_on.await.expect("a word");
            let since = Instant::now();
            while !until.load(Ordering::SeqCst) && since.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(1));
            }
            until.load(Ordering::SeqCst)
        });
        let gives_way = tokio::spawn(async move {
            here.send(()).expect("a listener"); // woken by this, it is next on this thread
            give_way().await;
            has_gone_on.store(true, Ordering::SeqCst);
        });
        assert!(keeps_its_thread.await.expect("no panic"), "it went on only when the thread was free");
        gives_way.await.expect("no panic");
    }
}
