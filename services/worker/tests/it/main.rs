//! A worker in process on a real Redis, looked at from outside.

mod doing;
mod drain;
mod idle;
mod lease;
mod order;
mod outage;
mod outcome;
mod path;
mod refusal;
mod sharing;
mod stage;
mod stranger;
