//! The projector on a real Redis: the loops, the audit.

mod audit_busy;
mod audit_laws;
mod collecting;
mod expiring;
mod folding;
mod poison;
mod sharing;
mod stage;
mod trimming;
