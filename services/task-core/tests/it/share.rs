//! The shares hold over every run, and nobody starves.

use proptest::prelude::*;
use task_core::Shares;
use task_core::share::{STREAMS, WEIGHTS};

const ROUND: usize = 15;

/// The longest wait of the low stream, plus 1: an exhaustive search of all debts that can arise found 25.
const WAIT_MAX: usize = 26;

fn calls() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..70, 1..40)
}

fn add(sum: &mut [usize; STREAMS], quotas: [usize; STREAMS]) {
    sum.iter_mut().zip(quotas).for_each(|(total, quota)| *total += quota);
}

proptest! {
    #[test]
    fn every_call_hands_out_what_was_asked(calls in calls(), open in any::<[bool; STREAMS]>()) {
        let mut shares = Shares::default();
        for n in calls {
            let quotas = shares.quotas_among(n, open);
            let expect = if open.contains(&true) { n } else { 0 };
            prop_assert_eq!(quotas.iter().sum::<usize>(), expect);
            prop_assert!((0..STREAMS).all(|rank| open[rank] || quotas[rank] == 0));
        }
    }

    #[test]
    fn any_run_of_whole_rounds_is_shared_by_weight(before in calls(), rounds in 1_usize..20) {
        let mut shares = Shares::default();
        for n in before {
            shares.quotas(n);
        }
        let quotas = shares.quotas(rounds * ROUND);
        for rank in 0..STREAMS {
            prop_assert!(quotas[rank].abs_diff(rounds * WEIGHTS[rank] as usize) <= 1, "{:?}", quotas);
        }
    }

    #[test]
    fn from_the_start_no_share_is_ever_off_by_a_whole_token(calls in calls()) {
        let (mut shares, mut sum, mut handed_out) = (Shares::default(), [0; STREAMS], 0);
        for n in calls {
            add(&mut sum, shares.quotas(n));
            handed_out += n;
            for rank in 0..STREAMS {
                prop_assert!((sum[rank] * ROUND).abs_diff(handed_out * WEIGHTS[rank] as usize) <= ROUND);
            }
        }
    }

    /// However the other streams open and close.
    #[test]
    fn a_stream_that_stays_open_is_served(
        rank in 0..STREAMS,
        before in prop::collection::vec(any::<[bool; STREAMS]>(), 0..60),
        opens in prop::collection::vec(any::<[bool; STREAMS]>(), WAIT_MAX),
    ) {
        let (mut shares, mut served) = (Shares::default(), 0);
        for open in before {
            shares.quotas_among(1, open);
        }
        for mut open in opens {
            open[rank] = true;
            served += shares.quotas_among(1, open)[rank];
        }
        prop_assert!(served > 0);
    }
}
