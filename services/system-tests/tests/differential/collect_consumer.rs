//! `collect_consumer` against its law.

use crate::history::check;
use crate::snapshot::queues;
use crate::world::World;
use task_core::law::collect_consumer::CollectConsumer;

#[test]
fn collect_consumer_keeps_to_its_law() {
    check(call, &["collect_consumer Removed", "collect_consumer Busy"]);
}

pub fn call(world: &mut World) {
    let order = CollectConsumer { consumer: world.consumer(), queues: queues().to_vec() };
    for _ in 0..world.sendings() {
        let answer = world.call(
            &order,
            async |store| store.collect_consumer(&order.consumer, &order.queues).await,
            |books, _| books.collect_consumer(&order),
        );
        world.count(format!("collect_consumer {answer:?}"), 1);
    }
}
