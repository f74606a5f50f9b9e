//! `millstream openapi`: the description of the API.

use crate::exit::Exit;
use crate::print;
use clap::Args;

/// Print the OpenAPI document of the API
#[derive(Debug, Args)]
pub struct Openapi {}

impl Openapi {
    /// Prints what `docs/openapi.json` holds.
    pub fn run(self) -> anyhow::Result<Exit> {
        print::raw(::orchestrator::openapi().as_bytes());
        Ok(Exit::Ok)
    }
}
