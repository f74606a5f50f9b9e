//! The API as a client sees it: a server in this process, a real Redis, plain HTTP.

mod batches;
mod bodies;
mod cancels;
mod documents;
mod graphs;
mod guards;
mod idempotency;
mod kinds;
mod letters;
mod listings;
mod metrics;
mod operations;
mod outage;
mod plans;
mod preconditions;
mod pressure;
mod refusals;
mod replays;
mod replicas;
mod schedules;
mod stage;
mod stopping;
mod system;
mod tasks;
mod typed;
