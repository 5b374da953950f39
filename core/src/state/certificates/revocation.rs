//! Revocation: who may revoke what, and the list that tells the world.
//!
//! A certificate is revoked by one operation and stays so. The same block takes its keys out of the zone and fixes a
//! new list; besides, the first block past each period fixes one, so that none is ever past its `nextUpdate` while
//! the mesh goes on. The committee signs the list's bytes afterwards, as each node derives them from its state.
//!
//! The root key signs a list too, with nothing in it: see [`crate::trustchain::ca::RevocationList`]. The block that brings
//! the keys fixes the first, and the first block past each of its periods the next.
//!
//! The list has no place for certificates past their end: those leave it by rule (RFC 5280 §3.3), so it stays small
//! as long as certificates are short-lived.

use crate::base::{PublicKey, UnixMillis};
use crate::planted::{self, Bug};
use crate::state::block::execute::BlockPosition;
use crate::state::chain::row::{RevocationListHead, Revoked, RootRevocationList, Row as _};
use crate::state::{Certificate, Due, Refusal, Revocation, State, StateDraft};
use crate::trustchain::DomainName;
use crate::trustchain::ca::{
    CRL_MS_LIFETIME, CRL_MS_PERIOD, REVOKED_COUNT_MAX, ROOT_CRL_MS_PERIOD, RevocationList, RevocationReason,
    RevokedEntry, SerialNumber,
};
use alloc::vec::Vec;

/// Why there is to be a new revocation list.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::state) struct ListDue {
    /// A certificate was revoked in this block.
    pub(in crate::state) revoked: bool,
    /// The period is over.
    pub(in crate::state) scheduled: bool,
}

impl State {
    /// The newest revocation list, once the committee's keys are active.
    #[must_use]
    pub fn revocation_list(&self) -> Option<RevocationList> {
        let head = self.get::<RevocationListHead>(&())?;
        let entry = |(key, row): (Vec<u8>, Revoked)| {
            let serial = SerialNumber::from_bytes(&key).ok()?;
            Some(RevokedEntry { serial, at: row.at, reason: row.reason })
        };
        Some(RevocationList {
            number: head.number,
            this_update: head.this_update,
            next_update: head.this_update.plus(CRL_MS_LIFETIME),
            entries: self.rows::<Revoked>(Vec::new()).filter_map(entry).collect(),
        })
    }

    /// The newest revocation list's to-be-signed bytes.
    #[must_use]
    pub fn revocation_list_tbs(&self) -> Option<Vec<u8>> {
        self.issuer()?.crl_tbs(&self.revocation_list()?).ok()
    }

    /// The number of the root key's newest revocation list, once the committee's keys are active.
    #[must_use]
    pub fn root_list_number(&self) -> Option<u64> {
        let key = self.last_key(RootRevocationList::TAG)?;
        key.get(1..)?.try_into().ok().map(u64::from_be_bytes)
    }

    /// The to-be-signed bytes of the root key's revocation list of this number.
    #[must_use]
    pub fn root_list_tbs(&self, number: u64) -> Option<Vec<u8>> {
        let RootRevocationList { time } = self.get(&number)?;
        self.issuer()?.root_crl_tbs(number, time).ok()
    }

    /// How many certificates stand in the revocation list, once the committee's keys are active.
    #[must_use]
    pub fn revocation_list_entries(&self) -> Option<u32> {
        self.get::<RevocationListHead>(&()).map(|head| head.entries)
    }

    /// The number of the newest revocation list, once the committee's keys are active.
    #[must_use]
    pub fn revocation_list_number(&self) -> Option<u64> {
        self.get::<RevocationListHead>(&()).map(|head| head.number)
    }

    /// A certificate belongs to whoever asked for it. Names may have been given away since: whoever owns one that the
    /// certificate bears may revoke it too.
    pub(in crate::state) fn may_revoke(
        &self,
        certificate: &Certificate,
        who: PublicKey,
        at: UnixMillis,
    ) -> bool {
        let owns = |name: &DomainName| self.owner_of(name, at) == Some(who);
        let may = certificate.owner == who || self.certified_names(&certificate.names).iter().any(owns);
        may || planted::is(Bug::RevocationByAnybody)
    }
}

impl StateDraft {
    /// Takes a certificate that holds still out of the zone and into the list.
    pub(in crate::state) fn end(
        &mut self,
        serial: SerialNumber,
        reason: RevocationReason,
        position: BlockPosition,
    ) -> Result<Revocation, Refusal> {
        let certificate = self.state().get::<Certificate>(&serial);
        let mut certificate = certificate.ok_or(Refusal::NoCertificate { serial })?;
        let mut head = self.revocation_list_head(position);
        if head.entries as usize >= REVOKED_COUNT_MAX {
            return Err(Refusal::RevocationListFull { entries: head.entries });
        }
        head.entries += 1;
        let at = position.time;
        // One list covers all that this block revokes.
        let revocation = Revocation { at, reason, list: head.number + 1 };
        self.put(&(), &head);
        self.put(&serial, &Revoked { at, reason, not_after: certificate.not_after });
        self.unpublish(&serial, &certificate);
        self.forget_bearer(serial, &certificate);
        self.forget_names(serial, &certificate);
        certificate.revocation = Some(revocation);
        self.put(&serial, &certificate);
        self.list.revoked = true;
        Ok(revocation)
    }

    /// Fixes a new revocation list, if a certificate was revoked or the period is over.
    pub(in crate::state) fn fix_revocation_list(&mut self, position: BlockPosition) {
        let ListDue { revoked, scheduled } = core::mem::take(&mut self.list);
        if !revoked && !scheduled {
            return;
        }
        let time = position.time;
        let mut head = self.revocation_list_head(position);
        if scheduled {
            head.entries -= self.drop_expired(&head);
            head.scheduled = time;
            self.schedule(time.plus(CRL_MS_PERIOD), Due::RevocationList);
        }
        head.number += 1;
        head.this_update = time;
        self.put(&(), &head);
    }

    /// Fixes the next list of the root key, unless the root certificate has ended.
    pub(in crate::state) fn fix_root_list(&mut self, position: BlockPosition) {
        let time = position.time;
        if self.state().issuer().is_none_or(|issuer| !issuer.root_validity.contains(time)) {
            return;
        }
        let number = self.state().root_list_number().unwrap_or_default() + 1;
        self.put(&number, &RootRevocationList { time });
        self.schedule(time.plus(ROOT_CRL_MS_PERIOD), Due::RootRevocationList);
    }

    /// The newest list. There is none before the end of the block that brings the keys, which may issue a certificate and
    /// revoke it already.
    fn revocation_list_head(&self, position: BlockPosition) -> RevocationListHead {
        let time = position.time;
        let first = RevocationListHead { number: 0, this_update: time, scheduled: time, entries: 0 };
        self.state().get::<RevocationListHead>(&()).unwrap_or(first)
    }

    /// Takes those out of the list that stood in a scheduled one after they had expired (RFC 5280 §3.3), and counts
    /// them.
    fn drop_expired(&mut self, head: &RevocationListHead) -> u32 {
        let over = |(key, row): (Vec<u8>, Revoked)| {
            let was_told = row.not_after.seconds() < head.scheduled.seconds();
            was_told.then(|| SerialNumber::from_bytes(&key).ok()).flatten()
        };
        let over: Vec<SerialNumber> = self.state().rows::<Revoked>(Vec::new()).filter_map(over).collect();
        over.iter().for_each(|serial| self.remove::<Revoked>(serial));
        u32::try_from(over.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypermesh::committee::KeyPurpose;
    use crate::state::operations::Rules as _;
    use crate::state::tests::test_util::*;
    use crate::state::{Effect, Outcome, Published, RevokeCertificate, SameKey, Unpaid};
    use crate::trustchain::ca::{RevocationReason, crl_der, parse_crl};
    use crate::trustchain::dns::{RecordSet, RecordType};

    const GIVEN: &str = "given.demo.hypermesh";
    const HOUR_MS: u64 = 3_600_000;

    fn issued(mesh: &mut Mesh, names: &[&str]) -> SerialNumber {
        match mesh.done(&alice(), issue(names)) {
            Effect::CertificateApproved { serial, .. } => serial,
            other => panic!("{other:?}"),
        }
    }

    fn head(mesh: &Mesh) -> RevocationListHead {
        mesh.state.get::<RevocationListHead>(&()).unwrap()
    }

    fn listed(mesh: &Mesh) -> Vec<SerialNumber> {
        let list = mesh.state.revocation_list().unwrap();
        assert_eq!(list.entries.len(), head(mesh).entries as usize);
        list.entries.iter().map(|entry| entry.serial).collect()
    }

    #[test]
    fn a_revocation_stands_in_the_state_the_list_and_no_longer_in_the_zone() {
        let mut mesh = Mesh::active();
        let serial = issued(&mut mesh, &[GIVEN]);
        let before = head(&mesh).number;
        let effect = mesh.done(&alice(), revoke(serial, RevocationReason::KeyCompromise));
        let header = &mesh.blocks.last().unwrap().header;
        let at = header.time;
        let revocation = Revocation { at, reason: RevocationReason::KeyCompromise, list: before + 1 };
        assert_eq!(effect, Effect::CertificateRevoked { serial, revocation, same_key: SameKey::default() });
        let row: Certificate = mesh.state.get(&serial).unwrap();
        assert_eq!(row.revocation, Some(revocation));
        let entry = RevokedEntry { serial, at, reason: RevocationReason::KeyCompromise };
        let list = mesh.state.revocation_list().unwrap();
        assert_eq!((list.number, list.this_update, list.entries), (before + 1, at, alloc::vec![entry]));
        assert_eq!(list.next_update, at.plus(CRL_MS_LIFETIME));
        let tlsa = name("_443._tcp.given.demo.hypermesh");
        assert_eq!(mesh.state.get::<RecordSet>(&(tlsa.clone(), RecordType::Tlsa)), None);
        assert_eq!(mesh.state.get::<Published>(&tlsa), None);
    }

    #[test]
    fn revoked_again_it_says_what_stands_and_makes_no_new_list() {
        let mut mesh = Mesh::active();
        let serial = issued(&mut mesh, &[GIVEN]);
        let first = mesh.done(&alice(), revoke(serial, RevocationReason::Superseded));
        let (number, row) = (head(&mesh).number, mesh.state.get::<Certificate>(&serial));
        mesh.pass(HOUR_MS);
        assert_eq!(mesh.done(&alice(), revoke(serial, RevocationReason::KeyCompromise)), first);
        assert_eq!((head(&mesh).number, mesh.state.get::<Certificate>(&serial)), (number, row));
        // Even when it has expired, what stands is told.
        mesh.pass(30 * HOUR_MS);
        assert_eq!(mesh.done(&alice(), revoke(serial, RevocationReason::Unspecified)), first);
    }

    #[test]
    fn only_its_owner_and_the_owners_of_its_names_may_revoke_it() {
        let mut mesh = Mesh::active();
        let serial = issued(&mut mesh, &[GIVEN, "bob.given.demo.hypermesh"]);
        let action = revoke(serial, RevocationReason::PrivilegeWithdrawn);
        let refusal = Refusal::NotCertificateOwner { serial, owner: alice().public() };
        assert_eq!(mesh.refused(&bob(), action.clone()), refusal);
        // The name becomes bob's, and with it the right to say that nobody else bears it.
        mesh.done(&alice(), register("bob.given.demo.hypermesh", &bob()));
        mesh.done(&bob(), action);
        let other = issued(&mut mesh, &[GIVEN]);
        let action = revoke(other, RevocationReason::PrivilegeWithdrawn);
        assert!(matches!(mesh.refused(&bob(), action.clone()), Refusal::NotCertificateOwner { .. }));
        assert!(matches!(mesh.unpaid(&pauper(), action), Unpaid::Refused(Refusal::Funds { .. })));
        assert_eq!(listed(&mesh), [serial]);
    }

    #[test]
    fn what_is_not_there_or_has_expired_cannot_be_revoked() {
        let mut mesh = Mesh::active();
        let unknown = SerialNumber::from_operation(&crate::base::Digest([9; 32]));
        let refusal = mesh.refused(&alice(), revoke(unknown, RevocationReason::Unspecified));
        assert_eq!(refusal, Refusal::NoCertificate { serial: unknown });
        let serial = issued(&mut mesh, &[GIVEN]);
        let not_after = mesh.state.get::<Certificate>(&serial).unwrap().not_after;
        mesh.pass(25 * HOUR_MS);
        let refusal = mesh.refused(&alice(), revoke(serial, RevocationReason::Unspecified));
        assert_eq!(refusal, Refusal::CertificateExpired { serial, not_after });
        assert!(listed(&mesh).is_empty());
    }

    #[test]
    fn one_list_covers_all_that_a_block_revokes() {
        let mut mesh = Mesh::active();
        let serials = [issued(&mut mesh, &[GIVEN]), issued(&mut mesh, &[GIVEN])];
        let number = head(&mesh).number;
        mesh.await_ticket_time(&mesh.validators[0].clone());
        let operations =
            serials.map(|serial| mesh.operation(&alice(), revoke(serial, RevocationReason::Superseded)));
        mesh.carry(operations.to_vec());
        assert_eq!((head(&mesh).number, listed(&mesh).len()), (number + 1, 2));
    }

    #[test]
    fn there_is_a_first_list_with_the_keys_and_a_new_one_each_period() {
        let mut mesh = Mesh::active();
        assert_eq!((head(&mesh).number, listed(&mesh).len()), (1, 0));
        let first = head(&mesh).this_update;
        assert_eq!(first, mesh.state.committee().unwrap().time);
        mesh.pass(first.plus(CRL_MS_PERIOD).since(mesh.state.time()));
        assert_eq!(head(&mesh).number, 1);
        mesh.pass(1);
        assert_eq!((head(&mesh).number, head(&mesh).this_update), (2, mesh.state.time()));
        mesh.pass(CRL_MS_PERIOD - 1);
        mesh.pass(1);
        assert_eq!(head(&mesh).number, 2);
        // A mesh that stood still for a year makes one list, not seven hundred.
        mesh.pass(365 * 24 * HOUR_MS);
        assert_eq!(head(&mesh).number, 3);
    }

    #[test]
    fn the_root_key_has_a_list_from_the_first_and_a_new_one_each_period_as_long_as_its_certificate_holds() {
        let mut mesh = Mesh::active();
        let begin = mesh.state.committee().unwrap().time;
        assert_eq!(mesh.state.root_list_number(), Some(1));
        assert_eq!(mesh.state.get::<RootRevocationList>(&1), Some(RootRevocationList { time: begin }));
        mesh.pass(begin.plus(ROOT_CRL_MS_PERIOD).since(mesh.state.time()));
        assert_eq!(mesh.state.root_list_number(), Some(1));
        mesh.pass(1);
        assert_eq!(mesh.state.root_list_number(), Some(2));
        let first = parse_tbs(&mesh, 1);
        let second = parse_tbs(&mesh, 2);
        assert!(second.this_update > first.this_update && second.this_update < first.next_update);
        assert_eq!((first.number, second.number, second.entries.len()), (1, 2, 0));
        // After a standstill of years there is one list, not one for each period.
        mesh.pass(ROOT_CRL_MS_PERIOD * 9);
        assert_eq!(mesh.state.root_list_number(), Some(3));
        let ends = mesh.state.issuer().unwrap().root_validity.not_after;
        mesh.pass(ends.since(mesh.state.time()) - ROOT_CRL_MS_PERIOD / 2);
        assert_eq!(mesh.state.root_list_number(), Some(4));
        assert_eq!(parse_tbs(&mesh, 4).next_update, ends);
        mesh.pass(ROOT_CRL_MS_PERIOD * 2);
        assert_eq!(mesh.state.root_list_number(), Some(4), "the root has ended");
        assert_eq!(mesh.state.root_list_tbs(5), None);
    }

    fn parse_tbs(mesh: &Mesh, number: u64) -> RevocationList {
        let tbs = mesh.state.root_list_tbs(number).unwrap();
        let der = crl_der(&tbs, &mesh.sign(KeyPurpose::Root, &tbs)).unwrap();
        parse_crl(&der).unwrap().list
    }

    #[test]
    fn the_block_that_brings_the_keys_may_issue_a_certificate_and_revoke_it() {
        let whole = Mesh::active();
        let mut mesh = Mesh::new();
        mesh.advance_system(whole.blocks[0].body.system.clone());
        let issue = mesh.operation(&alice(), issue(&[GIVEN]));
        let serial = SerialNumber::from_operation(&issue.id().0);
        let revoke = mesh.operation(&alice(), revoke(serial, RevocationReason::Superseded));
        let carrier = mesh.validators[0].clone();
        let batches = [mesh.checked(mesh.batch(&carrier, alloc::vec![issue, revoke]))].into();
        let system = whole.confirmations;
        let receipts = mesh.advance(crate::state::Candidate { system, batches, ..mesh.candidate() });
        assert!(receipts.iter().all(|receipt| matches!(receipt.outcome, Outcome::Done(_))), "{receipts:?}");
        assert_eq!((head(&mesh).number, listed(&mesh)), (1, alloc::vec![serial]));
        let row: Certificate = mesh.state.get(&serial).unwrap();
        assert_eq!(row.revocation.map(|revocation| revocation.list), Some(1));
    }

    #[test]
    fn a_certificate_leaves_the_list_once_a_scheduled_one_has_told_of_it_past_its_end() {
        let mut mesh = Mesh::active();
        let serial = issued(&mut mesh, &[GIVEN]);
        let not_after = mesh.state.get::<Certificate>(&serial).unwrap().not_after;
        mesh.done(&alice(), revoke(serial, RevocationReason::Superseded));
        let mut told = None::<UnixMillis>;
        for _ in 0..8 {
            mesh.pass(CRL_MS_PERIOD / 2 + 1);
            let scheduled = head(&mesh).scheduled;
            let gone = told.is_some_and(|told| scheduled > told);
            assert_eq!(listed(&mesh).is_empty(), gone, "told {told:?}, scheduled {scheduled}");
            if scheduled.seconds() > not_after.seconds() {
                told.get_or_insert(scheduled);
            }
        }
        assert!(listed(&mesh).is_empty());
        let row: Certificate = mesh.state.get(&serial).unwrap();
        assert!(row.revocation.is_some(), "it stays revoked");
    }

    #[test]
    fn a_full_list_takes_no_more_and_says_so() {
        let mut mesh = Mesh::active();
        let serials = [issued(&mut mesh, &[GIVEN]), issued(&mut mesh, &[GIVEN])];
        let mut draft = mesh.state.draft();
        let entries = u32::try_from(REVOKED_COUNT_MAX - 1).unwrap();
        draft.put(&(), &RevocationListHead { entries, ..head(&mesh) });
        let position = BlockPosition { height: mesh.state.height().next(), time: mesh.state.time().plus(1) };
        let mut attempt = |serial| {
            let reason = RevocationReason::Unspecified;
            RevokeCertificate { serial_number: serial, reason }.execute(
                &mut draft,
                &caller(&alice()),
                position,
            )
        };
        assert!(matches!(attempt(serials[0]), Ok(Effect::CertificateRevoked { .. })));
        assert_eq!(attempt(serials[1]), Err(Refusal::RevocationListFull { entries: entries + 1 }));
    }
}
