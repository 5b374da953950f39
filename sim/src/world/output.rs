//! What nodes want done, carried out: writes, messages, jobs, answers.

use super::event::Happening;
use super::lie::{self, Told};
use super::machine::WriteFault;
use super::network::{Link, Place, Sent};
use super::trace::{self, Entry};
use super::{Answer, World};
use crate::plan::FaultClass;
use hypermesh_core::base::WriteBatch;
use hypermesh_core::node::{Class, Event, Output, PersistToken};
use std::sync::Arc;
use std::time::Duration;

/// A process that ended because its disk failed is started again after this long, by whatever looks after it.
const RESTARTS_AFTER: Duration = Duration::from_millis(500);

impl World {
    pub(super) fn note(&mut self, place: Place, kind: &'static str, content: &[u8]) {
        self.trace.note(&Entry { at: self.now, place, kind, content });
    }

    /// Carries out what a node wants done, until it wants nothing more.
    pub(super) fn drain(&mut self, place: Place) {
        while let Some(output) =
            self.machines.get_mut(place).and_then(|machine| machine.node.as_mut()?.poll_output())
        {
            let (kind, content, words) = trace::describe(&output);
            self.note(place, kind, &content);
            if let Some(words) = words {
                self.trace.say(self.now, place, &|| words.clone());
            }
            self.carry_out(place, output);
            self.count_output(place);
        }
        self.watch(place);
        self.arrange_alarm(place);
    }

    /// Crashes a node in the middle of a step, if it has carried out as many outputs as it was to.
    fn count_output(&mut self, place: Place) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        let Some(left) = &mut machine.outputs_left else { return };
        *left = left.saturating_sub(1);
        if *left == 0 && machine.node.is_some() {
            self.coverage.hit(FaultClass::CrashInStep);
            self.crash(place);
        }
    }

    /// Hands a write to a disk, which may not take it.
    fn persist(&mut self, place: Place, token: PersistToken, batch: WriteBatch) {
        let at = self.now;
        let Some(machine) = self.machines.get_mut(place) else { return };
        let life = machine.incarnation;
        let class = match machine.write_fault {
            None => None,
            Some(WriteFault::Error) => Some(FaultClass::WriteError),
            Some(WriteFault::Full) => Some(FaultClass::FullDisk),
            Some(WriteFault::Torn(rows)) => {
                machine.write_fault = None;
                machine.disk.write(token, batch);
                let torn = machine.disk.tear(rows);
                if torn {
                    self.excuse_disk(place);
                    self.coverage.hit(FaultClass::TornWrite);
                }
                return self.crash(place);
            }
        };
        if let Some(class) = class {
            // As the real driver does: it ends with the first write that fails, so that nothing is said that is not kept.
            self.coverage.hit(class);
            self.heap.push(at.after(RESTARTS_AFTER), Happening::Restart { place, life });
            return self.fall(place);
        }
        let delay = machine.disk_random.duration(self.options.disk);
        let durable_at = machine.durable_at(at, delay);
        machine.disk.write(token, batch);
        if machine.hasty_disk {
            self.heap.push(durable_at, Happening::Settled { place, life, token });
            self.heap.push(at, Happening::Persisted { place, life, token });
        } else {
            self.heap.push(durable_at, Happening::Persisted { place, life, token });
        }
    }

    fn carry_out(&mut self, place: Place, output: Output) {
        let at = self.now;
        let Some(machine) = self.machines.get_mut(place) else { return };
        let life = machine.incarnation;
        match output {
            Output::Persist { token, batch } => self.persist(place, token, batch),
            Output::Send { to, class, message } => {
                let Some(target) = self.places.get(&to).copied() else { return };
                let link = Link { source: place, target };
                let identity = &machine.validator.member.identity;
                if let Err(violation) = self.checks.on_send(place, identity.public(), &machine.disk, &message)
                {
                    self.violation.get_or_insert(violation);
                }
                let told = machine.lie.map(|lie| (lie, lie::tell(lie, identity, &message)));
                if let Some((lie, Told::Instead(_) | Told::Nothing)) = &told
                    && let Some(class) = lie.class()
                {
                    self.coverage.hit(class);
                }
                let message = match told {
                    None | Some((_, Told::Honestly)) => message,
                    Some((_, Told::Instead(other))) => Arc::from(other),
                    Some((_, Told::Nothing)) => return,
                };
                self.send(link, class, message);
            }
            Output::Respond { id, response } => {
                self.answers.insert(id, Answer { at, response });
            }
            Output::Run { id, job } => {
                let mut delay = machine.job_random.duration(self.options.job);
                if let Some(lag) = machine.job_lag {
                    self.coverage.hit(FaultClass::LateJob);
                    delay = delay.saturating_add(machine.job_random.duration(lag));
                }
                let outcome = Box::new(job.run());
                self.heap.push(at.after(delay), Happening::Job { place, life, id, outcome });
            }
            Output::Event(event) => self.take_event(place, event),
        }
    }

    /// Puts a message on its way.
    pub(super) fn send(&mut self, link: Link, class: Class, message: Arc<[u8]>) {
        let message = self.strike(link.source, message);
        let sent = self.network.send(self.now, link, (class, message.len()), &mut self.coverage);
        let Sent::Arrives { at, again, epoch } = sent else { return };
        if let Some(again) = again {
            self.heap.push(again, Happening::Message { link, epoch, message: Arc::clone(&message) });
        }
        self.heap.push(at, Happening::Message { link, epoch, message });
    }

    /// A message as it leaves a node whose memory may be bad.
    fn strike(&mut self, source: Place, message: Arc<[u8]>) -> Arc<[u8]> {
        if self.network.conditions.damaged.is_empty() {
            return message;
        }
        let Some(damage) = self.network.conditions.damaged.get(&source).copied() else { return message };
        let Some(machine) = self.machines.get_mut(source) else { return message };
        let Some(struck) = damage.strike(&message, &mut machine.lie_random) else { return message };
        self.coverage.hit(if damage.truncates { FaultClass::Truncation } else { FaultClass::Corruption });
        Arc::from(struck)
    }

    fn take_event(&mut self, place: Place, event: Event) {
        if let Err(violation) = self.checks.on_event(place, &event) {
            self.violation.get_or_insert(violation);
        }
        self.events.push((self.now, place, event));
    }

    /// Checks the state that a node has come to.
    fn watch(&mut self, place: Place) {
        let Some(view) = self.view(place) else { return };
        if let Err(violation) = self.checks.on_view(place, &view) {
            self.violation.get_or_insert(violation);
        }
    }

    pub(super) fn arrange_alarm(&mut self, place: Place) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        let Some(due) = machine.timeout() else { return };
        let due = due.max(self.now);
        if machine.alarm.is_none_or(|arranged| due < arranged) {
            machine.alarm = Some(due);
            let life = machine.incarnation;
            self.heap.push(due, Happening::Alarm { place, life });
        }
    }
}
