//! Events become status.
