//! `simulate`: takes time in proportion to its priority, and says when it began.

use crate::context::Context;
use crate::handler::{Handler, HandlerError};
use serde::Serialize;
use serde::de::IgnoredAny;
use std::time::Duration;

/// Sleeps (1 + priority) seconds, times a factor; priority is 0 for low to 3 for critical.
pub struct Simulate {
    /// 1.0 by default, 0 for no work at all.
    pub factor: f64,
}

/// What a simulated subtask leaves.
#[derive(Debug, Serialize)]
pub struct SimulateOutput {
    /// By the worker's clock, ms of the Unix epoch.
    pub started_at_ms: i64,
    /// How long it slept.
    pub seconds: f64,
}

impl Handler for Simulate {
    const KIND: &'static str = "simulate";
    /// Anything is accepted: the payload of a simulated subtask is ballast.
    type Input = IgnoredAny;
    type Output = SimulateOutput;

    async fn execute(&self, ctx: &Context, _: IgnoredAny) -> Result<SimulateOutput, HandlerError> {
        let started_at_ms = chrono::Utc::now().timestamp_millis();
        let seconds = f64::from(1 + ctx.priority().level()) * self.factor;
        if seconds > 0.0 {
            tokio::time::sleep(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)).await;
        }
        Ok(SimulateOutput { started_at_ms, seconds })
    }
}
