//! `millstream replay`: runs again what has ended.

use crate::client::{self, Api};
use crate::exit::Exit;
use crate::print::{self, clean};
use crate::settings::ClientSettings;
use clap::Args;
use serde_json::{Value, json};

/// Run a task again that has ended: what did not complete, or everything if all did
#[derive(Debug, Args)]
pub struct Replay {
    /// The id of the task
    task_id: String,
    /// Only the subtask of this name and what was given up for it; may be repeated
    #[arg(long = "subtask", value_name = "NAME")]
    names: Vec<String>,
    /// The same by its place in the plan, from 0; may be repeated
    #[arg(long = "index", value_name = "N")]
    places: Vec<u32>,
    /// Print the task as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientSettings,
}

impl Replay {
    /// Replays, and says how the task stands then.
    pub fn run(self) -> anyhow::Result<Exit> {
        let api = Api::new(&self.client)?;
        client::run(async {
            let answer = api.replay(&self.task_id, self.body()).await?;
            let task = &answer.document;
            let id = clean(&task.task_id);
            let again = task.subtasks.len() as u64 - task.ended();
            if self.json {
                print::line(&answer.text);
            } else {
                print::line(&format!("{id} {}, {again} subtasks run again", task.status));
                eprintln!("millstream watch {id} shows its progress");
            }
            Ok(Exit::Ok)
        })
    }

    /// A name may be made of digits, so only the flag tells it from a place.
    fn body(&self) -> String {
        let names = self.names.iter().map(|name| Value::from(name.as_str()));
        let subtasks: Vec<_> = names.chain(self.places.iter().copied().map(Value::from)).collect();
        if subtasks.is_empty() { "{}".to_owned() } else { json!({ "subtasks": subtasks }).to_string() }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Cli, Command};
    use clap::Parser;

    #[test]
    fn a_subtask_is_meant_by_its_name_or_by_its_place() {
        for (args, expect) in [
            (&["replay", "T"][..], "{}"),
            (&["replay", "T", "--subtask", "a.b", "--subtask", "7"], r#"{"subtasks":["a.b","7"]}"#),
            (&["replay", "T", "--index", "7", "--subtask", "7"], r#"{"subtasks":["7",7]}"#),
        ] {
            let Command::Replay(replay) = Cli::parse_from(["millstream"].iter().chain(args)).command else {
                unreachable!("replay was parsed")
            };
            assert_eq!(replay.body(), expect);
        }
    }
}
