//! This member's tickets: space and time, proved once for each beacon in the background.

use crate::base::{Digest, Size, reached};
use crate::hypermesh::proof::Ticket;
use crate::node::job::{Job, Purpose};
use crate::node::submission::Submission;
use crate::node::{Event, context::Context};
use crate::state::{Action, Attest};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;

/// The tickets of the current beacon and the one before; and, until the next block, of one that has just passed.
const TICKET_COUNT_MAX: usize = 3;

/// Tickets by beacon: those of the current one and the one before.
#[derive(Default)]
pub(in crate::node) struct Tickets {
    proved: BTreeMap<u64, Arc<Ticket>>,
    proving: Option<u64>,
    /// The last beacon for which a batch was asked for, only to carry the ticket.
    attested: Option<u64>,
    /// The last beacon whose ticket was seen to stand.
    standing: Option<u64>,
}

impl Tickets {
    pub(in crate::node) fn size(&self) -> Size {
        Size::limited("proved tickets", self.proved.len(), TICKET_COUNT_MAX)
    }
}

/// A ticket that a batch can be made with now.
pub(in crate::node) struct UsableTicket {
    pub(in crate::node) beacon_index: u64,
    pub(in crate::node) beacon: Digest,
    pub(in crate::node) difficulty: u64,
    pub(in crate::node) ticket: Arc<Ticket>,
    /// Whether it goes in full: it does not stand in the state yet.
    pub(in crate::node) full: bool,
}

impl Submission {
    /// Proves a ticket for the current beacon, unless that is done or under way.
    pub(in crate::node) fn renew_ticket(&mut self, cx: &mut Context) {
        let beacon = cx.state.beacon();
        let oldest = beacon.index.saturating_sub(1);
        self.tickets.proved.retain(|index, _| *index >= oldest);
        if cx.member().tickets.contains_key(&beacon.index) && self.tickets.standing != Some(beacon.index) {
            self.tickets.standing = Some(beacon.index);
            cx.outbox.event(Event::TicketStands { beacon: beacon.index });
        }
        if self.tickets.proved.contains_key(&beacon.index) {
            self.attest(cx);
        } else if self.tickets.proving != Some(beacon.index) {
            self.tickets.proving = Some(beacon.index);
            let job = Job::ProveTicket {
                plot: Arc::clone(&self.plot),
                beacon: beacon.value,
                member: cx.identity.public(),
                parameters: cx.state.genesis_document().profile.proofs(),
            };
            let _job = cx.run(Purpose::Ticket { beacon: beacon.index }, job);
        }
    }

    pub(in crate::node) fn on_ticket(&mut self, cx: &mut Context, beacon: u64, ticket: Arc<Ticket>) {
        if self.tickets.proving == Some(beacon) {
            self.tickets.proving = None;
        }
        self.tickets.proved.insert(beacon, ticket);
        self.renew_ticket(cx);
        self.consider_batch(cx);
        cx.publish();
    }

    /// Puts the ticket on chain by itself if nothing else is about to carry it there.
    fn attest(&mut self, cx: &mut Context) {
        let beacon = cx.state.beacon();
        let stands = cx.member().tickets.contains_key(&beacon.index);
        if stands || self.tickets.attested == Some(beacon.index) || !self.is_idle() {
            return;
        }
        let deadline = beacon.time.plus(cx.state.genesis_document().profile.ticket_ms_deadline());
        if cx.wall() <= deadline {
            self.tickets.attested = Some(beacon.index);
            self.submit_own(cx, Action::Attest(Attest));
        } else {
            reached!(cx.marks, "a ticket comes too late");
        }
    }

    /// The ticket that a batch should be made with, if there is one.
    pub(in crate::node) fn usable_ticket(&self, cx: &Context) -> Option<UsableTicket> {
        let beacon = cx.state.beacon();
        let current = beacon.index;
        [Some(current), current.checked_sub(1)].into_iter().flatten().find_map(|index| {
            let ticket = self.tickets.proved.get(&index)?;
            let member = cx.member();
            let time = cx.wall().max(cx.state.time());
            let expectation = cx.state.expectation(&member, index, time).ok()?;
            let stands = expectation.ticket.is_some();
            (stands || expectation.ticket_open).then(|| UsableTicket {
                beacon_index: index,
                beacon: expectation.beacon,
                difficulty: expectation.difficulty,
                ticket: Arc::clone(ticket),
                full: !stands,
            })
        })
    }
}
