//! Time, which passes when the history says so: leases end, what waits is due, deadlines are over.

use crate::world::{World, streams};
use proto_schemas::{ConsumerName, TaskId};

/// A moment long ago, in ms of the Unix epoch.
const LONG_AGO: &str = "1000";

/// The leases of all who are not `living` are over, and a few of theirs.
pub fn end_leases(world: &mut World, living: &[ConsumerName]) {
    for stream in streams() {
        let key = stream.key();
        let rows = world.stranger(&["XPENDING", &key, "workers", "-", "+", "1000"]);
        for row in rows.items() {
            let (entry_id, owner) = (row.items()[0].text(), row.items()[1].text());
            if !living.iter().any(|name| name.as_str() == owner) || world.once_in(12) {
                world.stranger(&["XCLAIM", &key, "workers", &owner, "0", &entry_id, "TIME", LONG_AGO, "JUSTID"]);
            }
        }
    }
}

/// Some of what waits is due; all of it where `is_all`.
pub fn make_due(world: &mut World, is_all: bool) {
    for member in world.stranger(&["ZRANGE", "delayed", "0", "-1"]).items() {
        if is_all || world.once_in(2) {
            world.stranger(&["ZADD", "delayed", "XX", LONG_AGO, &member.text()]);
        }
    }
}

/// The deadline of a task is over.
pub fn reach_deadline(world: &mut World, task_id: &TaskId) {
    world.stranger(&["ZADD", "lifetimes", "XX", LONG_AGO, task_id.as_str()]);
}

/// Its time is over: the next to ask may run a round of maintenance.
pub fn end_second(world: &mut World) {
    for queue in crate::world::queues() {
        world.stranger(&["DEL", &format!("maintenance:{queue}")]);
    }
}
