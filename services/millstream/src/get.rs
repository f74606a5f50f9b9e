//! `millstream get`: a task as it stands.

use crate::client::{self, Api, Task};
use crate::exit::Exit;
use crate::print::{self, clean};
use crate::settings::ClientSettings;
use clap::Args;

/// Show a task as it stands
#[derive(Debug, Args)]
pub struct Get {
    /// The id of the task
    task_id: String,
    /// Print the task as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientSettings,
}

impl Get {
    /// Asks once and prints the answer.
    pub fn run(self) -> anyhow::Result<Exit> {
        let api = Api::new(&self.client.millstream_url)?;
        client::run(async {
            let answer = api.task(&self.task_id).await?;
            let text = if self.json { answer.text + "\n" } else { shown(&answer.document) };
            print::raw(text.as_bytes());
            Ok(Exit::Ok)
        })
    }
}

fn shown(task: &Task) -> String {
    let mut text = format!(
        "{}  {}\n{}\n{} priority, {} of {} subtasks completed, created {}",
        clean(&task.task_id),
        task.status,
        clean(&task.description),
        clean(&task.priority),
        task.completed,
        task.subtasks.len(),
        clean(&task.created_at),
    );
    if let Some(at) = &task.finished_at {
        text += &format!(", finished {}", clean(at));
    }
    let count = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let row = |subtask: &client::Subtask| {
        vec![
            clean(&subtask.subtask_id),
            clean(&subtask.state()),
            count(subtask.attempt),
            count(subtask.crashes),
            clean(&subtask.kind),
            clean(&subtask.description),
        ]
    };
    let rows: Vec<_> = task.subtasks.iter().map(row).collect();
    text + "\n\n" + &print::table(&["SUBTASK", "STATUS", "ATTEMPT", "CRASHES", "KIND", "DESCRIPTION"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_shown_with_its_subtasks() {
        let task: Task = serde_json::from_str(
            r#"{"task_id":"T","description":"build\u001b it","status":"processing","priority":"low","created_at":"then",
            "total":2,"completed":1,"failed":0,"cancelled":0,"revision":3,"subtasks":[
            {"subtask_id":"T-0","kind":"k","description":"a","status":"completed","attempt":1,"crashes":0},
            {"subtask_id":"T-1","kind":"k","description":"b","status":"queued"}]}"#,
        )
        .unwrap();
        let text = shown(&task);
        assert!(text.starts_with("T  processing\nbuild  it\nlow priority, 1 of 2 subtasks completed"), "{text}");
        assert!(text.ends_with("T-1      queued     -        -        k     b\n"), "{text}");
    }
}
