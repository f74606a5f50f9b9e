//! Redis reads back from its disk whatever a history has left: the same books, and work goes on from them.

use crate::snapshot;
use crate::world::World;
use std::time::Duration;
use system_tests::eventually::eventually;

const SOON: Duration = Duration::from_secs(20);

/// Has Redis write everything, as a snapshot or as a rewritten log, kills it and starts it again.
pub fn check(world: &mut World) {
    let before = snapshot::take(world);
    write(world);
    world.restart_redis();
    let after = snapshot::take(world);
    for (key, value) in &before {
        assert_eq!(after.get(key), Some(value), "{key} was read back as something else");
    }
    assert_eq!(before.len(), after.len(), "keys came back that were gone");
}

fn write(world: &mut World) {
    if !world.keeps_a_log {
        world.stranger(&["SAVE"]);
        world.tally.note("snapshot read back");
        return;
    }
    world.stranger(&["BGREWRITEAOF"]);
    eventually(SOON, "the log is rewritten", || {
        let info = world.stranger(&["INFO", "persistence"]).text();
        let is_done = |name: &str| info.contains(&format!("{name}:0"));
        (is_done("aof_rewrite_in_progress") && is_done("aof_rewrite_scheduled")).then_some(())
    });
    world.tally.note("rewritten log read back");
}
