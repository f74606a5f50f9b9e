//! `millstream submit`: hands in a task.

use crate::client::{self, Api};
use crate::exit::{Exit, Failure};
use crate::print;
use crate::settings::ClientSettings;
use crate::watch;
use clap::Args;
use serde_json::{Map, Number, Value};
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
    delay: Option<Number>,
    /// When it may start, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    run_at: Option<String>,
    /// Seconds from then until whatever of it has not ended is cancelled
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    deadline: Option<Number>,
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
        let api = Api::new(&self.client.millstream_url)?;
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

    /// What is sent: the file, and over it what the flags say.
    fn body(&self) -> anyhow::Result<String> {
        let mut task = match self.subtasks_file.as_deref().map(read_json).transpose()? {
            None => Map::new(),
            Some(Value::Object(task)) => task,
            Some(subtasks) => Map::from_iter([("subtasks".to_owned(), subtasks)]),
        };
        if let Some(description) = &self.description {
            task.insert("description".to_owned(), description.as_str().into());
        }
        if let Some(priority) = &self.priority {
            let number = priority.parse::<i64>().map(Value::from);
            task.insert("priority".to_owned(), number.unwrap_or_else(|_| priority.as_str().into()));
        }
        task.extend(self.delay.clone().map(|seconds| ("delay_seconds".to_owned(), seconds.into())));
        task.extend(self.run_at.clone().map(|time| ("run_at".to_owned(), time.into())));
        task.extend(self.deadline.clone().map(|seconds| ("deadline_seconds".to_owned(), seconds.into())));
        if !task.contains_key("description") {
            return Err(
                Failure::new(Exit::Usage, "a DESCRIPTION is needed: millstream submit \"what is to be done\"").into()
            );
        }
        Ok(serde_json::to_string(&task)?)
    }
}

/// A number as JSON writes it; what it may be, the API says.
fn seconds(text: &str) -> Result<Number, String> {
    serde_json::from_str(text).map_err(|_| "a number of seconds is needed".to_owned())
}

fn read_json(file: &Path) -> Result<Value, Failure> {
    let refusal = |why: String| Failure::new(Exit::Usage, format!("{}: {why}", file.display()));
    let stdin = file == Path::new("-");
    let text = if stdin { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    let text = text.map_err(|error| refusal(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| refusal(format!("not JSON, line {}", error.line())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cli, Command};
    use clap::Parser;

    fn body(args: &[&str]) -> anyhow::Result<Value> {
        let args = ["millstream", "submit"].iter().chain(args);
        let Command::Submit(submit) = Cli::parse_from(args).command else { unreachable!("submit was parsed") };
        Ok(serde_json::from_str(&submit.body()?)?)
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
    fn a_task_needs_a_description() {
        assert_eq!(crate::exit::of(&body(&[]).unwrap_err()), Exit::Usage);
    }
}
