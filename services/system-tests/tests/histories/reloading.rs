//! Redis reads back from its disk whatever a history has left: the same books, and work goes on from them.

use crate::snapshot;
use crate::world::World;

/// Has Redis write everything, as a snapshot or as a rewritten log, kills it and starts it again.
pub fn check(world: &mut World) {
    let before = snapshot::take(world);
    world.tally.note(if world.keeps_a_log { "rewritten log read back" } else { "snapshot read back" });
    world.restart_redis();
    snapshot::assert_same(&before, &snapshot::take(world), "a restart");
}
