//! `chaos sink`: the outside world. It keeps for each effect the greatest fence it has seen, and refuses what comes
//! late; the pattern that Millstream asks of whoever needs an effect once.
//!
//! A run opens its effect before it works and applies it after. One request a connection:
//! `open|apply <task> <index> <fence>`, answered by a word. What was answered stands in the log.

use crate::clock::now;
use crate::error::{ChaosError, io};
use crate::ledger::Lines;
use crate::ledger::effect::{Answer, Effect};
use crate::ledger::run::Fence;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

/// The socket, in the folder of the run.
pub const SOCKET: &str = "sink.socket";
/// The log, in the folder of the run.
pub const LEDGER: &str = "effects.ledger";
const REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// What is known of one effect.
struct Known {
    greatest: Fence,
    applied: Option<Fence>,
}

/// Serves in the current directory until it is killed.
pub fn serve() -> Result<(), ChaosError> {
    let _ = std::fs::remove_file(SOCKET);
    let listener = UnixListener::bind(SOCKET).map_err(io("binding the socket of the sink"))?;
    let ledger = Lines::open(Path::new(LEDGER))?;
    let mut effects = HashMap::new();
    for stream in listener.incoming() {
        let served = stream.and_then(|stream| answer(stream, &mut effects, &ledger));
        if let Err(error) = served {
            eprintln!("a request was not answered: {error}");
        }
    }
    Ok(())
}

/// Asks the sink in `folder`; blocks for a moment. `verb` is `open` or `apply`.
pub fn ask(folder: &Path, verb: &str, subtask: (&str, u32), fence: Fence) -> std::io::Result<Option<Answer>> {
    let mut stream = UnixStream::connect(folder.join(SOCKET))?;
    stream.set_read_timeout(Some(REQUEST_WITHIN))?;
    stream.write_all(format!("{verb} {} {} {fence}", subtask.0, subtask.1).as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut word = String::new();
    stream.read_to_string(&mut word)?;
    Ok(Answer::read(&word))
}

fn answer(mut stream: UnixStream, effects: &mut HashMap<(String, u32), Known>, ledger: &Lines) -> std::io::Result<()> {
    stream.set_read_timeout(Some(REQUEST_WITHIN))?;
    let mut request = String::new();
    stream.read_to_string(&mut request)?;
    let words: Vec<&str> = request.split(' ').collect();
    let malformed = || std::io::Error::new(std::io::ErrorKind::InvalidData, "a malformed request");
    let [verb, task_id, index, fence] = words[..] else { return Err(malformed()) };
    let index = index.parse().map_err(|_| malformed())?;
    let fence = Fence::read(fence).ok_or_else(malformed)?;
    let known = effects.entry((task_id.to_owned(), index)).or_insert(Known { greatest: fence, applied: None });
    let answer = known.judge(fence, verb == "apply");
    let effect = Effect { at: now(), task_id: task_id.to_owned(), index, fence, answer };
    ledger.write(&effect.encode())?; // the log first: what was answered is known
    stream.write_all(answer.as_str().as_bytes())
}

impl Known {
    fn judge(&mut self, fence: Fence, is_apply: bool) -> Answer {
        if fence < self.greatest {
            return Answer::Refused;
        }
        self.greatest = fence;
        match self.applied {
            _ if !is_apply => Answer::Opened,
            None => {
                self.applied = Some(fence);
                Answer::Applied
            }
            Some(before) if before == fence => Answer::Doubled,
            Some(_) => Answer::Repeated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_run_is_refused_and_a_later_one_has_no_second_effect() {
        let (first, second) = (Fence(5, 0), Fence(5, 1));
        let mut known = Known { greatest: first, applied: None };
        assert_eq!(known.judge(first, false), Answer::Opened);
        assert_eq!(known.judge(second, false), Answer::Opened);
        assert_eq!(known.judge(first, true), Answer::Refused);
        assert_eq!(known.judge(second, true), Answer::Applied);
        assert_eq!(known.judge(second, true), Answer::Doubled);
        assert_eq!(known.judge(Fence(6, 0), true), Answer::Repeated);
    }
}
