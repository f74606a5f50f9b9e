//! The governor. A timer wakes it once a second; it reads how full Redis is, how far the projectors are behind and
//! which epoch holds, and writes what submissions and `/ready` look at. Where Redis refuses writes by itself,
//! submissions hear that from Redis and `/ready` from here. If the governor dies, nothing is refused early any more and
//! Redis itself refuses at its bound; while Redis does not answer, nothing is known and so nothing is refused either.

use redis_store::{Store, StoreError};
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

/// Above this part of its bound, memory is kept for what is under way.
const MEMORY_PERCENT_MAX: u64 = 80;
/// One look may not hold up the next for longer.
const LOOK_DEADLINE: Duration = Duration::from_millis(2_500);

/// Why submissions are refused before Redis has to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressure {
    /// A queue would exceed its backlog.
    Backlog,
    /// Redis uses more than 80 % of its memory.
    Memory,
    /// The projectors are too far behind the log.
    Unfolded,
}

/// Why Redis itself refuses to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Its memory is full.
    OutOfMemory,
    /// It is a replica, cannot save, or has too few replicas.
    Unwritable,
}

/// What was seen last.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Why submissions are refused, if they are.
    pub pressure: Option<Pressure>,
    /// Why Redis refuses them, if it does.
    pub stop: Option<Stop>,
    /// The epoch that holds, once it is known.
    pub epoch: Option<String>,
    /// How often another one held than before: each time, Redis had lost everything.
    pub losses: u64,
    /// Why submissions are refused, as the log says: it hears nothing of looks that saw nothing.
    pub told: Option<&'static str>,
}

/// What one look saw.
enum Look {
    /// Redis writes.
    Well(Option<Pressure>, String),
    /// Redis refuses to.
    Stopped(Stop),
    /// Redis did not answer.
    Nothing,
}

/// What the governor has seen, for whoever wants to know.
#[derive(Debug, Default)]
pub struct Gauge(Mutex<Seen>);

/// What the governor is told.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Facts that the projectors may have yet to fold.
    pub unfolded_max: u64,
    /// Between two looks.
    pub look_every: Duration,
}

impl Pressure {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backlog => "backlog",
            Self::Memory => "memory",
            Self::Unfolded => "unfolded_facts",
        }
    }
}

impl Stop {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OutOfMemory => "out_of_memory",
            Self::Unwritable => "unwritable",
        }
    }
}

impl Seen {
    /// Why a submission would be refused now, in one word.
    pub fn refusing(&self) -> Option<&'static str> {
        self.pressure.map(Pressure::as_str).or(self.stop.map(Stop::as_str))
    }

    /// Takes in what a look saw. Says whether the log must hear of it.
    fn take_in(&mut self, look: Look) -> bool {
        (self.pressure, self.stop) = match &look {
            Look::Well(pressure, _) => (*pressure, None),
            Look::Stopped(stop) => (None, Some(*stop)),
            Look::Nothing => (None, self.stop), // whether Redis writes again, only a write tells
        };
        let is_told = matches!(look, Look::Nothing) || self.told == self.refusing();
        if let Look::Well(_, epoch) = look {
            if self.epoch.as_ref().is_some_and(|known| *known != epoch) {
                self.losses += 1;
                tracing::warn!(epoch, losses = self.losses, "redis has lost everything: another epoch holds");
            }
            self.epoch = Some(epoch);
        }
        if !is_told {
            self.told = self.refusing();
        }
        !is_told
    }
}

impl Gauge {
    /// What was seen last.
    pub fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, look: Look) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.take_in(look) {
            match seen.refusing() {
                Some(why) => tracing::warn!(pressure = why, "submissions are refused from now on"),
                None => tracing::info!("submissions are accepted again"),
            }
        }
    }
}

/// Looks until `shutdown`.
pub async fn run(store: Store, gauge: &Gauge, limits: Limits, shutdown: CancellationToken) {
    loop {
        gauge.note(run_once(&store, limits).await);
        if shutdown.run_until_cancelled(tokio::time::sleep(limits.look_every)).await.is_none() {
            return;
        }
    }
}

/// One look. Each offers another name for the epoch: after a loss not even our own must look like the one before. That
/// is a write, so it also says whether Redis takes any.
async fn run_once(store: &Store, limits: Limits) -> Look {
    let mine = Ulid::generate().to_string();
    let at_once = store.with_patience(Duration::ZERO); // why a write is refused counts now; the next look is the next try
    let looked = async { Ok::<_, StoreError>((pressure(store, limits).await?, at_once.claim_epoch(&mine).await?)) };
    match tokio::time::timeout(LOOK_DEADLINE, looked).await {
        Ok(Ok((pressure, epoch))) => Look::Well(pressure, epoch),
        Ok(Err(StoreError::OutOfMemory(_))) => Look::Stopped(Stop::OutOfMemory),
        Ok(Err(error)) => {
            tracing::debug!(error = &error as &(dyn Error + 'static), "redis does not say how full it is");
            if error.refuses_writes() { Look::Stopped(Stop::Unwritable) } else { Look::Nothing }
        }
        Err(_) => Look::Nothing,
    }
}

async fn pressure(store: &Store, limits: Limits) -> Result<Option<Pressure>, StoreError> {
    let info = store.info().await?;
    let number = |name: &str| info.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    if is_full(number("used_memory"), number("maxmemory")) {
        return Ok(Some(Pressure::Memory));
    }
    Ok((store.unfolded_facts().await? > limits.unfolded_max).then_some(Pressure::Unfolded))
}

/// Whether Redis is nearly full. At its bound it says so itself, and a client is told that it is not too much work.
fn is_full(used: u64, max: u64) -> bool {
    max > 0 && used < max && used > max / 100 * MEMORY_PERCENT_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_is_nearly_full_between_four_fifths_and_its_bound() {
        for (used, max, expect) in
            [(80, 100, false), (81, 100, true), (99, 100, true), (100, 100, false), (150, 100, false), (9, 0, false)]
        {
            assert_eq!(is_full(used * 1_000, max * 1_000), expect, "{used} of {max}");
        }
    }

    #[test]
    fn another_epoch_is_a_loss_and_the_first_one_is_none() {
        let gauge = Gauge::default();
        for (epoch, losses) in [(Some("a"), 0), (None, 0), (Some("a"), 0), (Some("b"), 1), (Some("b"), 1)] {
            gauge.note(epoch.map_or(Look::Nothing, |epoch| Look::Well(None, epoch.to_owned())));
            assert_eq!(gauge.seen().losses, losses);
        }
        assert_eq!(gauge.seen().epoch.as_deref(), Some("b"));
    }

    #[test]
    fn the_log_hears_that_submissions_are_accepted_again_once_that_was_seen() {
        let well = |pressure| Look::Well(pressure, "a".to_owned());
        let mut seen = Seen::default();
        for (look, refusing, is_logged) in [
            (well(None), None, false),
            (well(Some(Pressure::Memory)), Some("memory"), true),
            (Look::Nothing, None, false),
            (well(Some(Pressure::Memory)), Some("memory"), false),
            (Look::Stopped(Stop::OutOfMemory), Some("out_of_memory"), true),
            (Look::Stopped(Stop::Unwritable), Some("unwritable"), true),
            (Look::Nothing, Some("unwritable"), false),
            (well(None), None, true),
            (well(None), None, false),
        ] {
            assert_eq!((seen.take_in(look), seen.refusing()), (is_logged, refusing));
        }
    }
}
