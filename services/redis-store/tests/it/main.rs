//! The scripts on a real Redis: one file for each script, whole state looked at as a stranger would.

mod stage;
mod state;

mod bury;
mod fold;
mod fold_order;
mod hand_back;
mod judgement;
mod races;
mod reap;
mod settle;
mod start;
mod submit;
