//! The projector on a real Redis: the loops, the audit, the rebuild.

mod audit_busy;
mod audit_laws;
mod audit_waiting;
mod collecting;
mod expiring;
mod folding;
mod heralding;
mod metrics;
mod poison;
mod rebuilding;
mod repairing;
mod repairing_plans;
mod sharing;
mod stage;
mod strangers;
mod sweeping;
mod trimming;
