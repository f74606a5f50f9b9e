//! `bury` against its law.

use crate::cancel::overtake;
use crate::history::check;
use crate::strangers::add;
use crate::workers::fetch;
use crate::world::World;
use redis_store::Stream;
use redis_store::bury::{Burial, Owner};
use std::time::Duration;
use system_tests::redis::Reply;
use task_core::law::{self, EntryId, StreamName};

#[test]
fn bury_keeps_to_its_law() {
    check(call, &["bury Buried", "bury Dropped", "bury Stale", "bury garbage"]);
}

#[test]
fn what_the_bound_of_dead_letters_trims_is_counted() {
    let mut world = World::start(1);
    world.begin_history();
    let fill = "for _ = 1, 100150 do redis.call('XADD', 'dead-letters', '*', 'a', 'b') end";
    assert_eq!(world.stranger(&["EVAL", fill, "0"]), Reply::Nil);
    world.accept_all();
    let name = StreamName::Work("default".parse().unwrap(), proto_schemas::Priority::Low);
    for _ in 0..3 {
        add(&mut world, &name, vec![(b"a".to_vec(), b"b".to_vec())]);
    }
    fetch(&mut world);
    let garbage = |entry_id| law::bury::Burial {
        stream: name.clone(),
        entry_id,
        owner: None,
        reason: "malformed".parse().unwrap(),
        error: String::new(),
    };
    let leases: Vec<EntryId> = world.leased.iter().map(|leased| leased.entry_id).collect();
    assert!(!leases.is_empty());
    send(&mut world, leases.into_iter().map(garbage).collect());
    assert!(world.books.dead_letters_trimmed > 0, "the server trims whole nodes of a hundred");
}

pub fn call(world: &mut World) {
    let mut items = Vec::new();
    for _ in 0..world.random.usize(1..3) {
        let name = world.work_stream();
        for entry_id in world.entry_ids(&name) {
            items.push(burial(world, name.clone(), entry_id));
        }
    }
    let leases = world.leases(|leased| items.iter().any(|item| item.entry_id == leased.entry_id));
    overtake(world, &leases);
    for _ in 0..world.sendings() {
        send(world, items.clone());
    }
}

fn send(world: &mut World, items: Vec<law::bury::Burial>) {
    let order = law::bury::Bury { by: world.consumer(), items };
    let batch: Vec<Burial> = order.items.iter().map(asked).collect();
    let answers = world.call(
        &order,
        async |store| store.bury(&order.by, &batch).await,
        |books, moment| books.bury(moment, &order),
    );
    world.count_each("bury", &answers);
    let nobody = order.items.iter().filter(|item| item.owner.is_none()).count() as u64;
    world.count("bury garbage", nobody);
}

fn burial(world: &mut World, stream: StreamName, entry_id: EntryId) -> law::bury::Burial {
    let leased = world.leased.iter().find(|leased| leased.stream == stream && leased.entry_id == entry_id);
    let fact = leased.and_then(|leased| leased.fact("failed"));
    let result = world.pick([None, Some("{\"error\": \"ü\"}".to_owned())]);
    let owner = fact.map(|fact| law::bury::Owner {
        subtask_id: fact.task_id.subtask(fact.index.unwrap()).unwrap(),
        task_id: fact.task_id,
        result,
        result_ttl_ms: 3_600_000,
    });
    let (reason, error) = (world.reason(), world.pick(["", "a\nsentence, ünï"]).to_owned());
    law::bury::Burial { stream, entry_id, owner, reason, error }
}

/// The same as the store takes it.
fn asked(item: &law::bury::Burial) -> Burial {
    let StreamName::Work(queue, priority) = item.stream.clone() else { unreachable!() };
    let owner = item.owner.as_ref().map(|owner| Owner {
        task_id: owner.task_id.clone(),
        subtask_id: owner.subtask_id.clone(),
        result: owner.result.clone(),
        result_ttl: Duration::from_millis(owner.result_ttl_ms),
    });
    let (reason, error) = (item.reason.clone(), item.error.clone());
    Burial { stream: Stream { queue, priority }, entry_id: item.entry_id.to_string(), owner, reason, error }
}
