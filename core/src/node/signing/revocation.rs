//! Revocation lists: the bytes that the committed state fixes, the signed lists that this node shows, and who waits
//! for a newer one.
//!
//! A signed list of the issuing key is a side table: it is kept whole, because the state moves on and cannot make an older one again. A
//! node that finds no quorum goes on showing the last one; `nextUpdate` tells its age. The root key's lists can be made
//! again from the state, so that only their signatures are kept; until the newest is signed, the one before it is shown.

use crate::api::{ApiFault, FaultKind, PublishedList, PublishedLists, Response, RevocationListRequest};
use crate::base::{Reader as _, StrictSignature, Table, UnixMillis, WriteBatch};
use crate::hypermesh::committee::KeyPurpose;
use crate::node::task::Task;
use crate::node::waiters::{WAITER_PER_THING_COUNT_MAX, WaiterLimitReached};
use crate::node::{Event, Node, OpenFault, RequestId};
use crate::trustchain::ca::{CRL_MS_LIFETIME, RevocationList, crl_der, parse_crl};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The key of the newest signed list in the store.
const LIST_KEY: &[u8] = b"revocation list";
/// How many lists' bytes are kept: a coordinator may be this many behind, or ahead.
const LISTS_KEPT: usize = 4;

/// Revocation lists.
#[derive(Default)]
pub(super) struct Lists {
    /// The to-be-signed bytes of the newest lists, by number.
    derived: BTreeMap<u64, Derived>,
    /// The newest that is signed.
    signed: Option<SignedList>,
    /// Who waits for which lists.
    waiting: Vec<(RequestId, RevocationListRequest)>,
}

struct Derived {
    tbs: Vec<u8>,
    this_update: UnixMillis,
}

/// A list that is signed.
pub(in crate::node) struct SignedList {
    number: u64,
    /// In whole seconds, as it stands in the list.
    pub(in crate::node) this_update: UnixMillis,
    pub(in crate::node) next_update: UnixMillis,
    der: Vec<u8>,
}

impl Lists {
    /// The number of the newest list that is signed.
    pub(super) fn newest_signed(&self) -> Option<u64> {
        self.signed.as_ref().map(|signed| signed.number)
    }
}

impl Node {
    /// Picks up the list that was signed before a restart.
    pub(super) fn load_revocation_list(&mut self) -> Result<(), OpenFault> {
        self.derive_revocation_list();
        if let Some(row) = self.store.get(Table::Signed, LIST_KEY)? {
            match self.take_stored_list(row) {
                Some((list, signature)) => {
                    self.signing.finished.insert(Task::RevocationList(list.number), signature);
                    self.signing.lists.signed = Some(list);
                }
                None => self.drop_stored(LIST_KEY.to_vec(), "revocation list"),
            }
        }
        self.request_shared_signatures(self.state.time());
        Ok(())
    }

    /// A stored list with its signature, if that holds. The bytes are the list's own: an older one cannot be derived again.
    fn take_stored_list(&self, der: Vec<u8>) -> Option<(SignedList, StrictSignature)> {
        let key = self.signing.committee.as_ref()?.keys().public(KeyPurpose::Issuing)?;
        let signed = parse_crl(&der).ok()?;
        let signature = signed.signed_by(&key).ok()?;
        let RevocationList { number, this_update, next_update, .. } = signed.list;
        Some((SignedList { number, this_update, next_update, der }, signature))
    }

    /// Derives the bytes of a list that the last block fixed.
    pub(super) fn derive_revocation_list(&mut self) {
        let Some(number) = self.state.revocation_list_number() else { return };
        if self.signing.lists.derived.contains_key(&number) {
            return;
        }
        let (Some(tbs), Some(list)) = (self.state.revocation_list_tbs(), self.state.revocation_list()) else {
            let reason = alloc::format!("revocation list {number} cannot be encoded");
            return self.outbox.event(Event::Broken { reason });
        };
        let derived = &mut self.signing.lists.derived;
        derived.insert(number, Derived { tbs, this_update: list.this_update });
        if derived.len() <= LISTS_KEPT {
            return;
        }
        if let Some((old, _)) = derived.pop_first() {
            // Nobody can sign it any more, and a newer one says all that it would have said.
            self.signing.pending.end(&Task::RevocationList(old));
        }
    }

    /// The to-be-signed bytes of a list, if it is among the newest.
    pub(in crate::node) fn revocation_list_bytes(&self, number: u64) -> Option<Vec<u8>> {
        self.signing.lists.derived.get(&number).map(|derived| derived.tbs.clone())
    }

    /// Keeps a signed list, unless there is a newer one.
    pub(super) fn keep_revocation_list(&mut self, number: u64, signature: &StrictSignature) {
        if self.signing.lists.newest_signed() >= Some(number) {
            return;
        }
        let Some(Derived { tbs, this_update }) = self.signing.lists.derived.get(&number) else { return };
        let this_update = this_update.whole_seconds();
        let Ok(der) = crl_der(tbs, signature) else { return };
        let next_update = this_update.plus(CRL_MS_LIFETIME);
        let mut writes = WriteBatch::default();
        writes.put(Table::Signed, LIST_KEY, der.clone());
        let _token = self.persist(writes);
        self.signing.lists.signed = Some(SignedList { number, this_update, next_update, der });
        self.count("trustchain", "revocation_lists_total", 1);
        self.outbox.event(Event::RevocationListSigned { number });
    }

    /// Answers with the newest lists that are signed, once they are what is asked for. Neither authority's waits for the other's.
    pub(in crate::node) fn await_revocation_lists(&mut self, id: RequestId, request: RevocationListRequest) {
        let Some(newest) = self.state.revocation_list_number() else {
            let fault = self.not_ready();
            return self.outbox.respond(id, Err(fault));
        };
        let root_newest = self.state.root_list_number().unwrap_or_default();
        let asked =
            [("", request.at_least, newest), (" of the root key", request.root_at_least, root_newest)];
        for (whose, wanted, newest) in asked {
            if let Some(wanted) = wanted.filter(|wanted| *wanted > newest) {
                let message = alloc::format!(
                    "this node knows of no revocation list {wanted}{whose}: its newest is {newest}"
                );
                return self.outbox.respond(id, Err(ApiFault::unavailable(message)));
            }
        }
        let lists = self.published_lists();
        if answers(&lists, &request) {
            return self.respond_durably(id, Ok(Response::GetRevocationList(lists)));
        }
        if self.signing.lists.waiting.len() >= WAITER_PER_THING_COUNT_MAX {
            let fault = ApiFault::new(FaultKind::ResourceExhausted, WaiterLimitReached::Thing);
            return self.outbox.respond(id, Err(fault));
        }
        self.signing.lists.waiting.push((id, request));
        self.signing.touched.insert(Task::RevocationList(newest));
        let root_list = (root_newest > 0).then_some(Task::RootRevocationList(root_newest));
        self.signing.fresh.extend(root_list.into_iter().chain([Task::RevocationList(newest)]));
    }

    /// The list that this node shows: the newest that is signed.
    pub(in crate::node) fn signed_list(&self) -> Option<&SignedList> {
        self.signing.lists.signed.as_ref()
    }

    /// A request waits for a list no more.
    pub(in crate::node) fn abandon_revocation_list(&mut self, id: RequestId) {
        self.signing.lists.waiting.retain(|(waiting, _)| *waiting != id);
    }

    /// The newest lists that are signed, and the numbers of the newest that there are.
    fn published_lists(&self) -> PublishedLists {
        let issuing = self.signing.lists.signed.as_ref().map(|list| PublishedList {
            number: list.number,
            this_update: list.this_update,
            next_update: list.next_update,
            crl_der: list.der.clone(),
        });
        let newest = self.state.revocation_list_number().unwrap_or_default();
        PublishedLists {
            newest: newest.max(issuing.as_ref().map_or(0, |list| list.number)),
            issuing,
            root: self.root_list(),
            root_newest: self.state.root_list_number().unwrap_or_default(),
        }
    }

    /// The root key's newest list that is signed.
    fn root_list(&self) -> Option<PublishedList> {
        let crl_der = self.shown_root_lists().find_map(|number| {
            let signature = self.signing.finished.get(&Task::RootRevocationList(number))?;
            crl_der(&self.state.root_list_tbs(number)?, signature).ok()
        })?;
        let RevocationList { number, this_update, next_update, .. } = parse_crl(&crl_der).ok()?.list;
        Some(PublishedList { number, this_update, next_update, crl_der })
    }

    /// The numbers of the root key's lists that may be shown, newest first.
    pub(super) fn shown_root_lists(&self) -> impl Iterator<Item = u64> + use<> {
        let newest = self.state.root_list_number();
        newest.into_iter().flat_map(|newest| [newest, newest.saturating_sub(1)]).filter(|number| *number > 0)
    }

    pub(in crate::node) fn answer_revocation_lists(&mut self) {
        if self.signing.lists.waiting.is_empty() {
            return;
        }
        let lists = self.published_lists();
        let waiting = core::mem::take(&mut self.signing.lists.waiting);
        let (answered, waiting): (Vec<_>, _) =
            waiting.into_iter().partition(|(_, request)| answers(&lists, request));
        self.signing.lists.waiting = waiting;
        for (id, _) in answered {
            self.respond_durably(id, Ok(Response::GetRevocationList(lists.clone())));
        }
    }
}

/// Whether these are the lists that are asked for.
fn answers(lists: &PublishedLists, request: &RevocationListRequest) -> bool {
    let is_there = |list: &Option<PublishedList>, wanted: Option<u64>| {
        wanted.is_none_or(|wanted| list.as_ref().is_some_and(|list| list.number >= wanted))
    };
    (lists.issuing.is_some() || lists.root.is_some())
        && is_there(&lists.issuing, request.at_least)
        && is_there(&lists.root, request.root_at_least)
}
