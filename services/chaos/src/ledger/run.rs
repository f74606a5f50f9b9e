//! The execution log: a line before and one after each run of a handler, written by the worker's process.
//!
//! `S <ms> <pid> <worker> <task> <index> <attempt> <crashes> <fence> <seq>` when it starts and `E <ms> <pid> <task>
//! <index> <fence> <end>` when it ends; `W <from> <to> <pid> <worker>` when the process got no time. A run without an
//! end was killed.

use crate::clock::Moment;
use std::collections::HashMap;

/// The fencing token of a run: the two numbers of its entry id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u64, pub u64);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The handler answered.
    Done,
    /// It asked for another attempt.
    Retry,
    /// It gave up for good.
    Fatal,
    /// The effect sink knew of a later run.
    Refused,
    /// It was dropped at an await: cancelled, or its worker had lost the lease or had to stop.
    Dropped,
}

/// One run of a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The task.
    pub task_id: String,
    /// The place in its plan.
    pub index: u32,
    /// From 1, counts failures.
    pub attempt: u32,
    /// Workers that died with it before.
    pub crashes: u32,
    /// Its right to write.
    pub fence: Fence,
    /// The submission that it says it belongs to.
    pub seq: u64,
    /// The process that ran it.
    pub pid: u32,
    /// The worker that the process was.
    pub worker: String,
    /// When it started.
    pub from: Moment,
    /// When it ended and how; `None` if its process was killed first.
    pub end: Option<(Moment, End)>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A start.
    Start(Run),
    /// An end.
    End {
        /// The process.
        pid: u32,
        /// The run.
        fence: Fence,
        /// The subtask, because two streams may give the same fence.
        subtask: (String, u32),
        /// When.
        at: Moment,
        /// How.
        end: End,
    },
    /// The process got no time: written when it had some again.
    Starved {
        /// The process.
        pid: u32,
        /// The worker that it was.
        worker: String,
        /// From when.
        from: Moment,
        /// Until when.
        to: Moment,
    },
}

impl Fence {
    /// Reads `ms-seq`.
    pub fn read(text: &str) -> Option<Self> {
        let (ms, seq) = text.split_once('-')?;
        Some(Self(ms.parse().ok()?, seq.parse().ok()?))
    }
}

impl std::fmt::Display for Fence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl End {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Done, "done"),
        (Self::Retry, "retry"),
        (Self::Fatal, "fatal"),
        (Self::Refused, "refused"),
        (Self::Dropped, "dropped"),
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(end, _)| *end == self).map_or("", |(_, word)| word)
    }

    fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == word).map(|(end, _)| end)
    }
}

impl Line {
    /// The line as it is appended.
    pub fn encode(&self) -> String {
        match self {
            Self::Start(Run { task_id, index, attempt, crashes, fence, seq, pid, worker, from, .. }) => {
                format!("S {from} {pid} {worker} {task_id} {index} {attempt} {crashes} {fence} {seq}")
            }
            Self::End { pid, fence, subtask: (task_id, index), at, end } => {
                format!("E {at} {pid} {task_id} {index} {fence} {}", end.as_str())
            }
            Self::Starved { pid, worker, from, to } => format!("W {from} {to} {pid} {worker}"),
        }
    }

    /// Reads one line.
    pub fn decode(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["S", from, pid, worker, task_id, index, attempt, crashes, fence, seq] => Some(Self::Start(Run {
                task_id: task_id.to_owned(),
                index: index.parse().ok()?,
                attempt: attempt.parse().ok()?,
                crashes: crashes.parse().ok()?,
                fence: Fence::read(fence)?,
                seq: seq.parse().ok()?,
                pid: pid.parse().ok()?,
                worker: worker.to_owned(),
                from: from.parse().ok()?,
                end: None,
            })),
            ["E", at, pid, task_id, index, fence, end] => Some(Self::End {
                pid: pid.parse().ok()?,
                fence: Fence::read(fence)?,
                subtask: (task_id.to_owned(), index.parse().ok()?),
                at: at.parse().ok()?,
                end: End::read(end)?,
            }),
            ["W", from, to, pid, worker] => Some(Self::Starved {
                pid: pid.parse().ok()?,
                worker: worker.to_owned(),
                from: from.parse().ok()?,
                to: to.parse().ok()?,
            }),
            _ => None,
        }
    }
}

/// Joins ends to their starts; the first end of a run holds.
pub fn join(lines: Vec<Line>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut open: HashMap<(u32, String, u32, Fence), usize> = HashMap::new();
    for line in lines {
        match line {
            Line::Start(run) => {
                open.insert((run.pid, run.task_id.clone(), run.index, run.fence), runs.len());
                runs.push(run);
            }
            Line::End { pid, fence, subtask: (task_id, index), at, end } => {
                let run = open.get(&(pid, task_id, index, fence)).and_then(|&at| runs.get_mut(at));
                if let Some(run) = run.filter(|run| run.end.is_none()) {
                    run.end = Some((at, end));
                }
            }
            Line::Starved { .. } => {}
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back_and_ends_meet_their_starts() {
        let start = "S 10 77 worker-1 01TASK 3 1 0 500-2 42";
        let end = "E 15 77 01TASK 3 500-2 done";
        for line in [start, end, "W 10 300 77 worker-1"] {
            assert_eq!(Line::decode(line).unwrap().encode(), line);
        }
        assert_eq!(Line::decode("S 10 77"), None);
        assert_eq!(Line::decode("E 15 77 01TASK 3 500-2 nonsense"), None);
        let other = "S 11 78 worker-2 01TASK 3 1 1 600-0 42";
        let runs = join([start, other, end].iter().map(|line| Line::decode(line).unwrap()).collect());
        assert_eq!(runs[0].end, Some((15, End::Done)));
        assert_eq!(runs[1].end, None);
        assert!(runs[0].fence < runs[1].fence);
    }
}
