//! Placeholder.
use crate::exit::Exit;
use clap::Args;
/// Soon
#[derive(Debug, Args)]
pub struct Watch {}
impl Watch {
    /// Soon.
    pub fn run(self) -> anyhow::Result<Exit> {
        Ok(Exit::Failed)
    }
}
