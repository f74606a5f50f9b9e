//! The scripts on a real Redis: one file for each script, whole state looked at as a stranger would.

mod path;
mod stage;
