//! Revocation lists: the bytes that the committed state fixes, the signed list that this node shows, and who waits
//! for a newer one.
//!
//! A signed list is a side table: it is kept whole, because the state moves on and cannot make an older one again. A
//! node that finds no quorum goes on showing the last one; `nextUpdate` tells its age.

use crate::api::{ApiFault, FaultKind, PublishedList, Response};
use crate::base::{Reader as _, StrictSignature, Table, WriteBatch, decode, encode};
use crate::hypermesh::committee::KeyPurpose;
use crate::node::task::Task;
use crate::node::waiters::{Crowded, WAITER_PER_THING_COUNT_MAX};
use crate::node::{Event, Node, OpenFault, RequestId};
use crate::trustchain::ca::{CRL_BYTES_MAX, CRL_MS_LIFETIME, crl_der, take_apart_crl};
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
    signed: Option<PublishedList>,
    /// Who waits for a list with at least this number.
    waiting: Vec<(RequestId, u64)>,
}

struct Derived {
    tbs: Vec<u8>,
    this_update: crate::base::UnixMillis,
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
            let damaged = OpenFault::Damaged { what: "revocation list" };
            let list: PublishedList = decode(&row, CRL_BYTES_MAX + 1024).map_err(|_| damaged)?;
            match self.signature_of(&list) {
                Some(signature) => {
                    self.signing.finished.insert(Task::RevocationList(list.number), signature);
                    self.signing.lists.signed = Some(list);
                }
                None => self.drop_stored(LIST_KEY.to_vec(), "revocation list"),
            }
        }
        self.want_shared(self.state.time());
        Ok(())
    }

    /// The signature of a stored list, if it holds. The bytes are the list's own: an older one cannot be derived again.
    fn signature_of(&self, list: &PublishedList) -> Option<StrictSignature> {
        let key = self.signing.committee.as_ref()?.keys().public(KeyPurpose::Issuing)?;
        let signed = take_apart_crl(&list.crl_der).ok().filter(|signed| signed.list.number == list.number)?;
        signed.signed_by(&key).ok()
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
            self.signing.sessions.end(&Task::RevocationList(old));
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
        let this_update = *this_update;
        let Ok(crl_der) = crl_der(tbs, signature) else { return };
        let next_update = this_update.plus(CRL_MS_LIFETIME);
        let list = PublishedList { number, this_update, next_update, newest: number, crl_der };
        let mut writes = WriteBatch::default();
        writes.put(Table::Signed, LIST_KEY, encode(&list));
        let _token = self.persist(writes);
        self.signing.lists.signed = Some(list);
        self.count("trustchain", "revocation_lists_total", 1);
        self.outbox.event(Event::RevocationListSigned { number });
    }

    /// Answers with the newest signed list, once it has at least this number.
    pub(in crate::node) fn want_revocation_list(&mut self, id: RequestId, at_least: Option<u64>) {
        let Some(newest) = self.state.revocation_list_number() else {
            let fault = self.not_ready();
            return self.outbox.respond(id, Err(fault));
        };
        let wanted = at_least.unwrap_or_default();
        if wanted > newest {
            let message =
                alloc::format!("this node knows of no revocation list {wanted}: its newest is {newest}");
            return self.outbox.respond(id, Err(ApiFault::unavailable(message)));
        }
        if let Some(list) = self.published_list().filter(|list| list.number >= wanted) {
            return self.respond_durably(id, Ok(Response::GetRevocationList(list)));
        }
        if self.signing.lists.waiting.len() >= WAITER_PER_THING_COUNT_MAX {
            let fault = ApiFault::new(FaultKind::ResourceExhausted, Crowded::Thing);
            return self.outbox.respond(id, Err(fault));
        }
        self.signing.lists.waiting.push((id, wanted));
        self.signing.touched.insert(Task::RevocationList(newest));
        self.signing.fresh.push(Task::RevocationList(newest));
    }

    /// The list that this node shows: the newest that is signed.
    pub(in crate::node) fn signed_list(&self) -> Option<&PublishedList> {
        self.signing.lists.signed.as_ref()
    }

    /// A request waits for a list no more.
    pub(in crate::node) fn abandon_revocation_list(&mut self, id: RequestId) {
        self.signing.lists.waiting.retain(|(waiting, _)| *waiting != id);
    }

    /// The newest signed list, and the number of the newest that there is.
    fn published_list(&self) -> Option<PublishedList> {
        let list = self.signing.lists.signed.clone()?;
        let newest = self.state.revocation_list_number().unwrap_or_default();
        Some(PublishedList { newest: newest.max(list.number), ..list })
    }

    pub(in crate::node) fn answer_revocation_lists(&mut self) {
        if self.signing.lists.waiting.is_empty() {
            return;
        }
        let Some(list) = self.published_list() else { return };
        for (id, wanted) in core::mem::take(&mut self.signing.lists.waiting) {
            if list.number >= wanted {
                self.respond_durably(id, Ok(Response::GetRevocationList(list.clone())));
            } else {
                self.signing.lists.waiting.push((id, wanted));
            }
        }
    }
}
