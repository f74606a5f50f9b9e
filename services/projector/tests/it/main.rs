//! The projector on a real Redis.

mod collecting;
mod expiring;
mod folding;
mod poison;
mod sharing;
mod stage;
mod trimming;
