//! The scripts on a real Redis, whole state looked at as a stranger would.
//!
//! `stage` and `state` are what the tests stand on. One file for each script; `fold_order`, `races`, `judgement` and `foreign` hold
//! what is true of several at once. Then the commands without a script: `lease`, `events`, `read`, `server`; and the connection:
//! `client`, `password`. `lua` looks at the files alone, `page` at docs/protocol.md.

mod stage;
mod state;

mod bury;
mod client;
mod collect_consumer;
mod events;
mod expire;
mod fold;
mod fold_order;
mod foreign;
mod hand_back;
mod judgement;
mod lease;
mod lua;
mod page;
mod password;
mod races;
mod read;
mod reap;
mod recount;
mod server;
mod settle;
mod start;
mod submit;
