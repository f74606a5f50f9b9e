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
        let mut told = Requeued::default();
        let asked = self.ask(api, &mut told).await;
        let line = match self.dry_run {
            true => format!("{} dead letters match", told.matched),
            false => format!(
                "{} of {} dead letters requeued, {} out of date, {} cannot run, {} left",
                told.requeued, told.matched, told.gone, told.unfit, told.left
            ),
        };
        if asked.is_ok() || told.matched > 0 {
            print::line(&if self.json { serde_json::to_string(&told)? } else { line }); // also what was done before it failed
        }
        asked?;
        let missing = self.selection.tell_missing(told.matched);
        let done = missing == 0 && (self.dry_run || told.requeued == told.matched);
        Ok(if done { Exit::Ok } else { Exit::Failed })
    }

    /// Asks until there is nowhere to go on.
    async fn ask(&self, api: &Api, told: &mut Requeued) -> anyhow::Result<()> {
        let mut body = self.selection.body()?;
        body.insert("dry_run".to_owned(), self.dry_run.into());
        loop {
            told.add(post(api, "requeue", &body).await?);
            let Some(cursor) = &told.next_cursor else { return Ok(()) };
            body.insert("cursor".to_owned(), cursor.as_str().into());
        }
    }
}

impl Discard {
    /// Throws away what is meant, if the user has agreed to it.
    pub async fn run(self, api: &Api) -> anyhow::Result<Exit> {
        let mut body = self.selection.body()?;
        body.insert("dry_run".to_owned(), true.into());
        let mut answer: Answer<Discarded> =
            api.post(&["dead-letters", "discard"], serde_json::to_string(&body)?).await?;
        let matched = answer.document.matched;
        if !self.dry_run && !self.yes {
            let why = format!("{matched} dead letters would be thrown away for good: --yes does it");
            return Err(Failure::new(Exit::Usage, why).into());
        }
        if self.yes {
            body.remove("dry_run");
            body.insert("confirm".to_owned(), matched.into());
            answer = api.post(&["dead-letters", "discard"], serde_json::to_string(&body)?).await?;
        }
        let line = match self.yes {
            true => format!("{} of {matched} dead letters thrown away", answer.document.discarded),
            false => format!("{matched} dead letters match"),
        };
        print::line(if self.json { &answer.text } else { &line });
        Ok(Exit::Ok)
    }
}

async fn post<T: serde::de::DeserializeOwned>(api: &Api, action: &str, body: &Map<String, Value>) -> anyhow::Result<T> {
    Ok(api.post(&["dead-letters", action], serde_json::to_string(body)?).await?.document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cli;
    use crate::client::script::Script;
    use clap::Parser;
    use serde_json::json;

    /// A command line of one action alone.
    #[derive(Debug, Parser)]
    struct Parsed<A: Args> {
        #[command(flatten)]
        action: A,
    }

    type Alone = Parsed<Discard>;

    fn body(args: &[&str]) -> Result<Value, Exit> {
        let alone = Alone::try_parse_from(["discard"].iter().chain(args)).map_err(|_| Exit::Usage)?;
        alone.action.selection.body().map(Value::Object).map_err(|failure| failure.exit())
    }

    #[test]
    fn letters_are_meant_by_id_by_filter_or_all_and_never_by_nothing() {
        assert_eq!(body(&["5-0", "6-0"]), Ok(json!({ "entry_ids": ["5-0", "6-0"] })));
        let filter = ["--reason", "timeout", "--kind", "k", "--task", "T"];
        assert_eq!(body(&filter), Ok(json!({ "matching": { "reason": "timeout", "kind": "k", "task_id": "T" } })));
        assert_eq!(body(&["--all"]), Ok(json!({ "matching": {} })));
        let alone = Alone::try_parse_from(["discard", "5-0", "6-0", "5-0"]).unwrap();
        assert_eq!((alone.action.selection.missing(2), alone.action.selection.missing(1)), (0, 1));
        for args in [&[][..], &["5-0", "--kind", "k"], &["5-0", "--all"], &["--all", "--kind", "k"]] {
            assert_eq!(body(args), Err(Exit::Usage), "{args:?}");
        }
    }

    #[tokio::test]
    async fn requeue_follows_the_cursor_to_the_end() {
        let api = Script::of(&[
            r#"{"matched":4,"requeued":1,"gone":0,"unfit":1,"left":2,"next_cursor":"7-0"}"#,
            r#"{"matched":3,"requeued":2,"gone":1,"unfit":0,"left":0}"#,
        ]);
        let mut told = Requeued::default();
        let requeue = Parsed::<Requeue>::parse_from(["requeue", "--all"]).action;
        requeue.ask(&api.client(), &mut told).await.unwrap();
        let expect = r#"{"matched":5,"requeued":3,"gone":1,"unfit":1,"left":0}"#;
        assert_eq!(serde_json::to_string(&told).unwrap(), expect);
        let asked = api.asked();
        assert_eq!(asked[0], json!({ "matching": {}, "dry_run": false }));
        assert_eq!(asked[1], json!({ "matching": {}, "dry_run": false, "cursor": "7-0" }));
    }

    #[test]
    fn the_api_may_be_named_behind_the_action() {
        let line = ["millstream", "dead-letters", "requeue", "--all", "--dry-run", "--millstream-url", "http://h:1"];
        assert!(Cli::try_parse_from(line).is_ok());
    }
}
