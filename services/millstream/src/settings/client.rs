//! Where the client commands find the API.

use super::parse;
use clap::Args;
use secrecy::SecretString;

/// The API that client commands talk to.
#[derive(Debug, Clone, Args)]
pub struct ClientSettings {
    /// The API that client commands talk to.
    #[arg(
        long, env = "MILLSTREAM_URL", global = true, hide_env_values = true,
        value_name = "URL", default_value = "http://127.0.0.1:8000", value_parser = parse::api_url
    )]
    pub millstream_url: reqwest::Url,

    /// The API key or token that client commands send.
    #[arg(
        long, env = "MILLSTREAM_API_KEY", global = true,
        hide_env_values = true, value_name = "CREDENTIALS", value_parser = parse::secret
    )]
    pub millstream_api_key: Option<SecretString>,
}
