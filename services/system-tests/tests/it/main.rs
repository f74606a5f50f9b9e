//! The real binary on a real Redis: what it promises, and what is left when parts of it die.

mod cancel;
mod command_line;
mod dead_letters;
mod graph;
mod happy_path;
mod health;
mod idempotency;
mod keyspace;
mod laws;
mod lease;
mod limits;
mod loss;
mod memory;
mod orchestrator_death;
mod poison;
mod priorities;
mod projector_death;
mod redis_death;
mod reload;
mod replay;
mod schedule;
mod settings;
mod start;
mod up;
mod worker_death;
mod worker_end;
