//! Mends what a hand broke and an audit has confirmed. An audit finds; every task whose numbers or tokens are wrong is
//! first counted again, because the log may know of an end whose record was lost; another audit says what is still
//! wrong, at which revision; then each violation is mended by one script that looks again. It ends when an audit finds
//! nothing, or nothing that a round could change. Running two at once does no harm: whoever comes second finds that
//! things have moved.

pub mod report;
mod restoration;

use crate::audit::audit;
use crate::audit::law::{Law, Violation};
use crate::audit::report::Report;
use crate::rebuild::rebuild_some;
use proto_schemas::{ConsumerName, TaskId};
use redis_store::adopt::Adopted;
use redis_store::exorcise::Exorcised;
use redis_store::restore::Restored;
use redis_store::retell::Retold;
use redis_store::undelay::Undelayed;
use redis_store::{Store, StoreError, Stream, key};
use report::{Deed, Repair, RepairReport};
use restoration::{Needs, work_out};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Audits at most, because a report keeps the first thousand violations.
const ROUNDS_MAX: usize = 50;

/// Audits and repairs until nothing is left to repair. `pause` is that of the audits.
pub async fn repair(
    store: &Store,
    consumer: &ConsumerName,
    task_ttl: Duration,
    pause: Duration,
) -> Result<RepairReport, StoreError> {
    let mut repairer = Repairer { store, consumer, task_ttl, counted: BTreeSet::new(), repairs: Vec::new() };
    let mut after = audit(store, pause).await?;
    for _ in 0..ROUNDS_MAX {
        if after.is_clean() || !repairer.round(&after).await? {
            break;
        }
        after = audit(store, pause).await?;
    }
    Ok(RepairReport { after, repairs: repairer.repairs })
}

struct Repairer<'a> {
    store: &'a Store,
    consumer: &'a ConsumerName,
    task_ttl: Duration,
    /// Tasks that were counted again: once is enough.
    counted: BTreeSet<TaskId>,
    repairs: Vec<Repair>,
}

impl Repairer<'_> {
    /// Does something about each violation; says whether another audit may find less.
    async fn round(&mut self, found: &Report) -> Result<bool, StoreError> {
        if self.count_again(found).await? {
            return Ok(true);
        }
        let (mut of_plans, mut of_entries) = (BTreeMap::<&TaskId, Vec<&Violation>>::new(), Vec::new());
        for violation in &found.violations {
            match (&violation.task_id, violation.law) {
                (Some(task_id), Law::TokenMissing | Law::TokenAfterRecord | Law::BlockedStuck | Law::PlanDisagrees) => {
                    of_plans.entry(task_id).or_default().push(violation)
                }
                _ => of_entries.push(violation),
            }
        }
        let before = self.deeds();
        // In this order: what is told of an entry moves the revision of its task.
        for (task_id, violations) in of_plans {
            self.mend_plan(task_id, &violations).await?;
        }
        for violation in of_entries {
            let deed = self.mend_entry(violation).await?;
            self.note(deed, violation);
        }
        Ok(self.deeds() > before)
    }

    /// How much was done so far.
    fn deeds(&self) -> usize {
        self.repairs.iter().filter(|repair| !repair.deed.is_left()).count()
    }

    /// Counts tasks again that were not yet; says whether there were any.
    async fn count_again(&mut self, found: &Report) -> Result<bool, StoreError> {
        let (mut tasks, mut repairs) = (BTreeSet::new(), Vec::new());
        for violation in found.violations.iter().filter(|violation| is_counted(violation.law)) {
            let uncounted = violation.task_id.as_ref().filter(|task_id| !self.counted.contains(task_id));
            if let Some(task_id) = uncounted {
                tasks.insert(task_id.clone());
                repairs.push(Repair { deed: Deed::Recounted, violation: violation.clone() });
            }
        }
        if tasks.is_empty() {
            return Ok(false);
        }
        rebuild_some(self.store, self.consumer, self.task_ttl, tasks.clone()).await?;
        self.counted.extend(tasks);
        self.repairs.extend(repairs);
        Ok(true)
    }

    /// Mends what is about one entry or member.
    async fn mend_entry(&self, violation: &Violation) -> Result<Deed, StoreError> {
        let stream = violation.place.as_deref().and_then(Stream::of_key);
        let member = violation.member.as_deref().unwrap_or_default();
        Ok(match (violation.law, stream) {
            (Law::OrphanEntry, Some(stream)) => match self.store.adopt(self.consumer, &stream, member).await? {
                Adopted::Adopted => Deed::AddedAgain,
                Adopted::Kept | Adopted::Gone => Deed::Moved,
            },
            (Law::GhostPending, stream) => {
                let answer = match stream {
                    Some(stream) => self.store.exorcise(&stream, member).await?,
                    None if violation.place.as_deref() == Some(key::EVENTS) => {
                        self.store.exorcise_event(member).await?
                    }
                    None => return Ok(Deed::LeftToAPerson),
                };
                if answer == Exorcised::Exorcised { Deed::Acknowledged } else { Deed::Moved }
            }
            (Law::DelayedLeftover, _) => match self.undelay(violation).await? {
                Some(Undelayed::Removed) => Deed::Removed,
                Some(_) => Deed::Moved,
                None => Deed::LeftToAPerson,
            },
            (Law::TokenDoubled, _) => Deed::LeftToTheFence,
            _ => Deed::LeftToAPerson,
        })
    }

    async fn undelay(&self, violation: &Violation) -> Result<Option<Undelayed>, StoreError> {
        let of_subtask = violation.task_id.as_ref().zip(violation.index);
        let subtask_id = of_subtask.and_then(|(task_id, index)| task_id.subtask(index).ok());
        let own = subtask_id.as_ref().map(|subtask_id| subtask_id.as_str());
        let Some(member) = violation.member.as_deref().or(own) else { return Ok(None) };
        self.store.undelay(self.consumer, member, violation.task_id.as_ref()).await.map(Some)
    }

    /// Mends the waiting places of one task.
    async fn mend_plan(&mut self, task_id: &TaskId, violations: &[&Violation]) -> Result<(), StoreError> {
        let is_missing = |violation: &&&Violation| violation.law == Law::TokenMissing;
        let missing = violations.iter().filter(is_missing).filter_map(|violation| violation.index).collect();
        let seen_at = violations.iter().filter_map(|violation| violation.revision).max();
        let books = self.store.books(task_id).await?;
        let Some((books, revision)) = books.filter(|books| Some(books.task.revision) == seen_at).zip(seen_at) else {
            violations.iter().for_each(|violation| self.note(Deed::Moved, violation));
            return Ok(());
        };
        let needs = work_out(&books, &missing, self.store.now_ms().await?);
        let is_restored = self.fulfil(task_id, revision, &needs).await?;
        for violation in violations {
            let deed = match violation.law {
                Law::TokenAfterRecord if needs.restoration.is_empty() => Deed::LeftToTheFence,
                _ if !is_restored => Deed::Moved,
                Law::TokenMissing => Deed::AddedAgain,
                _ if violation.index.is_some_and(|index| needs.placed.contains(&index)) => Deed::AddedAgain,
                Law::BlockedStuck if !needs.untold.is_empty() => Deed::Retold,
                _ => Deed::Replanned,
            };
            self.note(deed, violation);
        }
        Ok(())
    }

    /// Restores what is missing, then tells again what has to be told; says whether all of it was still so.
    async fn fulfil(&self, task_id: &TaskId, mut revision: u64, needs: &Needs) -> Result<bool, StoreError> {
        if !needs.restoration.is_empty() {
            match self.store.restore(self.consumer, task_id, revision, &needs.restoration).await? {
                Restored::Restored => revision += 1,
                Restored::Moved => return Ok(false),
            }
        }
        for index in &needs.untold {
            match self.store.retell(self.consumer, task_id, revision, *index).await? {
                Retold::Retold => revision += 1,
                Retold::Moved => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Notes what was done; what is left is noted once.
    fn note(&mut self, deed: Deed, violation: &Violation) {
        let is_same = |repair: &Repair| repair.deed == deed && repair.violation.is_about_the_same(violation);
        if !(deed.is_left() && self.repairs.iter().any(is_same)) {
            self.repairs.push(Repair { deed, violation: violation.clone() });
        }
    }
}

/// Whether counting again may mend it.
fn is_counted(law: Law) -> bool {
    match law {
        Law::TokenMissing
        | Law::CountersDisagree
        | Law::SumExceedsTotal
        | Law::StatusDisagrees
        | Law::IndexDisagrees
        | Law::GenerationDisagrees => true,
        Law::TokenDoubled
        | Law::TokenAfterRecord
        | Law::DelayedLeftover
        | Law::BlockedStuck
        | Law::PlanDisagrees
        | Law::OrphanEntry
        | Law::GhostPending
        | Law::RecordUnreadable
        | Law::TaskUnreadable => false,
    }
}
