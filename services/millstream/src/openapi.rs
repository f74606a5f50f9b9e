//! Placeholder.
use crate::exit::Exit;
use clap::Args;
/// Soon
#[derive(Debug, Args)]
pub struct Openapi {}
impl Openapi {
    /// Soon.
    pub fn run(self) -> anyhow::Result<Exit> {
        Ok(Exit::Failed)
    }
}
