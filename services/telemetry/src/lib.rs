//! Logging and the one list of span and field names.
