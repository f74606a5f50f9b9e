//! A worker in process on a real Redis, looked at from outside.

mod alone;
mod clock;
mod delayed;
mod doing;
mod drain;
mod hints;
mod idle;
mod lease;
mod metrics;
mod order;
mod outage;
mod outcome;
mod parents;
mod path;
mod refusal;
mod retry;
mod sharing;
mod stage;
mod stopping;
mod stranger;
mod webhook;
