//! The real binary on a real Redis: what it promises, and what is left when parts of it die.

mod command_line;
mod happy_path;
mod health;
mod keyspace;
mod laws;
mod orchestrator_death;
mod poison;
mod projector_death;
mod redis_death;
mod settings;
mod start;
mod up;
mod worker_death;
mod worker_end;
