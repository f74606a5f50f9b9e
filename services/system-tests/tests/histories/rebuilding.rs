//! A rebuild of what is right already: it may change nothing but revisions.

use crate::world::{TASK_TTL, World};
use std::collections::BTreeMap;
use system_tests::redis::Reply;

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
    let before = snapshot(world);
    rebuild(world).await;
    let after = snapshot(world);
    for (key, value) in &before {
        assert_eq!(after.get(key), Some(value), "a rebuild changed {key}");
    }
    assert_eq!(before.len(), after.len(), "a rebuild added keys");
}

/// Every key that is not a stream, and the lengths of the streams. Marks of maintenance end by themselves.
fn snapshot(world: &mut World) -> BTreeMap<String, Vec<String>> {
    let keys: Vec<String> = world.stranger(&["KEYS", "*"]).items().iter().map(Reply::text).collect();
    let keys = keys.into_iter().filter(|key| !key.starts_with("maintenance:"));
    keys.map(|key| (key.clone(), content(world, &key))).collect()
}

fn content(world: &mut World, key: &str) -> Vec<String> {
    let texts = |reply: Reply| reply.items().iter().map(Reply::text).collect::<Vec<_>>();
    match world.stranger(&["TYPE", key]).text().as_str() {
        "hash" => {
            let flat = texts(world.stranger(&["HGETALL", key]));
            let mut fields: Vec<String> = flat.chunks(2).map(|pair| pair.join(" = ")).collect();
            fields.retain(|field| !field.starts_with("revision = "));
            fields.sort();
            fields
        }
        "zset" => texts(world.stranger(&["ZRANGE", key, "0", "-1", "WITHSCORES"])),
        "set" => texts(world.stranger(&["SORT", key, "ALPHA"])),
        "list" => texts(world.stranger(&["LRANGE", key, "0", "-1"])),
        "stream" => vec![world.stranger(&["XLEN", key]).text()],
        "string" => vec![world.stranger(&["GET", key]).text()],
        other => panic!("{key} is a {other}"),
    }
}
