//! Placeholder.
use crate::exit::Exit;
use clap::Args;
/// Soon
#[derive(Debug, Args)]
pub struct Submit {}
impl Submit {
    /// Soon.
    pub fn run(self) -> anyhow::Result<Exit> {
        Ok(Exit::Failed)
    }
}
