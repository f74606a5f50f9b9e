//! The documents that clients read and write: shapes of their own, because what is stored and what is answered change
//! for different reasons. Each derives its schema; `serde` makes the bytes.
//!
//! A document that clients send also says here how it is read; the rules beyond its shape are in `submit`.

pub mod answer;
pub mod assignment;
pub mod batch;
pub mod dead_letter;
pub mod dependency;
pub mod entry_id;
pub mod event_stream;
pub mod feed_message;
pub mod header;
pub mod json;
pub mod kind;
pub mod letter_selection;
pub mod metrics_page;
pub mod new_task;
pub mod parameter;
pub mod priority;
pub mod problem;
pub mod replay;
pub mod result;
pub mod stream;
pub mod subtask;
pub mod system;
pub mod task;
pub mod task_list;
pub mod time;
pub mod webhook;
pub mod why;
pub mod word;
pub mod worker;
