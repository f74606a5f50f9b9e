//! A rebuild of what is right already: it may change nothing but revisions.

use crate::snapshot::{self, Snapshot};
use crate::world::{TASK_TTL, World};

/// Rebuilds everything, whatever goes on.
pub async fn rebuild(world: &mut World) {
    let name = world.name("rebuilder");
    let report = projector::rebuild(&world.store, &name, TASK_TTL, None).await.unwrap();
    assert_eq!((report.gone, report.reopened), (0, 0));
    world.trace.say(format!("rebuild -> {report:?}"));
    world.tally.note("rebuild");
}

/// Rebuilds everything at the end; nothing may differ and nothing be counted anew.
pub async fn check(world: &mut World) {
    let before = without_revisions(world);
    rebuild(world).await;
    snapshot::assert_same(&before, &without_revisions(world), "a rebuild");
}

fn without_revisions(world: &mut World) -> Snapshot {
    let mut snapshot = snapshot::take(world);
    for fields in snapshot.values_mut() {
        fields.retain(|field| !field.starts_with("revision = "));
    }
    snapshot
}
