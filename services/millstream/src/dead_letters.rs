//! `millstream dead-letters`: looks at what gave up, gives it back, throws it away.

mod change;
mod list;
mod selection;
mod show;

use crate::client::{self, Api};
use crate::exit::Exit;
use crate::settings::ClientSettings;
use clap::{Args, Subcommand};

/// Look at what gave up, give it back or throw it away
#[derive(Debug, Args)]
pub struct DeadLetters {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    client: ClientSettings,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(list::List),
    Show(show::Show),
    Requeue(change::Requeue),
    Discard(change::Discard),
}

impl DeadLetters {
    /// Does one of them.
    pub fn run(self) -> anyhow::Result<Exit> {
        let api = Api::new(&self.client)?;
        client::run(async {
            match self.action {
                Action::List(action) => action.run(&api).await,
                Action::Show(action) => action.run(&api).await,
                Action::Requeue(action) => action.run(&api).await,
                Action::Discard(action) => action.run(&api).await,
            }
        })
    }
}
