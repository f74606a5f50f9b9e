//! `hand_back` against its law.

use crate::history::check;
use crate::world::World;
use redis_store::Stream;
use task_core::law::hand_back::HandBack;
use task_core::law::{EntryId, StreamName};

#[test]
fn hand_back_keeps_to_its_law() {
    check(call, &["hand_back Returned", "hand_back Stale"]);
}

pub fn call(world: &mut World) {
    let (by, name) = (world.consumer(), world.work_stream());
    let entry_ids = world.entry_ids(&name);
    let StreamName::Work(queue, priority) = name else { unreachable!() };
    let order = HandBack { by, queue: queue.clone(), priority, entry_ids };
    let ids: Vec<String> = order.entry_ids.iter().map(EntryId::to_string).collect();
    let stream = Stream { queue, priority };
    for _ in 0..world.sendings() {
        let answers = world.call(
            &order,
            async |store| store.hand_back(&order.by, &stream, &ids).await,
            |books, moment| books.hand_back(moment, &order),
        );
        for answer in answers {
            world.count(format!("hand_back {answer:?}"), 1);
        }
    }
}
