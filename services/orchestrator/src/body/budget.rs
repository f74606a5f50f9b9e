//! How much of all bodies together may be in memory while they are being read.

use tokio::sync::Semaphore;

/// A body of 1 MiB on each of 2,048 connections would be 2 GiB.
pub static BODIES: Budget = Budget::new(64 << 10);

/// Memory that is shared out.
#[derive(Debug)]
pub struct Budget(Semaphore);

/// What one body has of it, until it is dropped. It grows with what has come, not with what was announced: who
/// announces much and sends little takes nothing away from others.
#[derive(Debug)]
pub struct Share<'a> {
    budget: &'a Budget,
    kib: usize,
}

impl Budget {
    /// Of so many KiB.
    pub const fn new(kib: usize) -> Self {
        Self(Semaphore::const_new(kib))
    }

    /// Nothing yet.
    pub fn share(&self) -> Share<'_> {
        Share { budget: self, kib: 0 }
    }
}

impl Share<'_> {
    /// Waits until the share is large enough for so many bytes.
    pub async fn cover(&mut self, bytes: usize) {
        let more = bytes.div_ceil(1 << 10).saturating_sub(self.kib);
        if more > 0 {
            let count = u32::try_from(more).unwrap_or(u32::MAX);
            self.budget.0.acquire_many(count).await.expect("the budget is never closed").forget();
            self.kib += more;
        }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.0.add_permits(self.kib);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn what_does_not_fit_waits_until_something_is_given_back() {
        let budget = Budget::new(3);
        let (mut first, mut second) = (budget.share(), budget.share());
        first.cover(1).await;
        first.cover(1_024).await;
        first.cover(1_025).await;
        second.cover(1_000).await;
        assert!(second.cover(1_025).now_or_never().is_none());
        drop(first);
        second.cover(3_072).await;
        drop(second);
        assert_eq!(budget.0.available_permits(), 3);
    }
}
