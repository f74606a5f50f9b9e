//! `millstream keys`: makes, lists, rotates and revokes the keys of the API. It speaks to Redis, because somebody has
//! to make the first.

use crate::exit::Exit;
use crate::note::CommandNote;
use crate::settings::RedisSettings;
use crate::{operate, print};
use clap::{Args, Subcommand, ValueEnum};
use orchestrator::auth::{NewKey, Scope};
use proto_schemas::{ApiKey, limit};
use redis_store::keep::Kept;
use redis_store::note::word;
use redis_store::{Store, StoreError};
use serde_json::json;

const HOUR_MS: u64 = 3_600 * 1_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Make, list, rotate and revoke keys of the API
#[derive(Debug, Args)]
pub struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Create),
    List(List),
    Rotate(Rotate),
    Revoke(Revoke),
}

/// Make a key and print it: it is never shown again
#[derive(Debug, Args)]
struct Create {
    /// Whose it is, for people
    #[arg(value_parser = name)]
    name: String,
    /// What it may do; each holds the ones before it
    #[arg(long, value_enum, default_value = "write")]
    scope: ScopeWord,
    /// Days until it opens nothing any more; it lasts until it is revoked otherwise
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=3_650))]
    expires_in_days: Option<u64>,
    #[command(flatten)]
    redis: RedisSettings,
}

/// List the keys that there are, without their secrets
#[derive(Debug, Args)]
struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    redis: RedisSettings,
}

/// Give a key another secret and print it: it is never shown again
#[derive(Debug, Args)]
struct Rotate {
    /// Its id, as `list` shows it
    id: String,
    /// Hours for which the secret before opens too
    #[arg(long, value_name = "HOURS", default_value = "24", value_parser = clap::value_parser!(u64).range(0..=720))]
    overlap_hours: u64,
    #[command(flatten)]
    redis: RedisSettings,
}

/// Revoke a key: within two seconds it opens nothing any more
#[derive(Debug, Args)]
struct Revoke {
    /// Its id, as `list` shows it
    id: String,
    #[command(flatten)]
    redis: RedisSettings,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScopeWord {
    /// Look at tasks, streams and workers
    Read,
    /// Submit, cancel, run again
    Write,
    /// Deal with dead letters
    Admin,
}

impl Keys {
    /// Runs until it is done.
    pub fn run(self) -> anyhow::Result<Exit> {
        match self.command {
            Command::Create(create) => create.run(),
            Command::List(List { json, redis }) => operate::run(&redis, async |store| list(&store, json).await),
            Command::Rotate(rotate) => rotate.run(),
            Command::Revoke(Revoke { id, redis }) => operate::run(&redis, async |store| {
                if !store.revoke_api_key(&id).await? {
                    return Ok(not_there(&store, "revoke_key", &id).await);
                }
                note("revoke_key", &id).done(&store, String::new()).await;
                Ok(Exit::Ok)
            }),
        }
    }
}

impl Create {
    fn run(self) -> anyhow::Result<Exit> {
        let scope = match self.scope {
            ScopeWord::Read => Scope::Read,
            ScopeWord::Write => Scope::Write,
            ScopeWord::Admin => Scope::Admin,
        };
        operate::run(&self.redis, async |store| {
            let now_ms = store.now_ms().await?;
            let expires_at_ms = self.expires_in_days.map(|days| now_ms + days * DAY_MS);
            let Some(new) = NewKey::make(&self.name, &[scope], now_ms, expires_at_ms) else {
                eprintln!("millstream: the system gives no randomness");
                return Ok(Exit::Failed);
            };
            if store.keep_api_key(&new.id, None, &new.kept).await? != Kept::Kept {
                eprintln!("millstream: there are {} keys, and that is all there may be", limit::API_KEYS_MAX);
                return Ok(Exit::Failed);
            }
            print::line(&new.credentials);
            let detail = format!("name={} scope={}", word(&self.name), scope.as_str());
            note("create_key", &new.id).done(&store, detail).await;
            Ok(Exit::Ok)
        })
    }
}

impl Rotate {
    fn run(self) -> anyhow::Result<Exit> {
        operate::run(&self.redis, async |store| {
            let Some(stored) = store.api_key(&self.id).await? else {
                return Ok(not_there(&store, "rotate_key", &self.id).await);
            };
            let old_until_ms = store.now_ms().await? + self.overlap_hours * HOUR_MS;
            let Some(new) = NewKey::again(&self.id, stored.api_key, old_until_ms) else {
                eprintln!("millstream: the system gives no randomness");
                return Ok(Exit::Failed);
            };
            if store.keep_api_key(&new.id, Some(&stored.text), &new.kept).await? != Kept::Kept {
                eprintln!("millstream: somebody else has rotated or revoked the key meanwhile, so nothing was done");
                return Ok(Exit::Failed);
            }
            print::line(&new.credentials);
            note("rotate_key", &self.id).done(&store, format!("overlap_hours={}", self.overlap_hours)).await;
            Ok(Exit::Ok)
        })
    }
}

/// What is done to a key, for the audit.
fn note(operation: &'static str, id: &str) -> CommandNote {
    CommandNote::new(operation, format!("{}/{}", redis_store::key::API_KEYS, word(id)))
}

async fn not_there(store: &Store, operation: &'static str, id: &str) -> Exit {
    eprintln!("millstream: there is no key {}", word(id)); // which may be more than an id
    note(operation, id).not_found(store, "key_not_found").await;
    Exit::NotFound
}

async fn list(store: &Store, as_json: bool) -> Result<Exit, StoreError> {
    for (id, ApiKey { name, scopes, created_at_ms, expires_at_ms, .. }) in store.api_keys().await? {
        let scopes = scopes.join(",");
        if as_json {
            let key = json!({
                "id": id, "name": name, "scopes": scopes, "created_at_ms": created_at_ms, "expires_at_ms": expires_at_ms,
            });
            print::line(&key.to_string());
        } else {
            let until = expires_at_ms.map_or_else(|| "until it is revoked".to_owned(), |ms| format!("until {ms} ms"));
            print::line(&format!("{id}  {scopes:<5}  {until}  {name}"));
        }
    }
    Ok(Exit::Ok)
}

fn name(text: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| "1 to 64 characters are needed".to_owned())
}
