//! People with a redis-cli: garbage in the streams and in the log, forgotten scripts and bells.

use crate::world::{World, queues, streams};

/// How the names of tasks begin that nobody submitted.
pub const NOBODY: &str = "nobody";

/// Does one of the things that must do no harm.
pub async fn act(world: &mut World) {
    match world.random.u32(..8) {
        0..3 => write_entry(world),
        3..5 => repeat_facts(world).await,
        5 => write_facts(world),
        6 => {
            world.stranger(&["SCRIPT", "FLUSH"]);
            world.tally.note("script flush");
        }
        _ => {
            let bell = format!("bell:{}", world.pick(&queues()));
            world.stranger(&["DEL", &bell]);
        }
    }
}

/// An entry that is garbage, of a newer version, nobody's, or too long.
fn write_entry(world: &mut World) {
    let key = world.pick(&streams()).key();
    let number = world.random.u32(..1_000);
    let (task, subtask) = (format!("{NOBODY}-{number}"), format!("{NOBODY}-{number}-0"));
    let mut command = vec!["XADD".to_owned(), key, "*".to_owned()];
    let sound = ["task_id", &task, "subtask_id", &subtask, "description", "by hand"].map(str::to_owned);
    match world.random.u32(..10) {
        0 | 5 => command.extend(["garbage", "yes"].map(str::to_owned)),
        1 => command.extend(sound.into_iter().chain(["v", "2"].map(str::to_owned))),
        2 => command.extend(sound.into_iter().chain(["attempt", "many"].map(str::to_owned))),
        3 => command.extend((0..300).flat_map(|at| [format!("f{at}"), "x".to_owned()])),
        4 if !world.ledger.created.is_empty() => {
            let task = world.pick(&world.ledger.created.clone());
            let beyond = [task.to_string(), format!("{task}-9999")];
            command.extend(["task_id", &beyond[0], "subtask_id", &beyond[1], "description", "d"].map(str::to_owned));
        }
        _ => command.extend(sound),
    }
    world.trace.say(format!("by hand: {:?}", &command[1..command.len().min(9)]));
    world.stranger(&command);
    world.tally.note("entry by hand");
}

/// Lines that are no facts, or facts about nothing.
fn write_facts(world: &mut World) {
    let mut lines = vec!["not a fact".to_owned(), format!("{NOBODY} 0 0 completed 1 0 w 1")];
    if !world.ledger.created.is_empty() {
        let task = world.pick(&world.ledger.created.clone());
        lines.push(format!("{task} 9999 0 completed 1 0 w 1"));
    }
    append(world, &["v", "1", "facts", &lines.join("\n")]);
}

/// Facts that were folded long ago come again.
async fn repeat_facts(world: &mut World) {
    let groups = world.store.event_groups().await.unwrap();
    let Some(group) = groups.first() else { return };
    let end = group.oldest_pending_id.as_ref().map_or(group.last_delivered_id.clone(), |oldest| format!("({oldest}"));
    let reply = world.stranger(&["XREVRANGE", "events", &end, "-", "COUNT", "200"]);
    if reply.items().is_empty() {
        return;
    }
    let entry = world.pick(reply.items());
    let fields: Vec<String> = entry.items()[1].items().iter().map(|field| field.text()).collect();
    append(world, &fields);
}

fn append<A: AsRef<str>>(world: &mut World, fields: &[A]) {
    let head = ["XADD", "events", "*"].into_iter();
    let command: Vec<&str> = head.chain(fields.iter().map(AsRef::as_ref)).collect();
    let entry_id = world.stranger(&command).text();
    world.trace.say(format!("by hand: facts {entry_id}"));
    world.ledger.forged.insert(entry_id);
    world.tally.note("facts by hand");
}
