//! `start` against its law.

use crate::history::check;
use crate::world::World;
use task_core::law::start::Start;

#[test]
fn start_keeps_to_its_law() {
    check(call, &["start told", "start nothing"]);
}

pub fn call(world: &mut World) {
    let by = world.consumer();
    let leased = if world.random.u8(..4) == 0 { Vec::new() } else { world.leases(|_| true) };
    let order = Start { by, facts: leased.iter().filter_map(|leased| leased.fact("started")).collect() };
    for _ in 0..world.sendings() {
        world.call(
            &order,
            async |store| store.start(&order.by, &order.facts).await,
            |books, moment| books.start(moment, &order),
        );
        world.count(if order.facts.is_empty() { "start nothing" } else { "start told" }, 1);
    }
}
