//! The properties of the rules, on random histories: a module for each rule.

#![allow(clippy::unwrap_used)] // also in the functions that build what a test needs

mod backoff;
mod fold;
mod plan;
mod share;
mod tokens;
mod world;
