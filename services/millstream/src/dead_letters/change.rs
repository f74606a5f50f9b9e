//! `millstream dead-letters requeue` and `discard`.

use super::selection::Selection;
use crate::client::Api;
use crate::client::letter::{Discarded, Requeued};
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
    /// Throws away what is meant, if the user has agreed to it; exit code 1 if not all of it was there to the end.
    pub async fn run(self, api: &Api) -> anyhow::Result<Exit> {
        let mut told = self.look(api).await?;
        if !self.dry_run && !self.yes {
            let why = format!("{} dead letters would be thrown away for good: --yes does it", told.matched);
            return Err(Failure::new(Exit::Usage, why).into());
        }
        let asked = if self.yes { self.throw_away(api, &mut told).await } else { Ok(()) };
        let line = match self.yes {
            true => format!("{} of {} dead letters thrown away", told.discarded, told.matched),
            false => format!("{} dead letters match", told.matched),
        };
        if asked.is_ok() || told.discarded > 0 {
            print::line(&if self.json { serde_json::to_string(&told)? } else { line }); // also what was done before it failed
        }
        asked?;
        let missing = self.selection.tell_missing(told.matched);
        let done = missing == 0 && (self.dry_run || told.discarded == told.matched);
        Ok(if done { Exit::Ok } else { Exit::Failed })
    }

    /// How many there are, and the newest of all.
    async fn look(&self, api: &Api) -> anyhow::Result<Discarded> {
        let mut body = self.selection.body()?;
        body.insert("dry_run".to_owned(), true.into());
        let mut seen = Discarded::default();
        loop {
            let next: Discarded = post(api, "discard", &body).await?;
            seen.matched += next.matched;
            seen.newest = seen.newest.or(next.newest);
            let Some(cursor) = next.next_cursor else { return Ok(seen) };
            body.insert("cursor".to_owned(), cursor.into());
        }
    }

    /// Throws away what was seen, and nothing else.
    async fn throw_away(&self, api: &Api, told: &mut Discarded) -> anyhow::Result<()> {
        let mut body = self.selection.body()?;
        body.extend(told.newest.clone().map(|newest| ("until".to_owned(), newest.into())));
        told.left = told.matched;
        while told.left > 0 {
            body.insert("confirm".to_owned(), told.left.into());
            let next: Discarded = post(api, "discard", &body).await?;
            told.discarded += next.discarded;
            told.left = next.left;
            let Some(cursor) = next.next_cursor else { return Ok(()) };
            body.insert("cursor".to_owned(), cursor.into());
        }
        Ok(())
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

    #[tokio::test]
    async fn discard_throws_away_what_its_dry_run_has_seen_and_says_if_less_went() {
        let api = Script::of(&[
            r#"{"matched":3,"discarded":0,"left":0,"newest":"9-0","next_cursor":"7-0"}"#,
            r#"{"matched":2,"discarded":0,"left":0,"newest":"6-0"}"#,
            r#"{"matched":4,"discarded":3,"left":1,"newest":"9-0","next_cursor":"6-0"}"#,
            r#"{"matched":1,"discarded":1,"left":0,"newest":"5-0"}"#,
        ]);
        let discard = Alone::parse_from(["discard", "--all", "--yes"]).action;
        assert_eq!(discard.run(&api.client()).await.unwrap(), Exit::Failed, "4 of 5 went");
        let dry = json!({ "matching": {}, "dry_run": true });
        assert_eq!(
            api.asked(),
            [
                dry,
                json!({ "matching": {}, "dry_run": true, "cursor": "7-0" }),
                json!({ "matching": {}, "confirm": 5, "until": "9-0" }),
                json!({ "matching": {}, "confirm": 1, "until": "9-0", "cursor": "6-0" }),
            ]
        );
    }

    #[tokio::test]
    async fn discard_of_a_letter_that_is_not_there_has_failed() {
        let there = r#"{"matched":1,"discarded":0,"left":0}"#;
        let gone = r#"{"matched":1,"discarded":1,"left":0}"#;
        for (answers, args, expect) in [
            (&[there, gone][..], &["5-0", "--yes"][..], Exit::Ok),
            (&[there, gone], &["5-0", "6-0", "--yes"], Exit::Failed),
            (&[there], &["5-0", "6-0", "--dry-run"], Exit::Failed),
            (&[r#"{"matched":0,"discarded":0,"left":0}"#], &["5-0", "--yes"], Exit::Failed),
            (&[r#"{"matched":0,"discarded":0,"left":0}"#], &["--all", "--yes"], Exit::Ok),
        ] {
            let api = Script::of(answers);
            let discard = Alone::parse_from(["discard"].iter().chain(args)).action;
            assert_eq!(discard.run(&api.client()).await.unwrap(), expect, "{args:?}");
            assert_eq!(api.asked().len(), answers.len());
        }
    }

    #[test]
    fn the_api_may_be_named_behind_the_action() {
        let line = ["millstream", "dead-letters", "requeue", "--all", "--dry-run", "--millstream-url", "http://h:1"];
        assert!(Cli::try_parse_from(line).is_ok());
    }
}
