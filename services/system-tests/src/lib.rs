//! The real stack under test: started, killed in part, its books checked.

pub mod redis;
