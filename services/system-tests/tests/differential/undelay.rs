//! `undelay` against its law, on members of `delayed` that someone wrote or broke.

use crate::history::check;
use crate::plans::definitions;
use crate::promote::{BODIES, delay_by_hand};
use crate::world::World;
use proto_schemas::{QueueName, TaskId};
use redis_store::restore::pack_body;
use redis_store::undelay::Undelayed;
use task_core::law::body::unpack;
use task_core::law::identity::{Identity, identify};
use task_core::law::undelay::Undelay;

#[test]
fn undelay_keeps_to_its_law() {
    check(
        call,
        &[
            "undelay Removed",
            "undelay Kept",
            "undelay Gone",
            "undelay of a member without a body",
            "undelay of garbage",
            "undelay of what has ended",
            "undelay of another task's",
            "undelay of a newer body",
        ],
    );
}

pub fn call(world: &mut World) {
    if world.random.u8(..4) > 0 {
        break_by_hand(world);
    }
    let mut members: Vec<String> = world.books.delayed.keys().cloned().collect();
    world.random.shuffle(&mut members);
    members.truncate(3);
    members.extend((world.random.u8(..4) == 0).then(|| "nobody-0".to_owned()));
    for member in members {
        send(world, member);
    }
}

fn send(world: &mut World, member: String) {
    let identity = world.books.bodies.get(&member).map(|text| match unpack(text) {
        Some((_, fields, _)) => identify(&fields),
        None => Identity::Malformed,
    });
    let own = identity.clone().and_then(Identity::known).map(|it| it.task_id);
    let is_others = world.random.u8(..8) == 0;
    let task_id = if is_others { world.pick([None, Some("t3".parse().unwrap())]) } else { own.clone() };
    let is_others = task_id != own;
    let order = Undelay { by: world.consumer(), member, task_id };
    for _ in 0..world.sendings() {
        let answer = world.call(
            &order,
            async |store| store.undelay(&order.by, &order.member, order.task_id.as_ref()).await,
            |books, moment| books.undelay(moment, &order),
        );
        world.count(format!("undelay {answer:?}"), 1);
        let label = match (&answer, &identity) {
            (Undelayed::Removed, None) => "undelay of a member without a body",
            (Undelayed::Removed, Some(Identity::Malformed)) => "undelay of garbage",
            (Undelayed::Removed, Some(_)) => "undelay of what has ended",
            (Undelayed::Kept, Some(Identity::Newer)) => "undelay of a newer body",
            (Undelayed::Kept, _) if is_others => "undelay of another task's",
            (Undelayed::Kept | Undelayed::Gone, _) => continue,
        };
        world.count(label, 1);
    }
}

/// Someone loses a body, writes garbage, or lets wait what has ended or what a newer Millstream wrote.
fn break_by_hand(world: &mut World) {
    let members: Vec<String> = world.books.delayed.keys().cloned().collect();
    let known = world.random.choice(members).unwrap_or_else(|| "x".to_owned());
    let due_ms = world.now_ms() + 600_000;
    match world.random.u8(..4) {
        0 => {
            delay_by_hand(world, &known, due_ms, None);
            world.stranger(&["HDEL", "delayed:body", &known]);
            world.books.bodies.remove(&known);
        }
        1 => {
            let (member, body) = (world.pick(["x", "t1-0", "a b"]), world.pick(BODIES));
            delay_by_hand(world, member, due_ms, Some(body));
        }
        2 => {
            let body = b"[\"q.2\",\"v\",\"2\",\"anything\",\"\"]";
            delay_by_hand(world, &known, due_ms, Some(body));
        }
        _ => {
            if let Some((member, body)) = leftover(world) {
                delay_by_hand(world, &member, due_ms, Some(&body));
            }
        }
    }
}

/// A member of a subtask that has ended.
fn leftover(world: &mut World) -> Option<(String, Vec<u8>)> {
    let tasks = world.books.tasks.iter();
    let ended = tasks.flat_map(|(task_id, task)| task.state.records.keys().map(move |place| (task_id, *place)));
    let ended: Vec<(TaskId, (u32, u32))> = ended.map(|(task_id, place)| (task_id.clone(), place)).collect();
    let (task_id, (index, generation)) = world.random.choice(ended)?;
    let mut entry = definitions(world, &task_id).get(index as usize)?.first_attempt(&task_id, index).ok()?;
    entry.generation = generation;
    let body = pack_body(&QueueName::default_queue(), &entry).into_bytes();
    Some((entry.subtask_id.to_string(), body))
}
