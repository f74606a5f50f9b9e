//! `test_task`: takes as long and succeeds as often as it is told.

use crate::context::Context;
use crate::handler::{Handler, HandlerError};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A task to try things with.
pub struct TestTask;

/// Its parameters; both may be left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestTaskInput {
    /// Seconds it takes, 0 to 3,600.
    #[serde(default)]
    pub duration: f64,
    /// How likely it succeeds, 0 to 1.
    #[serde(default = "always")]
    pub success_rate: f64,
}

fn always() -> f64 {
    1.0
}

/// What it leaves.
#[derive(Debug, Serialize)]
pub struct TestTaskOutput {
    /// A sentence.
    pub message: &'static str,
    /// Seconds it took.
    pub duration: f64,
}

impl Handler for TestTask {
    const KIND: &'static str = "test_task";
    type Input = TestTaskInput;
    type Output = TestTaskOutput;

    async fn execute(&self, _: &Context, input: TestTaskInput) -> Result<TestTaskOutput, HandlerError> {
        let TestTaskInput { duration, success_rate } = input;
        if !(0.0..=3_600.0).contains(&duration) {
            return Err(HandlerError::Fatal("duration must be 0 to 3600 seconds".to_owned()));
        }
        if !(0.0..=1.0).contains(&success_rate) {
            return Err(HandlerError::Fatal("success_rate must be 0 to 1".to_owned()));
        }
        tokio::time::sleep(Duration::from_secs_f64(duration)).await;
        if fastrand::f64() < success_rate {
            Ok(TestTaskOutput { message: "test task completed", duration })
        } else {
            Err(HandlerError::Retryable("the test task failed, as its success_rate let it".to_owned()))
        }
    }
}
