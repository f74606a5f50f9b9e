//! `millstream submit`: hands in a task.

mod members;

use crate::client::{self, Api};
use crate::exit::{Exit, Failure};
use crate::print;
use crate::settings::ClientSettings;
use crate::watch;
use clap::Args;
use members::Members;
use serde_json::Number;
use serde_json::value::{RawValue, to_raw_value};
use std::path::{Path, PathBuf};

/// Hand in a task
#[derive(Debug, Args)]
pub struct Submit {
    /// What is to be done
    description: Option<String>,
    /// low, medium, high, critical, or a number from 0
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<String>,
    /// A JSON file with the subtasks, or with a whole task; - reads from stdin
    #[arg(long, value_name = "FILE")]
    subtasks_file: Option<PathBuf>,
    /// Your own key for this request: sent again within a day, it answers the same task
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Seconds until it may start
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with = "run_at")]
    delay: Option<Box<RawValue>>,
    /// When it may start, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    run_at: Option<String>,
    /// Seconds from then until whatever of it has not ended is cancelled
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    deadline: Option<Box<RawValue>>,
    /// Show the progress until the task has ended, and end as it does
    #[arg(long)]
    watch: bool,
    /// Print the task as JSON
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    /// Print nothing but the id
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    client: ClientSettings,
}

impl Submit {
    /// Submits, and watches if asked to.
    pub fn run(self) -> anyhow::Result<Exit> {
        let body = self.body()?;
        let api = Api::new(&self.client)?;
        client::run(async {
            let answer = api.submit(body, self.idempotency_key.as_deref()).await?;
            let id = &answer.document.task_id;
            match (self.json, self.watch, self.quiet) {
                (true, true, _) => {}
                (true, false, _) => print::line(&answer.text),
                (_, false, false) => {
                    print::line(&format!("{id} {}", answer.document.status));
                    eprintln!("millstream watch {id} shows its progress");
                }
                _ => print::line(id),
            }
            if !self.watch {
                return Ok(Exit::Ok);
            }
            let style = match (self.json, self.quiet) {
                (true, _) => watch::Style::Json,
                (_, true) => watch::Style::Silent,
                _ => watch::Style::Progress,
            };
            watch::until_ended(&api, id, style).await
        })
    }

    /// What is sent: the file, byte for byte, and over it what the flags say.
    fn body(&self) -> anyhow::Result<String> {
        let mut task = self.subtasks_file.as_deref().map(read_file).transpose()?.unwrap_or_default();
        if let Some(description) = &self.description {
            task.set("description", to_raw_value(description)?);
        }
        if let Some(priority) = &self.priority {
            let number = priority.parse::<i64>().map(|number| to_raw_value(&number));
            task.set("priority", number.unwrap_or_else(|_| to_raw_value(priority))?);
        }
        if let Some(seconds) = &self.delay {
            task.set("delay_seconds", seconds.clone());
        }
        if let Some(time) = &self.run_at {
            task.set("run_at", to_raw_value(time)?);
        }
        if let Some(seconds) = &self.deadline {
            task.set("deadline_seconds", seconds.clone());
        }
        if !task.has("description") {
            return Err(
                Failure::new(Exit::Usage, "a DESCRIPTION is needed: millstream submit \"what is to be done\"").into()
            );
        }
        Ok(serde_json::to_string(&task)?)
    }
}

/// A number as it was written; what it may be, the API says.
fn seconds(text: &str) -> Result<Box<RawValue>, String> {
    serde_json::from_str::<Number>(text)
        .and_then(|_| serde_json::from_str(text))
        .map_err(|_| "a number of seconds is needed".to_owned())
}

/// A whole task, or its subtasks alone.
fn read_file(file: &Path) -> Result<Members, Failure> {
    let refusal = |why: String| Failure::new(Exit::Usage, format!("{}: {why}", file.display()));
    let stdin = file == Path::new("-");
    let text = if stdin { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    let text = text.map_err(|error| refusal(error.to_string()))?;
    let whole: Box<RawValue> =
        serde_json::from_str(&text).map_err(|error| refusal(format!("not JSON, line {}", error.line())))?;
    match whole.get().starts_with('{') {
        true => serde_json::from_str(&text).map_err(|error| refusal(error.to_string())),
        false => Ok(Members::of("subtasks", whole)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cli, Command};
    use clap::Parser;
    use serde_json::Value;

    fn text(args: &[&str]) -> anyhow::Result<String> {
        let args = ["millstream", "submit"].iter().chain(args);
        let Command::Submit(submit) = Cli::parse_from(args).command else { unreachable!("submit was parsed") };
        submit.body()
    }

    fn body(args: &[&str]) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&text(args)?)?)
    }

    #[test]
    fn the_file_is_sent_and_flags_go_over_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plan.json");
        let path = file.to_str().unwrap();
        std::fs::write(&file, r#"[{"description":"a"}]"#).unwrap();
        let list = body(&["d", "--subtasks-file", path, "--priority", "2"]).unwrap();
        assert_eq!(list, serde_json::json!({"description": "d", "priority": 2, "subtasks": [{"description": "a"}]}));
        std::fs::write(&file, r#"{"description":"d","priority":"low","context":{}}"#).unwrap();
        let whole = body(&["--subtasks-file", path, "--priority", "high"]).unwrap();
        assert_eq!(whole, serde_json::json!({"description": "d", "priority": "high", "context": {}}));
        assert_eq!(body(&["d", "--priority", "-1"]).unwrap()["priority"], -1);
        let timed = body(&["d", "--delay", "1.5", "--deadline", "60"]).unwrap();
        assert_eq!(timed, serde_json::json!({"description": "d", "delay_seconds": 1.5, "deadline_seconds": 60}));
        assert_eq!(body(&["d", "--run-at", "soon"]).unwrap()["run_at"], "soon");
    }

    #[test]
    fn what_a_file_says_is_sent_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plan.json");
        let path = file.to_str().unwrap();
        let list = r#"[{"params":{"z":12345678901234567890123,"a":1e2,"a": 1.0}}]"#;
        std::fs::write(&file, format!("{list}\n")).unwrap();
        let sent = text(&["d", "--subtasks-file", path]).unwrap();
        assert_eq!(sent, format!(r#"{{"subtasks":{list},"description":"d"}}"#));
        std::fs::write(&file, format!(r#" {{"subtasks": {list}, "priority":1e0, "description":"\u0064"}} "#)).unwrap();
        let sent = text(&["--subtasks-file", path, "--delay", "1e2"]).unwrap();
        let expect = format!(r#"{{"subtasks":{list},"priority":1e0,"description":"\u0064","delay_seconds":1e2}}"#);
        assert_eq!(sent, expect);
        std::fs::write(&file, r#"{"description":"a","description":"b"}"#).unwrap();
        let twice = text(&["--subtasks-file", path]).unwrap_err();
        assert_eq!(crate::exit::of(&twice), Exit::Usage);
        assert!(twice.to_string().contains(r#"plan.json: "description" is there twice at line 1"#), "{twice}");
    }

    #[test]
    fn a_task_needs_a_description() {
        assert_eq!(crate::exit::of(&body(&[]).unwrap_err()), Exit::Usage);
    }
}
