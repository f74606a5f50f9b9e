//! The HTTP API and submission: the only crate that knows poem.
