//! One history: who does something next, when the world is looked at, and how it ends.

use crate::client::Client;
use crate::folder::Folder;
use crate::maintenance::{self, Reaper};
use crate::operator::Operator;
use crate::tally::{Tally, Trace};
use crate::worker::Worker;
use crate::world::World;
use crate::{drain, inspection, passing, rebuilding, reloading, stranger};
use proto_schemas::{ConsumerName, TaskId};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Steps between two looks at a world that stands still.
const INSPECT_EVERY: u64 = 100;
/// Zombies that are remembered.
const ZOMBIES: usize = 6;

/// Runs one history; a panic says the seed, the step and what was done last.
pub fn run(seed: u64, steps: u64) -> Tally {
    let (trace, started) = (Trace::default(), Instant::now());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let history = AssertUnwindSafe(|| runtime.block_on(live(seed, steps, trace.clone())));
    match catch_unwind(history) {
        Ok(tally) => {
            println!("HISTORIES_SEED={seed}: {steps} steps in {:?}", started.elapsed());
            tally
        }
        Err(cause) => {
            let text = cause.downcast_ref::<String>().cloned();
            let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            panic!("HISTORIES_SEED={seed} HISTORIES_STEPS={steps}:\n{}{}", trace.text(), text.unwrap_or_default());
        }
    }
}

async fn live(seed: u64, steps: u64, trace: Trace) -> Tally {
    let mut world = World::start(seed, trace).await;
    let mut cast = Cast::start(&mut world);
    for step in 0..steps {
        if step % INSPECT_EVERY == 0 {
            world.trace.say(format!("step {step}"));
            inspection::inspect(&mut world).await;
        }
        cast.step(&mut world).await;
    }
    inspection::inspect(&mut world).await;
    reloading::check(&mut world);
    inspection::inspect(&mut world).await;
    drain::drain(&mut world).await;
    inspection::inspect(&mut world).await;
    drain::check_claims(&mut world).await;
    rebuilding::check(&mut world).await;
    inspection::inspect(&mut world).await;
    world.tally
}

/// Everybody.
struct Cast {
    client: Client,
    operator: Operator,
    workers: [Worker; 4],
    zombies: Vec<Worker>,
    reapers: [Reaper; 2],
    folders: [Folder; 2],
    dead: Vec<ConsumerName>,
}

impl Cast {
    fn start(world: &mut World) -> Self {
        Self {
            client: Client::default(),
            operator: Operator::default(),
            workers: std::array::from_fn(|_| Worker::start(world)),
            zombies: Vec::new(),
            reapers: std::array::from_fn(|_| Reaper::start(world)),
            folders: std::array::from_fn(|_| Folder::start(world)),
            dead: Vec::new(),
        }
    }

    /// Somebody does something.
    async fn step(&mut self, world: &mut World) {
        match world.random.u32(..104) {
            0..7 => self.client.submit(world).await,
            7..24 => {
                let (worker, count) = (self.worker(world), world.random.usize(1..4));
                worker.fetch(world, count).await;
            }
            24..55 => self.busy_worker(world).act(world).await,
            55..58 => self.crash(world).await,
            58..62 => self.haunt(world).await,
            62..65 => passing::end_leases(world, &self.living()),
            65..69 => self.reap(world).await,
            69..72 => self.let_time_pass(world).await,
            72..88 => self.project(world).await,
            88..91 => self.operator.cancel(world, &self.held_tasks()).await,
            91..95 => self.operator.replay(world, &self.held_tasks()).await,
            95..98 => self.operator.empty_letters(world).await,
            98..101 => stranger::act(world).await,
            101..103 => self.collect(world).await,
            _ if world.once_in(10) => rebuilding::rebuild(world).await,
            _ => {}
        }
    }

    fn worker(&mut self, world: &mut World) -> &mut Worker {
        let at = world.random.usize(..self.workers.len());
        &mut self.workers[at]
    }

    /// One that holds something, if any does.
    fn busy_worker(&mut self, world: &mut World) -> &mut Worker {
        let busy: Vec<usize> = (0..self.workers.len()).filter(|at| !self.workers[*at].held.is_empty()).collect();
        let at = if busy.is_empty() { 0 } else { world.pick(&busy) };
        &mut self.workers[at]
    }

    /// A worker dies, mostly at work, or only seems to.
    async fn crash(&mut self, world: &mut World) {
        let old = self.busy_worker(world).crash(world).await;
        self.dead.push(old.name.clone());
        if world.once_in(2) {
            self.zombies.push(old);
        }
        if self.zombies.len() > ZOMBIES {
            self.zombies.remove(0);
        }
    }

    /// Somebody who is thought to be dead acts.
    async fn haunt(&mut self, world: &mut World) {
        self.zombies.retain(|zombie| !zombie.held.is_empty());
        if !self.zombies.is_empty() {
            let at = world.random.usize(..self.zombies.len());
            self.zombies[at].act(world).await;
        }
    }

    async fn reap(&mut self, world: &mut World) {
        if !world.once_in(6) {
            passing::end_second(world);
        }
        if world.once_in(3) {
            maintenance::reap_twice(world, &mut self.reapers).await;
        } else {
            let at = world.random.usize(..self.reapers.len());
            self.reapers[at].reap(world).await;
        }
    }

    async fn let_time_pass(&mut self, world: &mut World) {
        passing::make_due(world, false);
        maintenance::promote(world).await;
    }

    async fn project(&mut self, world: &mut World) {
        let (at, count) = (world.random.usize(..self.folders.len()), world.random.usize(1..9));
        let folder = &mut self.folders[at];
        match world.random.u32(..20) {
            0..7 => drop(folder.read(world, count).await),
            7..16 => folder.fold(world).await,
            16 => folder.fold_late(world).await,
            17 | 18 => drop(folder.claim(world, count).await),
            _ => {
                let name = folder.die(world);
                world.store.collect_projector(&name).await.unwrap();
            }
        }
    }

    async fn collect(&mut self, world: &mut World) {
        if !self.dead.is_empty() {
            let consumer =
                if world.once_in(2) { self.dead[self.dead.len() - 1].clone() } else { world.pick(&self.dead) };
            maintenance::collect(world, &consumer).await;
        }
    }

    fn living(&self) -> Vec<ConsumerName> {
        self.workers.iter().map(|worker| worker.name.clone()).collect()
    }

    /// The tasks whose work somebody holds.
    fn held_tasks(&self) -> Vec<TaskId> {
        let held = self.workers.iter().chain(&self.zombies).flat_map(|worker| &worker.held);
        held.filter_map(|lease| Some(lease.entry.as_ref().ok()?.task_id.clone())).collect()
    }
}
