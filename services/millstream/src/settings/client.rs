//! Where the client commands find the API.

use super::parse;
use clap::Args;

/// The API that client commands talk to.
#[derive(Debug, Clone, Args)]
pub struct ClientSettings {
    /// The API that client commands talk to.
    #[arg(
        long, env = "MILLSTREAM_URL", global = true,
        value_name = "URL", default_value = "http://127.0.0.1:8000", value_parser = parse::api_url
    )]
    pub millstream_url: reqwest::Url,
}
