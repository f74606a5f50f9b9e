//! `millstream watch`: the progress of a task until it has ended.
//!
//! It asks again after 100 ms to 1 s, longer while nothing changes, and bridges half a minute without the API.

use crate::client::{self, Answer, Api, Task};
use crate::exit::{Exit, Failure};
use crate::print::{self, clean, cut};
use crate::settings::ClientSettings;
use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use proto_schemas::SubtaskStatus;
use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);
const GONE_MAX: Duration = Duration::from_secs(30);
/// More subtasks than this are shown by the bar alone.
const LINES_MAX: usize = 20;

/// Show the progress of a task until it has ended, and end as it does
#[derive(Debug, Args)]
pub struct Watch {
    /// The id of the task
    task_id: String,
    /// Print nothing until it has ended, then the task as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientSettings,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A bar on a terminal, lines elsewhere.
    Progress,
    /// The document at the end.
    Json,
    /// Not at all.
    Silent,
}

impl Watch {
    /// Watches until the task has ended.
    pub fn run(self) -> anyhow::Result<Exit> {
        let api = Api::new(&self.client)?;
        let style = if self.json { Style::Json } else { Style::Progress };
        client::run(until_ended(&api, &self.task_id, style))
    }
}

/// Shows a task until it has ended; answers how it did.
pub async fn until_ended(api: &Api, task_id: &str, style: Style) -> anyhow::Result<Exit> {
    let mut screen = Screen::of(style);
    let (mut pause, mut last, mut seen_at) = (PAUSE_MIN, String::new(), None);
    loop {
        match api.task(task_id).await {
            Ok(answer) => {
                seen_at = Some(Instant::now());
                pause = if answer.text == last { (pause * 3 / 2).min(PAUSE_MAX) } else { PAUSE_MIN };
                screen.show(&answer.document);
                if answer.document.status.is_terminal() {
                    return Ok(finish(screen, style, &answer));
                }
                last = answer.text;
            }
            Err(failure) if may_come_back(&failure, seen_at) => pause = (pause * 2).min(PAUSE_MAX),
            Err(failure) => return Err(failure.into()),
        }
        tokio::time::sleep(pause).await;
    }
}

/// Whether the API is gone that was there a moment ago.
fn may_come_back(failure: &Failure, seen_at: Option<Instant>) -> bool {
    failure.exit() == Exit::Unreachable && seen_at.is_some_and(|at| at.elapsed() < GONE_MAX)
}

fn finish(screen: Screen, style: Style, answer: &Answer) -> Exit {
    screen.close();
    if style == Style::Json {
        print::line(&answer.text);
    }
    answer.document.exit()
}

/// Where progress is shown.
enum Screen {
    Bars { all: MultiProgress, bar: ProgressBar, lines: Vec<ProgressBar> },
    Lines { known: HashMap<String, String> },
    Nothing,
}

impl Screen {
    fn of(style: Style) -> Self {
        match style {
            Style::Json | Style::Silent => Self::Nothing,
            Style::Progress if std::io::stderr().is_terminal() && print::is_terminal() => {
                let all = MultiProgress::new();
                let bar = all.add(ProgressBar::new(1));
                bar.set_style(style_of("{prefix} [{bar:30}] {pos}/{len} {msg} {elapsed}").progress_chars("=> "));
                bar.enable_steady_tick(Duration::from_millis(250));
                Self::Bars { all, bar, lines: Vec::new() }
            }
            Style::Progress => Self::Lines { known: HashMap::new() },
        }
    }

    fn show(&mut self, task: &Task) {
        match self {
            Self::Bars { all, bar, lines } => {
                bar.set_length(task.subtasks.len() as u64);
                bar.set_position(task.ended());
                bar.set_prefix(clean(&task.task_id));
                bar.set_message(task.status.to_string());
                if task.subtasks.len() > LINES_MAX {
                    return;
                }
                for subtask in &task.subtasks[lines.len()..] {
                    let line = all.add(ProgressBar::new_spinner());
                    line.set_style(style_of("  {msg}"));
                    line.set_prefix(clean(&subtask.subtask_id));
                    lines.push(line);
                }
                for (line, subtask) in lines.iter().zip(&task.subtasks) {
                    let text = format!("{} {:<20} {}", mark(subtask.status), subtask.state(), subtask.description);
                    line.set_message(cut(&clean(&text), 100));
                }
            }
            Self::Lines { known } => {
                for subtask in &task.subtasks {
                    let (id, state) = (&subtask.subtask_id, subtask.state());
                    if known.insert(id.clone(), state.clone()).as_ref() != Some(&state) {
                        print::line(&clean(&format!("{id} {state} {}", subtask.description)));
                    }
                }
                let state = format!("{} {} of {}", task.status, task.ended(), task.subtasks.len());
                if known.insert(task.task_id.clone(), state.clone()).as_ref() != Some(&state) {
                    print::line(&clean(&format!("{} {state}", task.task_id)));
                }
            }
            Self::Nothing => {}
        }
    }

    /// Leaves what was shown last on the screen.
    fn close(self) {
        if let Self::Bars { bar, lines, .. } = self {
            lines.iter().for_each(ProgressBar::abandon);
            bar.abandon();
        }
    }
}

fn style_of(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates of this file are well formed")
}

fn mark(status: SubtaskStatus) -> char {
    match status {
        SubtaskStatus::Blocked | SubtaskStatus::Queued | SubtaskStatus::Delayed => '·',
        SubtaskStatus::Running => '>',
        SubtaskStatus::Completed => '✓',
        SubtaskStatus::Failed => '✗',
        SubtaskStatus::Cancelled => '-',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_that_went_away_is_waited_for_and_a_task_that_is_not_there_is_not() {
        let gone = Failure::new(Exit::Unreachable, "gone");
        assert!(may_come_back(&gone, Some(Instant::now())));
        assert!(!may_come_back(&gone, None));
        assert!(!may_come_back(&gone, Instant::now().checked_sub(GONE_MAX)));
        assert!(!may_come_back(&Failure::new(Exit::NotFound, "no"), Some(Instant::now())));
    }
}
