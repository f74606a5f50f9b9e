//! `millstream settings`: the table of every setting.

use super::list;
use crate::exit::Exit;
use crate::{Cli, print};
use clap::{Args, CommandFactory};

/// Print the table of every setting
#[derive(Debug, Args)]
pub struct Settings {}

impl Settings {
    /// Prints what `docs/settings.md` holds.
    pub fn run(self) -> anyhow::Result<Exit> {
        print::raw(list::markdown(&list::list(&Cli::command())).as_bytes());
        Ok(Exit::Ok)
    }
}
