//! `millstream dead-letters list`.

use super::selection::Filter;
use crate::client::Api;
use crate::client::letter::{Letter, LetterPage};
use crate::exit::Exit;
use crate::print::{self, clean, cut};
use clap::Args;

/// Characters of an error in the table.
const ERROR_WIDTH: usize = 60;

/// List dead letters, newest first
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    filter: Filter,
    /// How many at most, 1 to 100
    #[arg(long, value_name = "LETTERS", default_value = "50")]
    limit: u64,
    /// Where to go on: what the page before ended with
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Print the page as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    /// Asks for one page and prints it.
    pub async fn run(self, api: &Api) -> anyhow::Result<Exit> {
        let mut query = self.filter.pairs();
        query.push(("limit", self.limit.to_string()));
        query.extend(self.cursor.map(|cursor| ("cursor", cursor)));
        let answer = api.read::<LetterPage>(&["dead-letters"], &query).await?;
        let page = &answer.document;
        if self.json {
            print::line(&answer.text);
            return Ok(Exit::Ok);
        }
        print::raw(shown(page).as_bytes());
        if let Some(cursor) = &page.next_cursor {
            eprintln!("--cursor {} goes on", clean(cursor));
        }
        Ok(Exit::Ok)
    }
}

fn shown(page: &LetterPage) -> String {
    let or_dash = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), clean);
    let row = |letter: &Letter| {
        vec![
            clean(&letter.entry_id),
            clean(&letter.buried_at),
            clean(&letter.reason),
            or_dash(&letter.kind),
            or_dash(&letter.subtask_id),
            cut(&clean(&letter.error), ERROR_WIDTH),
        ]
    };
    let rows: Vec<_> = page.dead_letters.iter().map(row).collect();
    let table = print::table(&["ENTRY ID", "BURIED AT", "REASON", "KIND", "SUBTASK", "ERROR"], &rows);
    let trimmed = match page.trimmed {
        0 => String::new(),
        trimmed => format!("; {trimmed} were trimmed away"),
    };
    format!("{table}\n{} of {} dead letters{trimmed}\n", rows.len(), page.total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_shown_as_a_table_with_its_total() {
        let page = serde_json::from_str(
            r#"{"dead_letters":[{"entry_id":"5-0","buried_at":"then","reason":"broken","error":"e\u001b","worker":"w",
            "source":"events 1-0"}],"total":7,"trimmed":2}"#,
        )
        .unwrap();
        let text = shown(&page);
        assert!(text.contains("5-0       then       broken  -     -        e\n"), "{text}");
        assert!(text.ends_with("\n1 of 7 dead letters; 2 were trimmed away\n"), "{text}");
    }
}
