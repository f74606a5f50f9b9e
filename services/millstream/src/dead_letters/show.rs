//! `millstream dead-letters show`.

use crate::client::Api;
use crate::client::letter::{Attempt, LetterWhole};
use crate::exit::Exit;
use crate::print::{self, clean};
use clap::Args;

/// Show all of a dead letter
#[derive(Debug, Args)]
pub struct Show {
    /// The id of the dead letter
    entry_id: String,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    /// Asks once and prints the answer.
    pub async fn run(self, api: &Api) -> anyhow::Result<Exit> {
        let answer = api.read::<LetterWhole>(&["dead-letters", &self.entry_id], &[]).await?;
        let text = if self.json { answer.text + "\n" } else { shown(&answer.document) };
        print::raw(text.as_bytes());
        Ok(Exit::Ok)
    }
}

fn shown(whole: &LetterWhole) -> String {
    let letter = &whole.letter;
    let task = if whole.task_exists { "its task is there" } else { "it belongs to no task" };
    let mut text = format!(
        "{}  {}\n{}\nburied {} by {}, from {}; {task}\n\n",
        clean(&letter.entry_id),
        clean(&letter.reason),
        clean(&letter.error),
        clean(&letter.buried_at),
        clean(&letter.worker),
        clean(&letter.source),
    );
    let mut rows: Vec<_> = whole.fields.iter().map(|field| vec![clean(&field.name), clean(&field.value)]).collect();
    rows.extend(whole.payload.as_ref().map(|payload| vec!["payload".to_owned(), clean(payload.get())]));
    text += &print::table(&["FIELD", "VALUE"], &rows);
    if whole.history.is_empty() {
        return text;
    }
    let row = |attempt: &Attempt| {
        vec![
            attempt.attempt.to_string(),
            attempt.crashes.to_string(),
            clean(&attempt.fact),
            clean(&attempt.at),
            clean(&attempt.worker),
            attempt.reason.as_deref().map_or_else(|| "-".to_owned(), clean),
        ]
    };
    let rows: Vec<_> = whole.history.iter().map(row).collect();
    text + "\n" + &print::table(&["ATTEMPT", "CRASHES", "BECAME", "AT", "WORKER", "REASON"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_shown_with_its_fields_and_its_history() {
        let whole = serde_json::from_str(
            r#"{"letter":{"entry_id":"5-0","buried_at":"then","reason":"broken","error":"e","worker":"w","source":"s 1-0"},
            "payload":{"n": 1.0},"fields":[{"name":"task_id","value":"T"}],"task_exists":false,
            "history":[{"attempt":1,"crashes":0,"fact":"retrying","at":"before","worker":"w2"}]}"#,
        )
        .unwrap();
        let text = shown(&whole);
        assert!(text.starts_with("5-0  broken\ne\nburied then by w, from s 1-0; it belongs to no task\n"), "{text}");
        assert!(text.contains("payload  {\"n\": 1.0}\n"), "{text}");
        assert!(text.ends_with("1        0        retrying  before  w2      -\n"), "{text}");
    }
}
