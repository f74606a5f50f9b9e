//! `millstream cancel`: ends a task.

use crate::client::{self, Api};
use crate::exit::Exit;
use crate::print::{self, clean};
use crate::settings::ClientSettings;
use clap::Args;

/// Cancel whatever of a task has not ended
#[derive(Debug, Args)]
pub struct Cancel {
    /// The id of the task
    task_id: String,
    /// Print the task as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientSettings,
}

impl Cancel {
    /// Cancels, and says how the task stands then.
    pub fn run(self) -> anyhow::Result<Exit> {
        let api = Api::new(&self.client)?;
        client::run(async {
            let answer = api.cancel(&self.task_id).await?;
            let task = &answer.document;
            let state = format!("{} {}, {} subtasks cancelled", clean(&task.task_id), task.status, task.cancelled);
            print::line(if self.json { &answer.text } else { &state });
            Ok(Exit::Ok)
        })
    }
}
