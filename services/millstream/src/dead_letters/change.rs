//! `millstream dead-letters requeue` and `discard`.

use super::selection::Selection;
use crate::client::letter::{Discarded, Requeued};
use crate::client::{Answer, Api};
use crate::exit::{Exit, Failure};
use crate::print;
use clap::Args;
use serde_json::{Map, Value};

/// Give dead letters back: their subtasks run again
#[derive(Debug, Args)]
pub struct Requeue {
    #[command(flatten)]
    selection: Selection,
    /// Only say how many there are
    #[arg(long)]
    dry_run: bool,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Throw dead letters away for good
#[derive(Debug, Args)]
pub struct Discard {
    #[command(flatten)]
    selection: Selection,
    /// Only say how many there are
    #[arg(long)]
    dry_run: bool,
    /// Throw away as many as there are, without asking first
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

impl Requeue {
    /// Gives back what is meant; exit code 1 if not all of it could be.
    pub async fn run(self, api: &Api) -> anyhow::Result<Exit> {
        let mut body = self.selection.body()?;
        body.insert("dry_run".to_owned(), self.dry_run.into());
        let answer: Answer<Requeued> = post(api, "requeue", &body).await?;
        let told = &answer.document;
        let missing = self.selection.missing(told.matched);
        if missing > 0 {
            eprintln!("{missing} of the dead letters are not there");
        }
        let line = match self.dry_run {
            true => format!("{} dead letters match", told.matched),
            false => format!(
                "{} of {} dead letters requeued, {} out of date, {} cannot run, {} left",
                told.requeued, told.matched, told.gone, told.unfit, told.left
            ),
        };
        print::line(if self.json { &answer.text } else { &line });
        let done = missing == 0 && (self.dry_run || told.requeued == told.matched);
        Ok(if done { Exit::Ok } else { Exit::Failed })
    }
}

impl Discard {
    /// Throws away what is meant, if the user has agreed to it.
    pub async fn run(self, api: &Api) -> anyhow::Result<Exit> {
        let mut body = self.selection.body()?;
        body.insert("dry_run".to_owned(), true.into());
        let mut answer: Answer<Discarded> = post(api, "discard", &body).await?;
        let matched = answer.document.matched;
        if !self.dry_run && !self.yes {
            let why = format!("{matched} dead letters would be thrown away for good: --yes does it");
            return Err(Failure::new(Exit::Usage, why).into());
        }
        if self.yes {
            body.remove("dry_run");
            body.insert("confirm".to_owned(), matched.into());
            answer = post(api, "discard", &body).await?;
        }
        let line = match self.yes {
            true => format!("{} of {matched} dead letters thrown away", answer.document.discarded),
            false => format!("{matched} dead letters match"),
        };
        print::line(if self.json { &answer.text } else { &line });
        Ok(Exit::Ok)
    }
}

async fn post<T: serde::de::DeserializeOwned>(
    api: &Api,
    action: &str,
    body: &Map<String, Value>,
) -> anyhow::Result<Answer<T>> {
    Ok(api.post(&["dead-letters", action], serde_json::to_string(body)?).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cli;
    use clap::Parser;
    use serde_json::json;

    /// A command line of `discard` alone.
    #[derive(Debug, Parser)]
    struct Alone {
        #[command(flatten)]
        discard: Discard,
    }

    fn body(args: &[&str]) -> Result<Value, Exit> {
        let alone = Alone::try_parse_from(["discard"].iter().chain(args)).map_err(|_| Exit::Usage)?;
        alone.discard.selection.body().map(Value::Object).map_err(|failure| failure.exit())
    }

    #[test]
    fn letters_are_meant_by_id_by_filter_or_all_and_never_by_nothing() {
        assert_eq!(body(&["5-0", "6-0"]), Ok(json!({ "entry_ids": ["5-0", "6-0"] })));
        let filter = ["--reason", "timeout", "--kind", "k", "--task", "T"];
        assert_eq!(body(&filter), Ok(json!({ "matching": { "reason": "timeout", "kind": "k", "task_id": "T" } })));
        assert_eq!(body(&["--all"]), Ok(json!({ "matching": {} })));
        let alone = Alone::try_parse_from(["discard", "5-0", "6-0", "5-0"]).unwrap();
        assert_eq!((alone.discard.selection.missing(2), alone.discard.selection.missing(1)), (0, 1));
        for args in [&[][..], &["5-0", "--kind", "k"], &["5-0", "--all"], &["--all", "--kind", "k"]] {
            assert_eq!(body(args), Err(Exit::Usage), "{args:?}");
        }
    }

    #[test]
    fn the_api_may_be_named_behind_the_action() {
        let line = ["millstream", "dead-letters", "requeue", "--all", "--dry-run", "--millstream-url", "http://h:1"];
        assert!(Cli::try_parse_from(line).is_ok());
    }
}
