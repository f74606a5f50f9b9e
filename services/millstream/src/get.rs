//! `millstream get`: a task as it stands.

use crate::client::{self, Api, Subtask, Task};
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
        let api = Api::new(&self.client)?;
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
        "{}  {}\n{}\n{} priority, {} of {} subtasks completed, {} failed, {} cancelled\ncreated {}",
        clean(&task.task_id),
        task.status,
        clean(&task.description),
        clean(&task.priority),
        task.completed,
        task.subtasks.len(),
        task.failed,
        task.cancelled,
        clean(&task.created_at),
    );
    let times = [("not before", &task.run_at), ("deadline", &task.deadline_at), ("finished", &task.finished_at)];
    for (name, at) in times {
        text.extend(at.as_deref().map(|at| format!(", {name} {}", clean(at))));
    }
    text + "\n\n" + &plan(&task.subtasks)
}

/// A row for each subtask; how often they were run again only if one was.
fn plan(subtasks: &[Subtask]) -> String {
    let count = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let mut columns: Vec<(&str, Vec<String>)> = Vec::new();
    let mut add = |head, cell: &dyn Fn(&Subtask) -> String| columns.push((head, subtasks.iter().map(cell).collect()));
    add("SUBTASK", &|it| clean(&it.subtask_id));
    add("NAME", &|it| it.name.as_deref().map_or_else(|| "-".to_owned(), clean));
    add("STATUS", &|it| clean(&it.state()));
    if subtasks.iter().any(|it| it.generation > Some(0)) {
        add("GENERATION", &|it| it.generation.unwrap_or(0).to_string());
    }
    add("ATTEMPT", &|it| count(it.attempt));
    add("CRASHES", &|it| count(it.crashes));
    add("KIND", &|it| clean(&it.kind));
    add("DESCRIPTION", &|it| clean(&it.description));
    let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    let row = |at: usize| columns.iter().map(|(_, cells)| cells[at].clone()).collect();
    let rows: Vec<Vec<String>> = (0..subtasks.len()).map(row).collect();
    print::table(&heads, &rows)
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
            {"subtask_id":"T-1","name":"7","kind":"k","description":"b","status":"queued"}]}"#,
        )
        .unwrap();
        let expect = "T  processing\nbuild  it\nlow priority, 1 of 2 subtasks completed, 0 failed, 0 cancelled\n\
            created then\n\n\
            SUBTASK  NAME  STATUS     ATTEMPT  CRASHES  KIND  DESCRIPTION\n\
            T-0      -     completed  1        0        k     a\n\
            T-1      7     queued     -        -        k     b\n";
        assert_eq!(shown(&task), expect);
    }

    #[test]
    fn times_and_generations_are_shown_where_there_are_any() {
        let task: Task = serde_json::from_str(
            r#"{"task_id":"T","description":"d","status":"failed","priority":"low","created_at":"t0","run_at":"t1",
            "deadline_at":"t3","finished_at":"t2","completed":0,"failed":1,"cancelled":1,"subtasks":[
            {"subtask_id":"T-0","kind":"k","description":"a","status":"failed","attempt":1,"crashes":0,"generation":2},
            {"subtask_id":"T-1","kind":"k","description":"b","status":"cancelled","reason":"parent"}]}"#,
        )
        .unwrap();
        let text = shown(&task);
        assert!(text.contains("\nlow priority, 0 of 2 subtasks completed, 1 failed, 1 cancelled\n"), "{text}");
        assert!(text.contains("\ncreated t0, not before t1, deadline t3, finished t2\n"), "{text}");
        let table = "SUBTASK  NAME  STATUS              GENERATION  ATTEMPT  CRASHES  KIND  DESCRIPTION\n\
            T-0      -     failed              2           1        0        k     a\n\
            T-1      -     cancelled (parent)  0           -        -        k     b\n";
        assert!(text.ends_with(table), "{text}");
    }
}
