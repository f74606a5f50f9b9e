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
    /// Only this subtask and what was given up for it, by name or by index; may be repeated
    #[arg(long = "subtask", value_name = "NAME")]
    subtasks: Vec<String>,
    /// Print the task as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientSettings,
}

impl Replay {
    /// Replays, and says how the task stands then.
    pub fn run(self) -> anyhow::Result<Exit> {
        let api = Api::new(&self.client.millstream_url)?;
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

    fn body(&self) -> String {
        if self.subtasks.is_empty() {
            return "{}".to_owned();
        }
        let name = |text: &String| text.parse::<u32>().map_or_else(|_| Value::from(text.as_str()), Value::from);
        json!({ "subtasks": self.subtasks.iter().map(name).collect::<Vec<_>>() }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Cli, Command};
    use clap::Parser;

    #[test]
    fn a_subtask_is_sent_as_an_index_where_it_is_a_number() {
        for (args, expect) in [
            (&["replay", "T"][..], "{}"),
            (&["replay", "T", "--subtask", "a.b", "--subtask", "7"], r#"{"subtasks":["a.b",7]}"#),
        ] {
            let Command::Replay(replay) = Cli::parse_from(["millstream"].iter().chain(args)).command else {
                unreachable!("replay was parsed")
            };
            assert_eq!(replay.body(), expect);
        }
    }
}
