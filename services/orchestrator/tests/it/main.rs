//! The API as a client sees it: a server in this process, a real Redis, plain HTTP.

mod bodies;
mod documents;
mod outage;
mod plans;
mod refusals;
mod stage;
mod stopping;
mod system;
mod tasks;
mod typed;
