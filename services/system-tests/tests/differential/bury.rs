//! `bury` against its law.

use crate::history::check;
use crate::world::World;
use redis_store::Stream;
use redis_store::bury::Burial;
use task_core::law::{self, StreamName};

#[test]
fn bury_keeps_to_its_law() {
    check(call, &["bury Buried", "bury Stale", "bury garbage"]);
}

pub fn call(world: &mut World) {
    let (by, name) = (world.consumer(), world.work_stream());
    let StreamName::Work(queue, priority) = name.clone() else { unreachable!() };
    let stream = Stream { queue, priority };
    let items: Vec<law::bury::Burial> = world
        .entry_ids(&name)
        .into_iter()
        .map(|entry_id| {
            let (reason, error) = (world.reason(), world.pick(["", "a\nsentence, ünï"]).to_owned());
            law::bury::Burial { entry_id, reason, error }
        })
        .collect();
    let order = law::bury::Bury { by, stream: name.clone(), items };
    let batch: Vec<Burial> = order
        .items
        .iter()
        .map(|item| Burial {
            entry_id: item.entry_id.to_string(),
            reason: item.reason.clone(),
            error: item.error.clone(),
        })
        .collect();
    for _ in 0..world.sendings() {
        let nobody = order.items.iter().filter(|item| {
            let leased = world.leased.iter().find(|leased| leased.stream == name && leased.entry_id == item.entry_id);
            leased.is_some_and(|leased| leased.fact("failed").is_none())
        });
        let garbage = nobody.count() as u64;
        let answers = world.call(
            &order,
            async |store| store.bury(&order.by, &stream, &batch).await,
            |books, moment| books.bury(moment, &order),
        );
        for answer in answers {
            world.count(format!("bury {answer:?}"), 1);
        }
        world.count("bury garbage", garbage);
    }
}
