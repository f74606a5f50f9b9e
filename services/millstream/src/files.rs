//! How many files a process may have open. Many systems allow 1,024 unless it is asked for more.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Redis, log, timers and whatever else is open beside connections.
const RESERVE: u64 = 64;

/// Asks for as many as `connections` need; says so where the system does not give them.
pub fn allow(connections: u32) {
    let wanted = u64::from(connections) + RESERVE;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    let is_set = setrlimit(Resource::Nofile, limit).is_ok();
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if !is_set || allowed < wanted {
        tracing::warn!("CONNECTIONS_MAX needs {wanted} open files, and the system allows {allowed}");
    }
}
