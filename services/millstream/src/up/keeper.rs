//! Keeps one process alive: starts it, repeats its lines, starts it again when it dies, ends it in good order.

use super::output::Voice;
use crate::exit::{Exit, Failure};
use crate::process::{self, Spec};
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The pause before the first new start; it doubles with each that follows.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Whoever lived this long starts anew at the shortest pause.
const SETTLED_AFTER: Duration = Duration::from_secs(10);
/// Last lines of a dead process come within this.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What keepers of one kind have in common.
#[derive(Clone)]
pub struct Keeper {
    /// Ends the processes in good order.
    pub stop: CancellationToken,
    /// Ends them at once.
    pub kill: CancellationToken,
    /// How long a good order may take.
    pub patience: Duration,
    /// Takes what no new start can mend.
    pub hopeless: mpsc::Sender<Failure>,
}

/// A process that runs, and the tasks that repeat its lines.
pub struct Running {
    /// The process.
    pub child: Child,
    lines: Vec<JoinHandle<()>>,
}

/// Starts `spec` once.
pub fn start(spec: &Spec, voice: &Voice) -> io::Result<Running> {
    let mut child = spec.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut lines: Vec<JoinHandle<()>> = Vec::new();
    lines.extend(child.stdout.take().map(|pipe| voice.repeat(pipe)));
    lines.extend(child.stderr.take().map(|pipe| voice.repeat(pipe)));
    Ok(Running { child, lines })
}

impl Running {
    /// Waits until everything that the dead process said is repeated.
    async fn last_words(self) {
        for lines in self.lines {
            let _ = tokio::time::timeout(LAST_WORDS, lines).await;
        }
    }
}

impl Keeper {
    /// Keeps `spec` alive, from `first` on if it runs already, until told to stop; returns when it has ended.
    pub async fn keep(self, spec: Spec, voice: Voice, first: Option<Running>) {
        let mut pause = PAUSE_MIN;
        let mut next = first;
        while !self.stop.is_cancelled() {
            let born = Instant::now();
            let running = match next.take() {
                Some(running) => Ok(running),
                None => start(&spec, &voice),
            };
            let how = match running {
                Ok(running) => match self.watch(running).await {
                    Some(status) => status.to_string(),
                    None => return,
                },
                Err(error) => format!("cannot be started: {error}"),
            };
            if born.elapsed() >= SETTLED_AFTER {
                pause = PAUSE_MIN;
            }
            voice.say(&format!("ended ({how}); starting it again in {} ms", pause.as_millis()));
            self.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Waits for the end of a process; answers how it ended if nobody wanted it to.
    async fn watch(&self, mut running: Running) -> Option<ExitStatus> {
        let ended = tokio::select! {
            status = running.child.wait() => status.ok(),
            _ = self.stop.cancelled() => {
                process::end(&mut running.child, self.patience, self.kill.cancelled()).await;
                None
            }
        };
        running.last_words().await;
        let status = ended?;
        if status.code() == Some(Exit::Usage as i32) {
            // A setting that it refused now, it refuses again.
            let why = "a part of the system refuses its settings; its last line says which";
            let _ = self.hopeless.try_send(Failure::new(Exit::Usage, why));
            return None;
        }
        Some(status)
    }
}
