//! What can be wrong with a link.

use std::time::Duration;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the server.
    Requests,
    /// From the server.
    Replies,
}

/// What happens to bytes and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    Sound,
    /// Bytes wait, as they do while a network drops every packet of both directions.
    Hold,
    /// One direction is swallowed; the other goes through: half open.
    Swallow(Direction),
    /// Each connection is reset after this many further bytes of replies, in the middle of one.
    Cut(u64),
    /// Each chunk comes this much later, give or take half of it.
    Delay(Duration),
    /// Each direction of a connection carries at most this many bytes a second.
    Throttle(u64),
    /// New connections are reset; those that exist live on.
    Refuse,
}

/// The condition of a link and how often all of its connections were reset.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weather {
    pub condition: Condition,
    pub resets: u64,
}
