//! I12: no process ends by itself, whatever is broken around it. Redis may, where its disk is full; a worker that
//! cannot end a handler does so with a code of its own, which is told and not judged.

use crate::books::Books;
use crate::fault::Kind;
use crate::ledger::fault::Fault;
use crate::options::Profile;
use crate::workhand::UNHEALTHY;

/// Names every process that ended by itself and had no right to.
pub fn check(books: &Books) -> Vec<String> {
    let exits = exits(books).filter(|exit| !is_allowed(books, exit));
    exits.map(|exit| format!("at {}: {} ended by itself", exit.from, exit.note)).collect()
}

/// Who ended by itself and had the right to, and how.
pub fn told(books: &Books) -> Vec<&str> {
    exits(books).filter(|exit| is_allowed(books, exit)).map(|exit| exit.note.as_str()).collect()
}

fn exits(books: &Books) -> impl Iterator<Item = &Fault> {
    books.faults.iter().filter(|fault| fault.kind == Kind::OwnExit)
}

fn is_allowed(books: &Books, exit: &Fault) -> bool {
    let is_of = |name: &str| exit.targets.iter().any(|target| target.starts_with(name));
    let is_unhealthy = exit.note.ends_with(&format!("exit status: {UNHEALTHY}"));
    is_of("worker") && is_unhealthy || is_of("redis") && books.profile == Profile::Diskfull
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::sample::books;

    fn exit(member: &str, end: &str, profile: Profile) -> (usize, usize) {
        let mut books = books();
        books.profile = profile;
        let mut exit = books.faults[0].clone();
        (exit.kind, exit.targets, exit.note) = (Kind::OwnExit, vec![member.to_owned()], format!("{member} {end}"));
        books.faults.push(exit);
        (check(&books).len(), told(&books).len())
    }

    #[test]
    fn a_process_that_ends_by_itself_is_found_unless_it_may() {
        assert_eq!(check(&books()), Vec::<String>::new());
        for member in ["orchestrator-1", "projector-2", "worker-3", "redis", "sink"] {
            assert_eq!(exit(member, "exit status: 1", Profile::Always), (1, 0), "{member}");
        }
        assert_eq!(exit("worker-3", "exit status: 70", Profile::Always), (0, 1));
        assert_eq!(exit("orchestrator-1", "exit status: 70", Profile::Always), (1, 0));
        assert_eq!(exit("redis", "exit status: 1", Profile::Diskfull), (0, 1));
        assert_eq!(exit("worker-3", "exit status: 1", Profile::Diskfull), (1, 0));
    }
}
