//! What a role logs, how and where.

use super::parse;
use crate::exit::Failure;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use telemetry::{LogConfig, LogError, LogGuard};

/// The log of a role.
#[derive(Debug, Clone, Args)]
pub struct LogSettings {
    /// How much is logged: off, error, warn, info, debug, trace, or directives such as `info,redis_store=debug`.
    #[arg(long, env = "LOG_LEVEL", value_name = "LEVEL", default_value = "info", value_parser = parse::log_level)]
    log_level: String,

    /// How a log line looks: text for people, json for programs.
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,

    /// A file for the log instead of stderr; it rotates at 10 MB, and five older ones are kept. Under `up` each role
    /// puts its name into it.
    #[arg(long, env = "LOG_FILE", value_name = "PATH")]
    pub log_file: Option<PathBuf>,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One flat object a line.
    Json,
}

impl LogSettings {
    /// Starts the log of this process under `name`.
    pub fn init(&self, name: &str) -> Result<LogGuard, Failure> {
        let format = match self.log_format {
            LogFormat::Text => telemetry::LogFormat::Text,
            LogFormat::Json => telemetry::LogFormat::Json,
        };
        let (level, file) = (self.log_level.clone(), self.log_file.clone());
        telemetry::init(LogConfig { level, format, file, name: name.to_owned() }).map_err(|error| match &error {
            LogError::Level => Failure::setting("LOG_LEVEL", &error),
            LogError::File(cause) => Failure::setting("LOG_FILE", format!("{error}: {cause}")),
            LogError::Twice => Failure::new(crate::exit::Exit::Failed, error.to_string()),
        })
    }
}
