//! Revocation lists: the bytes that the committed state fixes, the signed lists that this node shows, and who waits
//! for a newer one.
//!
//! A signed list of the issuing key is a side table: it is kept whole, because the state moves on and cannot make an older one again. A
//! node that finds no quorum goes on showing the last one; `nextUpdate` tells its age. The root key's lists can be made
//! again from the state, so that only their signatures are kept; until the newest is signed, the one before it is shown.

use crate::api::{ApiFault, FaultKind, PublishedList, PublishedLists, Response, RevocationListRequest};
use crate::base::{Reader as _, StrictSignature, Table, UnixMillis, WriteBatch};
use crate::hypermesh::committee::KeyPurpose;
use crate::node::signing::Signing;
use crate::node::task::Task;
use crate::node::waiters::{WAITER_PER_THING_COUNT_MAX, WaiterLimitReached};
use crate::node::{Event, OpenFault, RequestId, context::Context};
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

impl Signing {
    /// Picks up the list that was signed before a restart.
    pub(super) fn load_revocation_list(&mut self, cx: &mut Context) -> Result<(), OpenFault> {
        self.derive_revocation_list(cx);
        if let Some(row) = cx.store.get(Table::Signed, LIST_KEY)? {
            match Self::take_stored_list(cx, row) {
                Some((list, signature)) => {
                    self.finished.insert(Task::RevocationList(list.number), signature);
                    self.lists.signed = Some(list);
                }
                None => Self::drop_stored(cx, LIST_KEY.to_vec(), "revocation list"),
            }
        }
        self.request_shared_signatures(cx, cx.state.time());
        Ok(())
    }

    /// A stored list with its signature, if that holds. The bytes are the list's own: an older one cannot be derived again.
    fn take_stored_list(cx: &Context, der: Vec<u8>) -> Option<(SignedList, StrictSignature)> {
        let key = cx.committee.as_ref()?.keys().public(KeyPurpose::Issuing)?;
        let signed = parse_crl(&der).ok()?;
        let signature = signed.signed_by(&key).ok()?;
        let RevocationList { number, this_update, next_update, .. } = signed.list;
        Some((SignedList { number, this_update, next_update, der }, signature))
    }

    /// Derives the bytes of a list that the last block fixed.
    pub(super) fn derive_revocation_list(&mut self, cx: &mut Context) {
        let Some(number) = cx.state.revocation_list_number() else { return };
        if self.lists.derived.contains_key(&number) {
            return;
        }
        let (Some(tbs), Some(list)) = (cx.state.revocation_list_tbs(), cx.state.revocation_list()) else {
            let reason = alloc::format!("revocation list {number} cannot be encoded");
            return cx.outbox.event(Event::Broken { reason });
        };
        let derived = &mut self.lists.derived;
        derived.insert(number, Derived { tbs, this_update: list.this_update });
        if derived.len() <= LISTS_KEPT {
            return;
        }
        if let Some((old, _)) = derived.pop_first() {
            // Nobody can sign it any more, and a newer one says all that it would have said.
            self.pending.end(&Task::RevocationList(old));
        }
    }

    /// The to-be-signed bytes of a list, if it is among the newest.
    pub(in crate::node) fn revocation_list_bytes(&self, number: u64) -> Option<Vec<u8>> {
        self.lists.derived.get(&number).map(|derived| derived.tbs.clone())
    }

    /// Keeps a signed list, unless there is a newer one.
    pub(super) fn keep_revocation_list(
        &mut self,
        cx: &mut Context,
        number: u64,
        signature: &StrictSignature,
    ) {
        if self.lists.newest_signed() >= Some(number) {
            return;
        }
        let Some(Derived { tbs, this_update }) = self.lists.derived.get(&number) else { return };
        let this_update = this_update.whole_seconds();
        let Ok(der) = crl_der(tbs, signature) else { return };
        let next_update = this_update.plus(CRL_MS_LIFETIME);
        let mut writes = WriteBatch::default();
        writes.put(Table::Signed, LIST_KEY, der.clone());
        let _token = cx.persist(writes);
        self.lists.signed = Some(SignedList { number, this_update, next_update, der });
        cx.count("trustchain", "revocation_lists_total", 1);
        cx.outbox.event(Event::RevocationListSigned { number });
    }

    /// Answers with the newest lists that are signed, once they are what is asked for. Neither authority's waits for the other's.
    pub(in crate::node) fn await_revocation_lists(
        &mut self,
        cx: &mut Context,
        id: RequestId,
        request: RevocationListRequest,
    ) {
        let Some(newest) = cx.state.revocation_list_number() else {
            let fault = cx.not_ready();
            return cx.outbox.respond(id, Err(fault));
        };
        let root_newest = cx.state.root_list_number().unwrap_or_default();
        let asked =
            [("", request.at_least, newest), (" of the root key", request.root_at_least, root_newest)];
        for (whose, wanted, newest) in asked {
            if let Some(wanted) = wanted.filter(|wanted| *wanted > newest) {
                let message = alloc::format!(
                    "this node knows of no revocation list {wanted}{whose}: its newest is {newest}"
                );
                return cx.outbox.respond(id, Err(ApiFault::unavailable(message)));
            }
        }
        let lists = self.published_lists(cx);
        if answers(&lists, &request) {
            return cx.respond_durably(id, Ok(Response::GetRevocationList(lists)));
        }
        if self.lists.waiting.len() >= WAITER_PER_THING_COUNT_MAX {
            let fault = ApiFault::new(FaultKind::ResourceExhausted, WaiterLimitReached::Thing);
            return cx.outbox.respond(id, Err(fault));
        }
        self.lists.waiting.push((id, request));
        self.touched.insert(Task::RevocationList(newest));
        let root_list = (root_newest > 0).then_some(Task::RootRevocationList(root_newest));
        self.fresh.extend(root_list.into_iter().chain([Task::RevocationList(newest)]));
    }

    /// The list that this node shows: the newest that is signed.
    pub(in crate::node) fn signed_list(&self) -> Option<&SignedList> {
        self.lists.signed.as_ref()
    }

    /// A request waits for a list no more.
    pub(in crate::node) fn abandon_revocation_list(&mut self, id: RequestId) {
        self.lists.waiting.retain(|(waiting, _)| *waiting != id);
    }

    /// The newest lists that are signed, and the numbers of the newest that there are.
    fn published_lists(&self, cx: &Context) -> PublishedLists {
        let issuing = self.lists.signed.as_ref().map(|list| PublishedList {
            number: list.number,
            this_update: list.this_update,
            next_update: list.next_update,
            crl_der: list.der.clone(),
        });
        let newest = cx.state.revocation_list_number().unwrap_or_default();
        PublishedLists {
            newest: newest.max(issuing.as_ref().map_or(0, |list| list.number)),
            issuing,
            root: self.root_list(cx),
            root_newest: cx.state.root_list_number().unwrap_or_default(),
        }
    }

    /// The root key's newest list that is signed.
    fn root_list(&self, cx: &Context) -> Option<PublishedList> {
        let crl_der = Self::shown_root_lists(cx).find_map(|number| {
            let signature = self.finished.get(&Task::RootRevocationList(number))?;
            crl_der(&cx.state.root_list_tbs(number)?, signature).ok()
        })?;
        let RevocationList { number, this_update, next_update, .. } = parse_crl(&crl_der).ok()?.list;
        Some(PublishedList { number, this_update, next_update, crl_der })
    }

    /// The numbers of the root key's lists that may be shown, newest first.
    pub(super) fn shown_root_lists(cx: &Context) -> impl Iterator<Item = u64> + use<> {
        let newest = cx.state.root_list_number();
        newest.into_iter().flat_map(|newest| [newest, newest.saturating_sub(1)]).filter(|number| *number > 0)
    }

    pub(in crate::node) fn answer_revocation_lists(&mut self, cx: &mut Context) {
        if self.lists.waiting.is_empty() {
            return;
        }
        let lists = self.published_lists(cx);
        let waiting = core::mem::take(&mut self.lists.waiting);
        let (answered, waiting): (Vec<_>, _) =
            waiting.into_iter().partition(|(_, request)| answers(&lists, request));
        self.lists.waiting = waiting;
        for (id, _) in answered {
            cx.respond_durably(id, Ok(Response::GetRevocationList(lists.clone())));
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
