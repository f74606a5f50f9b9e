//! What orchestrators tell of losses of everything in Redis, look by look: each counts those of its own life.

use crate::clock::Moment;

/// What one orchestrator told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// Which one.
    pub orchestrator: String,
    /// When its answer was there.
    pub at: Moment,
    /// How many it had seen.
    pub losses: u64,
}
