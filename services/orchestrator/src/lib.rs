//! The HTTP API and submission: the only crate that knows poem.
//!
//! Invariants. A request is read completely and judged before anything is written, a new task before Redis is asked for
//! more than a kind that is not known here: a refused one writes nothing. A task is stored by one script or not at all.
//! Every answer that is not 2xx is problem+json, made in one place from one enum, and repeats nothing of the request
//! but the names of known fields and, cut and cleaned, of unknown ones. What a client sends as `params` or `context` is
//! kept byte for byte. Redis may be absent at any time, also at the start: the server listens all the same, answers 503
//! in time and needs no restart.
//!
//! In reading order: [`config`] what the binary decides; [`server`] listening and stopping; `http` what a client may do
//! to a connection; [`connection`] watching Redis; [`governor`] refusing before Redis has to; `routes` the map of
//! endpoints and `gate` what a request has to pass; `api` one file for each door; `submit` from a request to a stored
//! task, with `kinds` what is accepted, `idempotency` the client's keys and [`replicas`] who else must have it; `batch`
//! many of them; `replay` and `letters` running again what has ended; [`feed`] what happens, as it happens, with
//! `prefer` waiting for it in one request; `listing` looking through the tasks, `operations` at everything else;
//! `webhooks` who is told of ends; `outcome` what came of it; `wire` the documents clients read and write; `body` from
//! bytes to a request; `refusal` every way to say no; `trail` what becomes known of a request, `envelope` what all
//! answers share, [`auth`] who asks, `noted` and `audit_log` what they changed, `metrics` what is counted of them,
//! `shared_read` what many ask of Redis at once, and `traced` what they are in traces; `openapi` and `pages` the
//! description for machines and for people.

mod api;
mod audit_log;
pub mod auth;
mod batch;
mod body;
pub mod config;
pub mod connection;
mod context;
mod envelope;
pub mod error;
pub mod feed;
mod gate;
pub mod governor;
mod http;
mod idempotency;
mod kinds;
mod letters;
mod listing;
mod metrics;
mod noted;
mod openapi;
mod operations;
mod outcome;
mod pages;
mod precondition;
mod prefer;
mod refusal;
mod replay;
pub mod replicas;
mod routes;
pub mod server;
mod shared_read;
mod submit;
mod traced;
mod trail;
mod webhooks;
mod wire;

pub use config::Config;
pub use error::OrchestratorError;
pub use gate::Hosts;
pub use http::Deadlines;
pub use openapi::openapi;
pub use server::{Server, run};
