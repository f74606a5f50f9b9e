//! `exhume` against its law.

use crate::history::check;
use crate::world::World;
use redis_store::Stream;
use task_core::law::{self, EntryId, StreamName};

#[test]
fn exhume_keeps_to_its_law() {
    check(call, &["exhume Exhumed", "exhume Gone", "exhume Unfit"]);
}

pub fn call(world: &mut World) {
    let letters = world.books.streams.get(&StreamName::DeadLetters);
    let letters: Vec<EntryId> = letters.into_iter().flat_map(|letters| letters.entries.keys().copied()).collect();
    let letter_id = world.random.choice(letters).unwrap_or(EntryId { ms: 5, sequence: 5 });
    let StreamName::Work(queue, priority) = world.work_stream() else { unreachable!() };
    let stream = Stream { queue: queue.clone(), priority };
    let order = law::exhume::Exhume { letter_id, queue, priority };
    for _ in 0..world.sendings() {
        let answer = world.call(
            &order,
            async |store| store.exhume(&order.letter_id.to_string(), &stream).await,
            |books, moment| books.exhume(moment, &order),
        );
        world.count(format!("exhume {answer:?}"), 1);
    }
}
