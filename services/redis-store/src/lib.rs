//! Every key, every script, every command: the only crate that knows Redis.
