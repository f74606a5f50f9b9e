//! People with a redis-cli: entries of any shape, forged facts, deletions.

use crate::snapshot::queues;
use crate::world::World;
use std::collections::{BTreeMap, VecDeque};
use task_core::law::{EntryId, Fields, Moment, StreamName};

/// Someone adds an entry: a sound one, one of a newer version, one that crashed before, or garbage.
pub fn write_by_hand(world: &mut World) {
    let name = world.work_stream();
    let task = world.random.u8(..12);
    let base = [("task_id", format!("t{task}")), ("subtask_id", format!("t{task}-1")), ("description", "d".to_owned())];
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> =
        base.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect();
    for _ in 0..world.random.usize(..4) {
        let odd: [(&[u8], &[u8]); 30] = [
            (b"v", b"2"),
            (b"v", b"1"),
            (b"v", b""),
            (b"crashes", b"1"),
            (b"crashes", b"2"),
            (b"crashes", b"x"),
            (b"crashes", b"4294967296"),
            (b"index", b"3"),
            (b"index", b"-1"),
            (b"generation", b"1"),
            (b"attempt", b"0"),
            (b"attempt", b"4"),
            (b"subtask_id", b"plain"),
            (b"task_id", b"a\nb"),
            (b"kind", b"a b"),
            (b"subtask_id", b"t1-0000000000000002"),
            (b"subtask_id", b"-2"),
            (b"timeout_ms", b"soon"),
            (b"timeout_ms", b"999999999999999"),
            (b"max_attempts", b"4294967296"),
            (b"deadline_ms", b"1000000000000000"),
            (b"deadline_ms", b"1790000000000"),
            (b"crashes", b"11"),
            (b"priority", b"soon"),
            (b"parents", b"a=0:skip,b=1:continue"),
            (b"parents", b"a=0:never"),
            (b"parked_at", b"1790000000000"),
            (b"history", b"1 0 retrying 5 w x\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n2 0 crashed 6 w"),
            (b"result_ttl_s", b"day"),
            (b"\xff\x00", b"\r\n\xfe"),
        ];
        let (name, value) = world.pick(odd);
        fields.push((name.to_vec(), value.to_vec()));
    }
    if world.random.u8(..4) == 0 {
        let values = world.pick([["2", "1"], ["1", "2"], ["2", "11"]]);
        let crashes = values.map(|text| (b"crashes".to_vec(), text.as_bytes().to_vec()));
        fields.extend(crashes); // of two equal names the last counts
    }
    if world.random.u8(..2) == 0 {
        let name = world.pick(["description", "payload", "traceparent"]);
        fields.push((name.as_bytes().to_vec(), odd_text(world)));
    }
    if world.random.u8(..8) == 0 {
        fields.resize(world.pick([249, 251, 252, 256, 257, 600]), (b"x".to_vec(), b"\xff,".to_vec()));
    }
    let drop_first = world.random.usize(..8);
    if drop_first < 3 {
        fields.remove(drop_first);
    }
    add(world, &name, fields);
}

/// Text with bytes on both sides of every border of UTF-8, sometimes broken by what lies just beyond one.
fn odd_text(world: &mut World) -> Vec<u8> {
    let mut text =
        "a\u{0}\u{7f}\u{80}\u{7ff}\u{800}\u{fff}\u{1000}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{3ffff}\u{10ffff}"
            .as_bytes()
            .to_vec();
    let beyond: [&[u8]; 12] = [
        b"",
        b"\x80",
        b"\xc1\xbf",
        b"\xc2\x7f",
        b"\xdf\xc0",
        b"\xe0\x9f\xbf",
        b"\xed\xa0\x80",
        b"\xef\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xff",
    ];
    text.extend_from_slice(world.pick(beyond));
    if world.random.bool() {
        text.extend_from_slice("z".as_bytes());
    }
    if world.random.u8(..4) == 0 {
        let at = world.random.usize(..text.len());
        text[at] = world.random.u8(..);
    }
    text
}

/// Someone writes into the log: repeated, late, contradicting, foreign, later-generation or broken facts.
pub fn forge_facts(world: &mut World) {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for _ in 0..world.random.usize(1..5) {
        let (task, index, generation) = (world.random.u8(..14), world.random.u8(..4), world.random.u8(..10) / 9);
        let words = [
            "started",
            "retrying",
            "crashed",
            "returned",
            "parked",
            "completed",
            "failed",
            "cancelled",
            "requeued",
            "created",
        ];
        let (word, attempt, crashes) = (world.pick(words), world.random.u8(1..3), world.random.u8(..2));
        let (worker, reason, now_ms) = (world.consumer(), world.reason(), world.now_ms());
        let at_ms = now_ms + 2_000 - world.random.u64(..4_000);
        let line = format!("t{task} {index} {generation} {word} {attempt} {crashes} {worker} {at_ms} {reason}");
        lines.push(match world.random.u8(..9) {
            0 => b"garbage \xff".to_vec(),
            1 => format!("{line} too much").into_bytes(),
            8 => format!("t{task} {index}-{} {generation} cancelled 0 0 {worker} {at_ms}", index + 3).into_bytes(),
            2 => line.replacen(&format!(" {index} "), " - ", 1).into_bytes(),
            _ => line.into_bytes(),
        });
    }
    let facts = lines.join(&b'\n');
    let name = world.pick(["facts", "facts", "facts", "other"]);
    add(world, &StreamName::Events, vec![(b"v".to_vec(), b"1".to_vec()), (name.as_bytes().to_vec(), facts)]);
}

/// XADD, in Redis and in the books.
pub fn add(world: &mut World, name: &StreamName, fields: Fields) -> EntryId {
    let mut command = vec![b"XADD".to_vec(), name.to_string().into_bytes(), b"*".to_vec()];
    command.extend(fields.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
    let entry_id: EntryId = world.stranger(&command).text().parse().unwrap();
    let ids = BTreeMap::from([(name.clone(), VecDeque::from([entry_id]))]);
    world.books.append(&mut Moment::with_ids(0, ids), name, fields)
}

/// Someone deletes an entry, a bell, a result or a mark of maintenance.
pub fn delete_by_hand(world: &mut World) {
    let name = world.work_stream();
    let entry_id = world.entry_ids(&name).first().copied().unwrap_or_default();
    let queue = world.pick(queues());
    match world.random.u8(..4) {
        0 => delete_entry(world, &name, entry_id),
        1 => {
            world.run(async |store| store.hush_bell(&queue).await);
            world.books.bells.remove(&queue);
        }
        2 => {
            let results: Vec<_> = world.books.results.keys().cloned().collect();
            if !results.is_empty() {
                let subtask_id = world.pick(results);
                world.stranger(&["DEL", &format!("result:{subtask_id}")]);
                world.books.results.remove(&subtask_id);
            }
        }
        _ => {
            world.stranger(&["DEL", &format!("maintenance:{queue}")]);
            world.books.maintenance.remove(&queue);
        }
    }
}

/// XDEL, in Redis and in the books.
pub fn delete_entry(world: &mut World, name: &StreamName, entry_id: EntryId) {
    world.stranger(&["XDEL", &name.to_string(), &entry_id.to_string()]);
    if let Some(stream) = world.books.streams.get_mut(name) {
        stream.entries.remove(&entry_id);
    }
}
