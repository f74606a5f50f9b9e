//! The scripts on a real Redis, whole state looked at as a stranger would.
//!
//! `stage` and `state` are what the tests stand on. One file for each script; `fold_order`, `races`, `judgement` and
//! `foreign` hold what is true of several at once, `plans`, `plan_policies` and `generations` of a task's whole life,
//! `requeue_plans` and `requeue_deadlines` of its other runs. Then the commands without a script: `lease`, `heartbeat`,
//! `gate`, `events`, `read`, `server`; and the connection: `client`, `password`. `lua` looks at the files alone, `page`
//! at docs/protocol.md.

mod stage;
mod state;

mod adopt;
mod api_keys;
mod bury;
mod cancel;
mod client;
mod collect_consumer;
mod dead_letters;
mod epoch;
mod events;
mod exorcise;
mod expire;
mod fold;
mod fold_order;
mod fold_parts;
mod foreign;
mod gate;
mod gauges;
mod generations;
mod hand_back;
mod heartbeat;
mod idempotency;
mod judgement;
mod kinds;
mod later;
mod lease;
mod listing;
mod lua;
mod note;
mod page;
mod park;
mod password;
mod plan_policies;
mod plans;
mod promote;
mod races;
mod read;
mod reap;
mod recount;
mod relist;
mod reopen;
mod requeue;
mod requeue_deadlines;
mod requeue_plans;
mod restore;
mod retell;
mod retry;
mod server;
mod settle;
mod start;
mod streams_document;
mod submit;
mod tail;
mod throttle;
mod undelay;
mod webhooks;
