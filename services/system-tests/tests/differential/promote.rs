//! `promote` against its law.

use crate::history::check;
use crate::world::World;
use redis_store::promote::Promoted;
use std::time::Duration;
use task_core::law;

/// Members that the store asks for in a call.
const COUNT: usize = 100;

#[test]
fn promote_keeps_to_its_law() {
    check(call, &["promote moved", "promote malformed", "promote later", "promote nothing left"]);
}

#[test]
fn a_long_list_of_what_is_due_is_promoted_in_calls() {
    let mut world = World::start(1);
    world.begin_history();
    let due_ms = world.now_ms() - 1;
    for member in 0..250 {
        let body = format!("[\"q.{}\",\"n\",\"{member}\"]", member % 3);
        delay_by_hand(&mut world, &format!("m{member:03}"), due_ms, Some(body.as_bytes()));
    }
    let moved: Vec<u64> = (0..4).map(|_| send(&mut world).moved).collect();
    assert_eq!(moved, [100, 100, 50, 0]);
}

pub fn call(world: &mut World) {
    let members: Vec<String> = world.books.delayed.keys().cloned().collect();
    for member in members {
        if world.random.bool() {
            let due_ms = world.now_ms() - world.random.u64(1..5);
            delay_by_hand(world, &member, due_ms, None);
        }
        if world.random.u8(..16) == 0 {
            world.stranger(&["HDEL", "delayed:body", &member]);
            world.books.bodies.remove(&member);
        }
    }
    for _ in 0..world.random.usize(..3) {
        let member = world.pick(["x", "t1-0", "t2-1", "a b"]);
        let due_ms = world.now_ms() - 1 + world.pick([0, 600_000]);
        let body = world.pick(BODIES);
        delay_by_hand(world, member, due_ms, Some(body));
    }
    for _ in 0..world.sendings() {
        send(world);
    }
}

/// What a hand writes where a body should be.
pub const BODIES: [&[u8]; 10] = [
    b"",
    b"{}",
    b"[1,2,3]",
    b"[\"default\",\"a\"]",
    b"[\"a b\",\"a\",\"b\"]",
    b"[\"default\",\"priority\",\"soon\"]",
    b"[\"default\",\"a\\u00fc\\/\",\"\xff\"]",
    b"[\"stray\",\"a\",\"b\",\"priority\",\"low\"]",
    b"[\"q.2\",\"task_id\",\"t1\",\"subtask_id\",\"t1-0\",\"description\",\"d\"]",
    b"\xff",
];

/// Someone lets a member wait, or changes when it is due.
pub fn delay_by_hand(world: &mut World, member: &str, due_ms: u64, body: Option<&[u8]>) {
    world.stranger(&["ZADD", "delayed", &due_ms.to_string(), member]);
    world.books.delayed.insert(member.to_owned(), due_ms);
    if let Some(body) = body {
        world.stranger(&[b"HSET", &b"delayed:body"[..], member.as_bytes(), body]);
        world.books.bodies.insert(member.to_owned(), body.to_vec());
    }
}

fn send(world: &mut World) -> Promoted {
    let order = law::promote::Promote { by: world.consumer(), count: COUNT };
    // Until the next is due the clock of the call says, which nobody tells: it is far, or over.
    let coarse = |promoted: Promoted| Promoted { next_due: promoted.next_due.map(far), ..promoted };
    let promoted = world.call(
        &order,
        async |store| store.promote(&order.by).await.map(coarse),
        |books, moment| {
            let law::promote::Promoted { moved, malformed, next_due_ms } = books.promote(moment, &order);
            coarse(Promoted { moved, malformed, next_due: next_due_ms.map(Duration::from_millis) })
        },
    );
    world.count("promote moved", promoted.moved);
    world.count("promote malformed", promoted.malformed);
    world.count("promote later", u64::from(promoted.next_due.is_some_and(|due| !due.is_zero())));
    world.count("promote nothing left", u64::from(promoted.next_due.is_none()));
    promoted
}

/// How far off something is, as a call can tell without knowing its own clock: it is over, or far.
pub fn far(wait: Duration) -> Duration {
    if wait.is_zero() { wait } else { Duration::MAX }
}
