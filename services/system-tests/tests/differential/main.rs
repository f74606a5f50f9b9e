//! Every script against its law: random histories on a real Redis, all keys compared after every call.
//!
//! A world holds a Redis and the books that the law says it must hold. Scripts run through the store's public API,
//! often twice, with stale ids, in any order, on entries that strangers wrote; strangers also delete entries and age
//! leases. After each call the whole keyspace is read back and must equal the books. A file for each script makes its
//! random calls, and first breaks what it looks at if it is one of those that mend; `workers` and `strangers` do what
//! no script does. `SEED` repeats a run, `STEPS` sets its length.

#![allow(clippy::unwrap_used)]

mod history;
mod plans;
mod snapshot;
mod task;
mod world;

mod strangers;
mod workers;

mod adopt;
mod bury;
mod cancel;
mod collect_consumer;
mod exhume;
mod exorcise;
mod expire;
mod fold;
mod hand_back;
mod promote;
mod reap;
mod recount;
mod relist;
mod reopen;
mod requeue;
mod restore;
mod retell;
mod retry;
mod settle;
mod start;
mod submit;
mod undelay;
