//! Signatures under way at this node as coordinator, and when each is to be taken up next.
//!
//! A task has one entry, from the moment that somebody wants it signed. The entry is *ready*, which means that signers are
//! to be asked as soon as there are commitments of enough of them, or it is *due* at a time, which means that signers were
//! asked and get until then. A retry asks others and gives up nothing: shares that come late still complete the attempts
//! before it.
//!
//! Tasks have their turn in the order in which they were asked for. Their names do not count: serial numbers follow from
//! what clients sign, so a client could choose one that comes first.

use crate::base::{Digest, Mono, PublicKey, Size};
use crate::hypermesh::committee::{KeyPurpose, SigningSession};
use crate::node::task::Task;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// The most attempts of a task that late shares may still complete; a further one takes the place of the oldest.
pub(super) const ATTEMPT_COUNT_MAX: usize = 4;

/// Signatures under way.
#[derive(Default)]
pub(super) struct PendingSignatures {
    by_task: BTreeMap<Task, PendingSignature>,
    /// The tasks of attempts, by the name that shares bear.
    by_name: BTreeMap<Digest, Task>,
    /// What waits for commitments or for its turn, by purpose; what was asked for first comes first.
    ready: BTreeMap<KeyPurpose, BTreeSet<(TaskNumber, Task)>>,
    due: BTreeSet<(Mono, TaskNumber, Task)>,
    /// How many were begun ever.
    begun: u64,
}

/// Tasks are numbered in the order in which they were asked for.
type TaskNumber = u64;

/// One signature under way.
pub(super) struct PendingSignature {
    /// Oldest first.
    attempts: Vec<Attempt>,
    /// Since when it is wanted.
    pub(super) since: Mono,
    number: TaskNumber,
    /// Who sent a bad share for it.
    pub(super) caught: BTreeSet<PublicKey>,
    /// How often its signers were silent for too long.
    pub(super) retries: u32,
    next: Next,
}

/// Signers that were asked.
pub(super) struct Attempt {
    pub(super) session: SigningSession,
    pub(super) begun: Mono,
}

#[derive(Clone, Copy)]
enum Next {
    Ready,
    Due(Mono),
}

impl PendingSignatures {
    /// Whether a task is under way.
    pub(super) fn has(&self, task: &Task) -> bool {
        self.by_task.contains_key(task)
    }

    /// Takes up a task that is not under way.
    pub(super) fn begin(&mut self, now: Mono, task: Task) {
        if self.has(&task) {
            return;
        }
        let number = self.begun;
        self.begun = number.wrapping_add(1);
        let (attempts, caught, next) = (Vec::new(), BTreeSet::new(), Next::Ready);
        let session = PendingSignature { attempts, since: now, number, caught, retries: 0, next };
        self.by_task.insert(task, session);
        self.ready.entry(task.purpose()).or_default().insert((number, task));
    }

    pub(super) fn get(&self, task: &Task) -> Option<&PendingSignature> {
        self.by_task.get(task)
    }

    /// The attempt that signers were asked in last.
    pub(super) fn newest_attempt(&mut self, task: &Task) -> Option<&mut SigningSession> {
        self.by_task.get_mut(task)?.attempts.last_mut().map(|attempt| &mut attempt.session)
    }

    /// The attempt of this name, and its task.
    pub(super) fn attempt(&mut self, name: &Digest) -> Option<(Task, &mut Attempt)> {
        let task = *self.by_name.get(name)?;
        let attempts = &mut self.by_task.get_mut(&task)?.attempts;
        let attempt = attempts.iter_mut().find(|attempt| attempt.session.session() == *name);
        attempt.map(|attempt| (task, attempt))
    }

    // --- what comes next ---

    /// What was asked for first of what waits for signers to be asked.
    pub(super) fn next_ready(&self, purpose: KeyPurpose) -> Option<Task> {
        self.ready.get(&purpose)?.first().map(|(_, task)| *task)
    }

    /// How many wait for signers to be asked.
    pub(super) fn ready_count(&self, purpose: KeyPurpose) -> usize {
        self.ready.get(&purpose).map_or(0, BTreeSet::len)
    }

    /// Signers were asked, and get until then.
    pub(super) fn note_attempt(&mut self, now: Mono, task: Task, session: SigningSession, due: Mono) {
        self.postpone(task, due);
        let Some(held) = self.by_task.get_mut(&task) else { return };
        if held.attempts.len() >= ATTEMPT_COUNT_MAX {
            let oldest = held.attempts.remove(0);
            self.by_name.remove(&oldest.session.session());
        }
        self.by_name.insert(session.session(), task);
        held.attempts.push(Attempt { session, begun: now });
    }

    /// Nothing is to be done for a task until then.
    pub(super) fn postpone(&mut self, task: Task, due: Mono) {
        self.set_next(task, Next::Due(due));
    }

    /// Signers are to be asked for a task.
    pub(super) fn make_ready(&mut self, task: Task) {
        self.set_next(task, Next::Ready);
    }

    /// Signers are to be asked anew for a task, and what came of those asked before is of no use.
    pub(super) fn start_over(&mut self, task: Task, due: Mono) {
        let attempts = self.by_task.get_mut(&task).map(|held| core::mem::take(&mut held.attempts));
        for attempt in attempts.unwrap_or_default() {
            self.by_name.remove(&attempt.session.session());
        }
        self.postpone(task, due);
    }

    /// Makes ready the tasks whose signers were silent for too long, so many at most. Which these are.
    pub(super) fn overdue(&mut self, now: Mono, count_max: usize) -> Vec<Task> {
        let late = self.due.iter().take_while(|(due, ..)| *due <= now).take(count_max);
        let late: Vec<Task> = late.map(|(.., task)| *task).collect();
        for task in &late {
            if let Some(held) = self.by_task.get_mut(task) {
                held.retries = held.retries.saturating_add(1);
            }
            self.make_ready(*task);
        }
        late
    }

    /// When the next is due.
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.due.first().map(|(due, ..)| *due)
    }

    /// Asks for shares of a task at once, and none of those who were caught with a bad one.
    pub(super) fn catch(&mut self, task: Task, culprits: BTreeSet<PublicKey>) {
        if let Some(held) = self.by_task.get_mut(&task) {
            held.caught.extend(culprits);
            self.make_ready(task);
        }
    }

    /// Takes a task out.
    pub(super) fn end(&mut self, task: &Task) {
        let Some(session) = self.by_task.remove(task) else { return };
        self.unlist(*task, session.number, session.next);
        for attempt in &session.attempts {
            self.by_name.remove(&attempt.session.session());
        }
    }

    /// Takes out a task that nobody wants any more, unless signers were asked: their shares complete it until this moment at the
    /// latest.
    pub(super) fn desert(&mut self, task: &Task, until: Mono) {
        match self.by_task.get(task) {
            Some(held) if held.attempts.is_empty() => self.end(task),
            Some(PendingSignature { next: Next::Due(due), .. }) if *due <= until => {}
            Some(_) => self.postpone(*task, until),
            None => {}
        }
    }

    /// Ends the sessions of tasks that a signed one replaces.
    pub(super) fn end_replaced_by(&mut self, signed: Task) {
        let replaced: Vec<Task> = self.tasks().copied().filter(|task| task.is_replaced_by(signed)).collect();
        replaced.iter().for_each(|task| self.end(task));
    }

    /// What is under way.
    pub(super) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.by_task.keys()
    }

    fn set_next(&mut self, task: Task, next: Next) {
        let Some(held) = self.by_task.get_mut(&task) else { return };
        let (number, before) = (held.number, core::mem::replace(&mut held.next, next));
        self.unlist(task, number, before);
        match next {
            Next::Ready => self.ready.entry(task.purpose()).or_default().insert((number, task)),
            Next::Due(due) => self.due.insert((due, number, task)),
        };
    }

    fn unlist(&mut self, task: Task, number: TaskNumber, next: Next) {
        match next {
            Next::Ready => self.ready.entry(task.purpose()).or_default().remove(&(number, task)),
            Next::Due(due) => self.due.remove(&(due, number, task)),
        };
    }

    pub(super) fn sizes(&self) -> [Size; 3] {
        let attempts_max = self.by_task.len() * ATTEMPT_COUNT_MAX;
        let ready = self.ready.values().map(BTreeSet::len).sum();
        [
            Size::unstated("signing sessions", self.by_task.len()),
            Size::limited("attempts of signing sessions", self.by_name.len(), attempts_max),
            Size::unstated("tasks that wait for commitments", ready),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trustchain::ca::SerialNumber;

    fn listed(pending: &PendingSignatures) -> (usize, usize) {
        (pending.ready_count(KeyPurpose::Log), pending.due.len())
    }

    #[test]
    fn a_task_is_ready_or_due_and_never_both() {
        let mut pending = PendingSignatures::default();
        let [one, two] = [Task::Checkpoint(1), Task::Checkpoint(2)];
        pending.begin(Mono(5), two);
        pending.begin(Mono(9), one);
        pending.begin(Mono(7), two);
        assert_eq!(listed(&pending), (2, 0));
        assert_eq!(pending.next_ready(KeyPurpose::Log), Some(two), "it has waited longer");
        pending.postpone(two, Mono(20));
        pending.postpone(two, Mono(30));
        assert_eq!((listed(&pending), pending.next_due()), ((1, 1), Some(Mono(30))));
        assert_eq!(pending.overdue(Mono(29), 9), []);
        assert_eq!(pending.overdue(Mono(30), 9), [two]);
        assert_eq!((listed(&pending), pending.get(&two).map(|held| held.retries)), ((2, 0), Some(1)));
        pending.end(&two);
        assert_eq!(listed(&pending), (1, 0));
        pending.end(&one);
        assert_eq!((listed(&pending), pending.by_task.len()), ((0, 0), 0));
    }

    #[test]
    fn a_task_that_nobody_wants_ends_at_once_if_no_signer_was_asked() {
        let mut pending = PendingSignatures::default();
        pending.begin(Mono(5), Task::Checkpoint(1));
        pending.desert(&Task::Checkpoint(1), Mono(9));
        assert!(!pending.has(&Task::Checkpoint(1)));
    }

    #[test]
    fn a_signed_list_ends_the_sessions_of_those_before_it_and_no_other() {
        let mut pending = PendingSignatures::default();
        let list = Task::RevocationList;
        for task in [list(3), list(4), list(6), Task::RootRevocationList(1), Task::Issuing(1)] {
            pending.begin(Mono(5), task);
        }
        pending.end_replaced_by(list(5));
        let left: Vec<Task> = pending.tasks().copied().collect();
        assert_eq!(left, [Task::Issuing(1), list(6), Task::RootRevocationList(1)]);
        pending.end_replaced_by(Task::RootRevocationList(2));
        assert!(!pending.has(&Task::RootRevocationList(1)) && pending.has(&list(6)));
    }

    #[test]
    fn tasks_have_their_turn_as_they_were_asked_for_whatever_their_serial_numbers() {
        let leaf = |byte| Task::Leaf(SerialNumber::from_operation(&Digest([byte; 32])));
        let turns = |tasks: &[Task]| {
            let mut pending = PendingSignatures::default();
            tasks.iter().for_each(|task| pending.begin(Mono(5), *task));
            // All are late at the same moment, and have their turn again.
            for (due, first) in [(Mono(7), 0), (Mono(9), 2)] {
                tasks[first..].iter().rev().for_each(|task| pending.postpone(*task, due));
            }
            assert_eq!(pending.overdue(Mono(9), tasks.len()), [&tasks[..2], &tasks[2..]].concat());
            let turn = |_: &Task| {
                let task = pending.next_ready(KeyPurpose::Issuing).unwrap();
                pending.end(&task);
                task
            };
            tasks.iter().map(turn).collect::<Vec<_>>()
        };
        let mut tasks: Vec<Task> = (1..=5).map(leaf).collect();
        tasks.sort();
        assert_eq!(turns(&tasks), tasks);
        tasks.reverse();
        assert_eq!(turns(&tasks), tasks);
    }

    #[test]
    fn what_is_overdue_is_taken_up_so_many_at_a_time() {
        let mut pending = PendingSignatures::default();
        for size in 0..5 {
            pending.begin(Mono(0), Task::Checkpoint(size));
            pending.postpone(Task::Checkpoint(size), Mono(size));
        }
        assert_eq!(pending.overdue(Mono(9), 3), [0, 1, 2].map(Task::Checkpoint));
        assert_eq!((listed(&pending), pending.next_due()), ((3, 2), Some(Mono(3))));
    }
}
