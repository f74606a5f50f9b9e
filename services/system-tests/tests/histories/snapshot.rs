//! Everything that Redis keeps, as text that can be compared.

use crate::world::World;
use std::collections::BTreeMap;
use system_tests::redis::Reply;

/// More entries than a group of these histories ever holds.
const PENDING_MAX: &str = "100000";

/// The lines of each key.
pub type Snapshot = BTreeMap<String, Vec<String>>;

/// Every key and what is in it. Marks of maintenance end by themselves.
pub fn take(world: &mut World) -> Snapshot {
    let keys: Vec<String> = world.stranger(&["KEYS", "*"]).items().iter().map(Reply::text).collect();
    let keys = keys.into_iter().filter(|key| !key.starts_with("maintenance:"));
    keys.map(|key| (key.clone(), content(world, &key))).collect()
}

/// Names what differs.
pub fn assert_same(before: &Snapshot, after: &Snapshot, cause: &str) {
    for (key, value) in before {
        assert_eq!(after.get(key), Some(value), "{cause} changed {key}");
    }
    assert_eq!(before.len(), after.len(), "{cause} added keys");
}

fn content(world: &mut World, key: &str) -> Vec<String> {
    match world.stranger(&["TYPE", key]).text().as_str() {
        "hash" => {
            let flat = texts(&world.stranger(&["HGETALL", key]));
            let mut fields: Vec<String> = flat.chunks(2).map(|pair| pair.join(" = ")).collect();
            fields.sort();
            fields
        }
        "zset" => texts(&world.stranger(&["ZRANGE", key, "0", "-1", "WITHSCORES"])),
        "set" => texts(&world.stranger(&["SORT", key, "ALPHA"])),
        "list" => texts(&world.stranger(&["LRANGE", key, "0", "-1"])),
        "stream" => stream(world, key),
        "string" => vec![world.stranger(&["GET", key]).text()],
        other => panic!("{key} is a {other}"),
    }
}

/// Entries, groups, and who holds what; not since when, which goes on by itself.
fn stream(world: &mut World, key: &str) -> Vec<String> {
    let mut lines = vec![format!("{:?}", world.stranger(&["XRANGE", key, "-", "+"]))];
    for group in world.stranger(&["XINFO", "GROUPS", key]).items() {
        let name = group.items()[1].text();
        lines.push(format!("{group:?}"));
        let held = world.stranger(&["XPENDING", key, &name, "-", "+", PENDING_MAX]);
        for entry in held.items() {
            let [id, consumer, _, deliveries] = entry.items() else { panic!("{entry:?}") };
            lines.push(format!("{} {} {deliveries:?}", id.text(), consumer.text()));
        }
    }
    lines
}

fn texts(reply: &Reply) -> Vec<String> {
    reply.items().iter().map(Reply::text).collect()
}
