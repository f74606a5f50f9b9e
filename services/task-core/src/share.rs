//! Which priority is read next: smooth weighted round-robin, so that low work progresses under a stream of critical.
//!
//! Every token is handed to the stream that is owed most. The debts are kept between calls, so the shares are exact
//! over any run, whatever the sizes of the calls; a closed stream's share moves on at once and is not owed later.

use proto_schemas::Priority;

/// How many streams a queue has: one for each priority.
pub const STREAMS: usize = Priority::ALL.len();

/// The default weights, in the order of [`Priority::ALL`] (DESIGN §6).
pub const WEIGHTS: [u32; STREAMS] = [8, 4, 2, 1];

/// The debts to the streams of one queue, kept by one reader.
#[derive(Debug, Clone)]
pub struct Shares {
    weights: [i64; STREAMS],
    owed: [i64; STREAMS],
}

impl Default for Shares {
    fn default() -> Self {
        Self::new(WEIGHTS)
    }
}

impl Shares {
    /// Shares in proportion to `weights`; a weight of 0 counts as 1, because no priority may starve.
    pub fn new(weights: [u32; STREAMS]) -> Self {
        Self { weights: weights.map(|weight| i64::from(weight.max(1))), owed: [0; STREAMS] }
    }

    /// Hands out `n` tokens among all streams; the quotas add up to `n`.
    pub fn quotas(&mut self, n: usize) -> [usize; STREAMS] {
        self.quotas_among(n, [true; STREAMS])
    }

    /// Hands out `n` tokens among the open streams. The quotas add up to `n`, or to 0 when every stream is closed.
    /// With the default weights, a stream that stays open gets one of any 26 tokens, however the others behave.
    pub fn quotas_among(&mut self, n: usize, open: [bool; STREAMS]) -> [usize; STREAMS] {
        let mut quotas = [0; STREAMS];
        for _ in 0..n {
            let Some(next) = self.next(open) else { break };
            quotas[next] += 1;
        }
        quotas
    }

    /// The rank of the stream that gets the next token; the more urgent one when two are owed the same.
    fn next(&mut self, open: [bool; STREAMS]) -> Option<usize> {
        let ranks = || (0..STREAMS).filter(|&rank| open[rank]);
        ranks().for_each(|rank| self.owed[rank] += self.weights[rank]);
        let next = ranks().max_by_key(|&rank| (self.owed[rank], STREAMS - rank))?;
        self.owed[next] -= ranks().map(|rank| self.weights[rank]).sum::<i64>();
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_tokens_are_shared_by_weight_and_spread_out() {
        let mut shares = Shares::default();
        let order: Vec<_> = (0..15).filter_map(|_| shares.next([true; STREAMS])).collect();
        assert_eq!(order, [0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0]);
        assert_eq!(shares.quotas(15), [8, 4, 2, 1]);
    }

    #[test]
    fn a_closed_stream_gets_nothing_and_is_owed_nothing_later() {
        let mut shares = Shares::default();
        assert_eq!(shares.quotas_among(1_500, [false, true, false, true]), [0, 1_200, 0, 300]);
        assert_eq!(shares.quotas(15), [8, 4, 2, 1]);
        assert_eq!(shares.quotas_among(7, [false; STREAMS]), [0; STREAMS]);
    }

    #[test]
    fn one_token_at_a_time_gives_the_same_shares() {
        let (mut one, mut many) = (Shares::new([5, 3, 0, 1]), Shares::new([5, 3, 0, 1]));
        let mut sum = [0; STREAMS];
        for _ in 0..100 {
            let quotas = one.quotas(1);
            sum.iter_mut().zip(quotas).for_each(|(total, quota)| *total += quota);
        }
        assert_eq!(sum, many.quotas(100));
        assert_eq!(sum, [50, 30, 10, 10]);
    }
}
