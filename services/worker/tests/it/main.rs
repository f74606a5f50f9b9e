//! A worker in process on a real Redis, looked at from outside.

mod path;
mod stage;
