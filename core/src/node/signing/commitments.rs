//! Commitments to nonces, handed out ahead of time: to each coordinator its own, with a quota, and as many as it has
//! lately spent.
//!
//! What a coordinator holds stays good when it asks for more. Only what is known to be lost is destroyed: all of it when the
//! link is made anew, the oldest when the coordinator says that it has too few, the quota is used up, and nothing that it
//! has asked for waits here.

use super::answer_times::{TIMEOUT_MIN, backed_off};
use crate::base::{Mono, PublicKey, reached};
use crate::hypermesh::committee::{KeyPurpose, first_count, outstanding_count_max};
use crate::node::Event;
use crate::node::context::Context;
use crate::node::message::{CommitmentsOffered, CommitmentsRequest, Message};
use crate::node::signing::Signing;
use crate::node::timers::Timer;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

/// Peers that have offered no commitments are asked again after this long: a message may be lost, or they had no shares.
const OFFERS_AGAIN_AFTER: Duration = Duration::from_secs(4);

/// What is known of commitments beside the commitments themselves.
#[derive(Default)]
pub(super) struct Supply {
    /// As coordinator: whom this node has asked for more, and got no answer from yet.
    outstanding: BTreeMap<(PublicKey, KeyPurpose), OutstandingRequest>,
    /// As signer: how many each coordinator is likely to need soon.
    demand: BTreeMap<(PublicKey, KeyPurpose), usize>,
    /// As signer: when nonces of each coordinator were destroyed last because their commitments are lost.
    renewed: BTreeMap<PublicKey, Mono>,
}

/// A request for commitments that is not answered yet.
#[derive(Clone, Copy)]
struct OutstandingRequest {
    /// When it is repeated: the request or the answer may be lost.
    retry_at: Mono,
    retries: u32,
}

impl Supply {
    /// How many coordinators and signers these are.
    pub(super) fn counts(&self) -> [usize; 3] {
        [self.outstanding.len(), self.demand.len(), self.renewed.len()]
    }

    /// Notes what a coordinator has just spent. How many it should hold.
    fn target(&mut self, coordinator: PublicKey, purpose: KeyPurpose, spent: usize) -> usize {
        let demand = self.demand.entry((coordinator, purpose)).or_default();
        if spent > 0 {
            *demand -= *demand / 8;
        }
        *demand = (*demand).max(first_count(purpose) + 2 * spent).min(outstanding_count_max(purpose));
        *demand
    }
}

impl Signing {
    // --- as coordinator ---

    /// Tells a peer that was just linked that this node holds none of its commitments any more.
    pub(in crate::node) fn ask_for_commitments(&mut self, cx: &mut Context, peer: PublicKey) {
        self.stock.forget(&peer);
        self.supply.outstanding.retain(|(signer, _), _| *signer != peer);
        cx.send(peer, &Message::FetchCommitments(CommitmentsRequest::Anew));
    }

    /// Asks each signer for as many commitments as this node is about to spend. A signer that was asked
    /// and has not answered is asked again only after a while.
    pub(in crate::node) fn request_commitments(
        &mut self,
        cx: &mut Context,
        purpose: KeyPurpose,
        needed: usize,
    ) {
        let needed = needed.min(outstanding_count_max(purpose));
        let now = cx.now.mono;
        let timeout = self.session_timeout(cx);
        for peer in cx.connected.clone() {
            let lacking = needed.saturating_sub(self.stock.held_count(&peer, purpose));
            let outstanding = self.supply.outstanding.get(&(peer, purpose)).copied();
            if lacking == 0 || outstanding.is_some_and(|request| now < request.retry_at) {
                continue;
            }
            let retries = outstanding.map_or(0, |request| request.retries + 1);
            let retry_at = now.after(backed_off(timeout, retries, cx.jitter()));
            self.supply.outstanding.insert((peer, purpose), OutstandingRequest { retry_at, retries });
            let count = u16::try_from(lacking).unwrap_or(u16::MAX);
            cx.send(peer, &Message::FetchCommitments(CommitmentsRequest::More { purpose, count }));
        }
        let me = cx.identity.public();
        let lacking = needed.saturating_sub(self.stock.held_count(&me, purpose));
        if lacking > 0 {
            self.give_more(cx, me, purpose, lacking);
        }
        // Even if no peer is to be asked: this node's own may have been refused for a moment.
        let again = self.next_commitments_retry(cx).unwrap_or_else(|| now.after(timeout));
        if self.starving.contains(&purpose) {
            cx.timers.bring_forward(Timer::Signing, again);
        }
    }

    /// Asks linked signers for commitments of whom this node holds none: what they offered is lost. Those of the others may
    /// suffice, and yet be of signers that do not answer.
    pub(super) fn replace_lost(&mut self, cx: &mut Context, purpose: KeyPurpose) {
        let stock = &self.stock;
        if cx.connected.iter().any(|peer| stock.held_count(peer, purpose) == 0) {
            reached!(cx.marks, "lost commitments are asked for again");
            self.request_commitments(cx, purpose, first_count(purpose));
        }
    }

    /// When signers that have not answered are asked again, if something waits for their commitments.
    pub(super) fn next_commitments_retry(&self, cx: &Context) -> Option<Mono> {
        let starving = &self.starving;
        let outstanding =
            self.supply.outstanding.iter().filter(|((_, purpose), _)| starving.contains(purpose));
        // Whoever is linked and was to be asked again by now has been.
        outstanding.map(|(_, request)| request.retry_at).filter(|retry_at| *retry_at > cx.now.mono).min()
    }

    pub(in crate::node) fn on_commitments(
        &mut self,
        cx: &mut Context,
        from: PublicKey,
        offered: CommitmentsOffered,
    ) {
        let Some(committee) = cx.committee.clone() else { return };
        for offer in offered.offers {
            let purpose = offer.purpose;
            match self.stock.accept_offer(&committee, from, offer) {
                Ok(()) => {
                    self.supply.outstanding.remove(&(from, purpose));
                    self.starving.remove(&purpose);
                    self.note_offer(cx, from);
                }
                Err(fault) => cx.outbox.event(Event::PeerFault { peer: from, reason: fault.to_string() }),
            }
        }
    }

    // --- as signer ---

    pub(in crate::node) fn on_fetch_commitments(
        &mut self,
        cx: &mut Context,
        coordinator: PublicKey,
        request: CommitmentsRequest,
    ) {
        match request {
            CommitmentsRequest::Anew => self.offer_anew(cx, coordinator),
            CommitmentsRequest::More { purpose, count } => {
                self.give_more(cx, coordinator, purpose, usize::from(count))
            }
        }
    }

    /// Destroys the nonces whose commitments a coordinator has lost with its link, and gives it others.
    pub(super) fn offer_anew(&mut self, cx: &mut Context, coordinator: PublicKey) {
        if self.signer.is_none() {
            return;
        }
        if !self.may_renew(cx, coordinator) {
            // It holds none, whatever is outstanding here.
            let first: Vec<_> =
                KeyPurpose::ALL.into_iter().map(|purpose| (purpose, first_count(purpose))).collect();
            return self.offer(cx, coordinator, &first);
        }
        if let Some(signer) = &mut self.signer {
            signer.forget(&coordinator);
        }
        self.top_up(cx, coordinator, &[]);
    }

    /// Destroys all nonces of this node, those for its own use included.
    pub(in crate::node) fn destroy_nonces(&mut self, cx: &mut Context) {
        if let Some(signer) = &mut self.signer {
            signer.begin_anew(cx.entropy.as_mut());
        }
    }

    /// Offers commitments in place of those that are void, and asks for others of every peer: what is held of theirs was
    /// perhaps spent.
    pub(in crate::node) fn offer_all_anew(&mut self, cx: &mut Context) {
        for peer in cx.connected.clone() {
            self.ask_for_commitments(cx, peer);
            self.top_up(cx, peer, &[]);
        }
        let me = cx.identity.public();
        self.top_up(cx, me, &[]);
    }

    /// Gives a coordinator more commitments for a purpose. If it has as many as it may, and nothing that it asked for waits
    /// here, then the ones that it does not hold are lost, and the oldest give way.
    pub(super) fn give_more(
        &mut self,
        cx: &mut Context,
        coordinator: PublicKey,
        purpose: KeyPurpose,
        count: usize,
    ) {
        let quota = outstanding_count_max(purpose);
        let count = count.min(quota);
        let demand = self.supply.demand.entry((coordinator, purpose)).or_default();
        *demand = (*demand).max(count);
        let Some(signer) = &self.signer else { return };
        let room = quota.saturating_sub(signer.outstanding_count(&coordinator, purpose));
        let waits = self.work.has(&coordinator, purpose) || self.waiting.has(&coordinator);
        if room < count
            && !waits
            && self.may_renew(cx, coordinator)
            && let Some(signer) = &mut self.signer
        {
            signer.make_room(&coordinator, purpose, count);
        }
        self.offer(cx, coordinator, &[(purpose, count)]);
    }

    /// Fills up what a coordinator holds, if it is running low: the more the more it has just spent, one for each purpose
    /// named. Making them takes long, and most coordinators need few.
    pub(super) fn top_up(&mut self, cx: &mut Context, coordinator: PublicKey, spent: &[KeyPurpose]) {
        let Some(signer) = &self.signer else { return };
        let mut lacking = Vec::new();
        for purpose in KeyPurpose::ALL {
            let spent = spent.iter().filter(|one| **one == purpose).count();
            let wanted = self.supply.target(coordinator, purpose, spent);
            let outstanding = signer.outstanding_count(&coordinator, purpose);
            if outstanding * 2 <= wanted {
                lacking.push((purpose, wanted - outstanding));
            }
        }
        self.offer(cx, coordinator, &lacking);
    }

    /// Makes commitments for a coordinator, as far as its quota goes, and hands them over.
    pub(super) fn offer(
        &mut self,
        cx: &mut Context,
        coordinator: PublicKey,
        lacking: &[(KeyPurpose, usize)],
    ) {
        let Some(signer) = &mut self.signer else { return };
        let mut offers = Vec::new();
        for (purpose, mut count) in lacking.iter().copied() {
            while let Some(offer) = signer.offer_some(coordinator, purpose, count, cx.entropy.as_mut()) {
                count = count.saturating_sub(offer.commitments.len());
                offers.push(offer);
            }
        }
        if offers.is_empty() {
            return;
        }
        let offered = CommitmentsOffered { offers };
        if coordinator == cx.identity.public() {
            self.on_commitments(cx, coordinator, offered);
        } else {
            cx.send(coordinator, &Message::Commitments(offered));
        }
    }

    /// Why no signature can be made, if none can: too few of those who are linked hold key shares.
    pub(in crate::node) fn signers_fault(&self, cx: &Context) -> Option<String> {
        let committee = cx.committee.as_ref()?;
        let own = usize::from(cx.holds_shares);
        let (able, needed) = (self.offered.len() + own, committee.threshold());
        (able < needed).then(|| {
            let lacking = cx.connected.difference(&self.offered);
            let mut lacking: Vec<String> = lacking.map(|peer| cx.name_of(peer)).collect();
            lacking.sort();
            alloc::format!(
                "{able} of the {needed} validators that a signature takes are linked and hold key shares; linked without \
                 shares: {}",
                if lacking.is_empty() { "none of the others".to_string() } else { lacking.join(", ") }
            )
        })
    }

    /// Asks those again who are linked and have offered nothing.
    pub(super) fn ask_for_offers(&mut self, cx: &mut Context) {
        if cx.committee.is_none() || cx.now.mono.since(self.offers_asked) < OFFERS_AGAIN_AFTER {
            return;
        }
        self.offers_asked = cx.now.mono;
        for peer in cx.connected.difference(&self.offered).copied().collect::<Vec<_>>() {
            self.ask_for_commitments(cx, peer);
        }
    }

    fn note_offer(&mut self, cx: &mut Context, peer: PublicKey) {
        let news = peer != cx.identity.public() && self.offered.insert(peer);
        // Whoever waits until this node can sign waits for that.
        if news && self.signers_fault(cx).is_none() {
            cx.publish();
        }
    }

    /// A link was lost: what its peer offered is void, and does not count as held.
    pub(in crate::node) fn forget(&mut self, peer: &PublicKey) {
        self.offered.remove(peer);
        self.stock.forget(peer);
    }

    /// Whether nonces of a coordinator may be destroyed because their commitments are lost. Not each time that it says so:
    /// requests that crossed the new ones would be void in turn, and making nonces costs more than asking for them.
    pub(super) fn may_renew(&mut self, cx: &mut Context, coordinator: PublicKey) -> bool {
        let now = cx.now.mono;
        let renewed = &mut self.supply.renewed;
        let due = renewed.get(&coordinator).is_none_or(|last| now.since(*last) >= TIMEOUT_MIN);
        if due {
            renewed.insert(coordinator, now);
        }
        due
    }
}
