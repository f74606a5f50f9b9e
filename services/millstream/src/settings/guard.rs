//! Who may ask the API, and for how much.

use super::parse;
use crate::exit::Failure;
use clap::{Args, ValueEnum};
use orchestrator::auth::{AuthConfig, JwtConfig};
use redis_store::throttle::Allowance;
use secrecy::SecretString;
use std::path::PathBuf;
use std::time::Duration;

/// Credentials that can be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Credentials {
    /// API keys, as `millstream keys` makes them.
    Keys,
    /// Signed tokens.
    Jwt,
}

/// Who may ask the API, and for how much.
#[derive(Debug, Clone, Default, Args)]
pub struct GuardSettings {
    /// Which credentials the API asks for, `keys` and `jwt`; without it nobody is asked who they are.
    #[arg(long, env = "AUTH", value_name = "CREDENTIALS", value_enum, value_delimiter = ',')]
    auth: Vec<Credentials>,

    /// The secret under which tokens are signed with HS256, at least 32 bytes; beside it no JWT_PUBLIC_KEY.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true, value_name = "SECRET", value_parser = parse::secret)]
    jwt_secret: Option<SecretString>,

    /// A file with the public key, in PEM, under which tokens are signed with RS256.
    #[arg(long, env = "JWT_PUBLIC_KEY", value_name = "PATH")]
    jwt_public_key: Option<PathBuf>,

    /// The audience that a token must name.
    #[arg(long, env = "JWT_AUDIENCE", value_name = "AUDIENCE", default_value = "millstream")]
    jwt_audience: String,

    /// The issuer that a token must name; any without it.
    #[arg(long, env = "JWT_ISSUER", value_name = "ISSUER")]
    jwt_issuer: Option<String>,

    /// How many requests a client may make in RATE_WINDOW_SECONDS, counted over all replicas of the API; 0 does not
    /// count. A client is its key or the subject of its token, else the address of its connection: behind a proxy, that
    /// of the proxy.
    #[arg(
        long, env = "RATE_LIMIT",
        value_name = "REQUESTS", default_value = "0", value_parser = parse::whole::<u64>(0, 1_000_000)
    )]
    rate_limit: u64,

    /// The time in which an allowance that is used up comes back, evenly.
    #[arg(
        long = "rate-window-seconds", env = "RATE_WINDOW_SECONDS",
        value_name = "SECONDS", default_value = "60", value_parser = parse::seconds(1, 86_400)
    )]
    rate_window: Duration,

    /// The origins, such as `https://example.org`, whose pages may use the API from a browser, separated by commas.
    #[arg(long, env = "CORS_ORIGINS", value_name = "ORIGINS", value_delimiter = ',', value_parser = parse::origin)]
    pub cors_origins: Vec<String>,

    /// The names and addresses under which the API may be asked, separated by commas and without ports; probes and
    /// metrics may be under any. Without it localhost and addresses, or any name where AUTH or ALLOW_ANONYMOUS is set.
    #[arg(long, env = "ALLOWED_HOSTS", value_name = "HOSTS", value_delimiter = ',', value_parser = parse::host)]
    pub allowed_hosts: Vec<String>,
}

impl GuardSettings {
    /// Whether anybody is asked who they are.
    pub fn asks(&self) -> bool {
        !self.auth.is_empty()
    }

    /// How much each client may ask for.
    pub fn allowance(&self) -> Option<Allowance> {
        (self.rate_limit > 0).then_some(Allowance { requests: self.rate_limit, window: self.rate_window })
    }

    /// Which credentials are accepted, and how tokens are checked.
    pub fn credentials(&self) -> Result<AuthConfig, Failure> {
        let jwt = match self.auth.contains(&Credentials::Jwt) {
            true => Some(self.jwt()?),
            false => None,
        };
        Ok(AuthConfig { keys: self.auth.contains(&Credentials::Keys), jwt })
    }

    fn jwt(&self) -> Result<JwtConfig, Failure> {
        let (audience, issuer) = (self.jwt_audience.clone(), self.jwt_issuer.clone());
        match (&self.jwt_secret, &self.jwt_public_key) {
            (Some(secret), None) => {
                JwtConfig::hs256(secret, audience, issuer).map_err(|error| Failure::setting("JWT_SECRET", error))
            }
            (None, Some(path)) => {
                let refusal = |why: String| Failure::setting("JWT_PUBLIC_KEY", format!("{}: {why}", path.display()));
                let pem = std::fs::read(path).map_err(|error| refusal(format!("cannot be read: {error}")))?;
                JwtConfig::rs256(&pem, audience, issuer).map_err(|error| refusal(error.to_string()))
            }
            _ => Err(Failure::setting("AUTH", "jwt needs one of JWT_SECRET and JWT_PUBLIC_KEY")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(secret: Option<&str>, public_key: Option<&str>) -> GuardSettings {
        GuardSettings {
            auth: vec![Credentials::Jwt],
            jwt_secret: secret.map(SecretString::from),
            jwt_public_key: public_key.map(PathBuf::from),
            ..GuardSettings::default()
        }
    }

    #[test]
    fn a_token_needs_one_key_and_what_is_none_is_named_without_being_shown() {
        let refused = |settings: GuardSettings| settings.credentials().unwrap_err().to_string();
        assert!(refused(jwt(None, None)).starts_with("AUTH: "));
        assert!(refused(jwt(Some("x"), Some("y"))).starts_with("AUTH: "));
        let short = refused(jwt(Some("c4n4ry"), None));
        assert!(short.starts_with("JWT_SECRET: ") && !short.contains("c4n4ry"), "{short}");
        assert!(refused(jwt(None, Some("/none"))).starts_with("JWT_PUBLIC_KEY: /none"));
        assert!(jwt(Some(&"s".repeat(32)), None).credentials().unwrap().is_on());
    }

    #[test]
    fn nothing_is_asked_and_nothing_bounded_unless_something_is_set() {
        let nothing = GuardSettings::default();
        assert!(!nothing.asks() && !nothing.credentials().unwrap().is_on() && nothing.allowance().is_none());
        let bounded = GuardSettings { rate_limit: 5, rate_window: Duration::from_secs(1), ..GuardSettings::default() };
        assert_eq!(bounded.allowance().unwrap().requests, 5);
    }
}
