//! Keys that are known to be compromised: no certificate is approved for one again, whoever asks, and no TLSA record that the
//! mesh takes names one.
//!
//! A key is reported by the owner of a certificate that bears it, by revoking that with the reason `keyCompromise`, also when
//! it has ended or was revoked for another reason: whoever asked for it showed that the key was theirs to use (RFC 2986 §4.2).
//! The owner of a name that it bears may revoke it too, but not say this of a key that is not theirs: that would keep
//! strangers from certifying their own.
//!
//! What else the owner has that bears the key is revoked with it; certificates of other owners are named in the receipt, and
//! are theirs to revoke.

use crate::base::{Digest, PublicKey, UnixMillis};
use crate::planted::{self, Bug};
use crate::state::block::execute::BlockPosition;
use crate::state::chain::row::row;
use crate::state::{Certificate, Refusal, State, StateDraft};
use crate::trustchain::ca::{RevocationReason, SerialNumber};
use crate::trustchain::dns::{RecordData, RecordSet};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The most other certificates that one operation revokes because they bear the same key.
pub const REVOKED_TOGETHER_MAX: usize = 32;
/// The most certificates that a receipt names because they bear a compromised key and stand still.
pub const LEFT_STANDING_MAX: usize = 32;

/// A key that is known to be compromised, by the SHA-256 of its subject public key info.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct CompromisedKey {
    /// The time of the block that reported it first.
    pub since: UnixMillis,
    /// The certificate by which it was reported.
    pub serial: SerialNumber,
}

/// That a certificate bears a key, by the key and the certificate's owner: there as long as it is neither revoked nor past
/// its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(in crate::state) struct KeyUse {
    /// Its last moment.
    pub(in crate::state) not_after: UnixMillis,
}

row!(CompromisedKey, 30, Digest, |key| key.0.to_vec());
row!(KeyUse, 31, (Digest, PublicKey, SerialNumber), |key| {
    [&key.0.0[..], &key.1.0, key.2.as_bytes()].concat()
});

/// What a key takes in the keys of rows.
const KEY_BYTES: usize = 32;

/// What a report of a compromised key comes to, beside the certificate that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SameKey {
    /// Other certificates of the same key and owner, revoked with it.
    pub revoked: Vec<SerialNumber>,
    /// Certificates of the key that stand still, as far as they are named: of other owners, or too many for one operation.
    pub standing: Vec<SerialNumber>,
}

impl State {
    /// Since when a key is known to be compromised, if it is.
    #[must_use]
    pub fn compromised(&self, key: &Digest) -> Option<CompromisedKey> {
        self.get::<CompromisedKey>(key)
    }

    /// Refuses a key that is known to be compromised.
    pub(in crate::state) fn require_sound(&self, key: &Digest) -> Result<(), Refusal> {
        match self.compromised(key) {
            Some(CompromisedKey { since, .. }) if !planted::is(Bug::CompromisedKeyTaken) => {
                Err(Refusal::Compromised { key: *key, since })
            }
            _ => Ok(()),
        }
    }

    /// Refuses TLSA records of keys that are known to be compromised, where they name the key by itself or its SHA-256.
    pub(in crate::state) fn require_sound_records(&self, records: &RecordSet) -> Result<(), Refusal> {
        records.data.iter().filter_map(key_of).try_for_each(|key| self.require_sound(&key))
    }

    /// The certificates that bear a key and hold still at a moment, by owner: of one, or of all. What has ended may stand
    /// here for a while.
    fn bearing(
        &self,
        key: &Digest,
        owner: Option<&PublicKey>,
        at: UnixMillis,
    ) -> impl Iterator<Item = (PublicKey, SerialNumber)> {
        let prefix = [&key.0[..], owner.map_or(&[][..], |owner| &owner.0)].concat();
        let read = |row: &[u8]| {
            let (owner, serial) = row.get(KEY_BYTES..)?.split_first_chunk()?;
            Some((PublicKey(*owner), SerialNumber::from_bytes(serial).ok()?))
        };
        let holds = self.rows::<KeyUse>(prefix).filter(move |(_, key_use)| at <= key_use.not_after);
        holds.filter_map(move |(row, _)| read(&row))
    }
}

/// The key that a TLSA record names (RFC 6698 §2.1.2, selector 1), by the SHA-256 of its subject public key info.
fn key_of(record: &RecordData) -> Option<Digest> {
    match record {
        RecordData::Tlsa { selector: 1, matching: 0, data, .. } => Some(Digest(Sha256::digest(data).into())),
        RecordData::Tlsa { selector: 1, matching: 1, data, .. } => {
            data.as_slice().try_into().ok().map(Digest)
        }
        _ => None,
    }
}

impl StateDraft {
    /// Notes that a certificate bears its key.
    pub(in crate::state) fn note_bearer(&mut self, serial: SerialNumber, certificate: &Certificate) {
        self.put(
            &(certificate.subject_key, certificate.owner, serial),
            &KeyUse { not_after: certificate.not_after },
        );
    }

    /// Notes that a certificate bears its key no longer: it is revoked, or past its end.
    pub(in crate::state) fn forget_bearer(&mut self, serial: SerialNumber, certificate: &Certificate) {
        self.remove::<KeyUse>(&(certificate.subject_key, certificate.owner, serial));
    }

    /// Notes that the key of a certificate is compromised, and revokes what else its owner has that bears it.
    pub(in crate::state) fn report_key(
        &mut self,
        serial: SerialNumber,
        certificate: &Certificate,
        position: BlockPosition,
    ) -> SameKey {
        let key = certificate.subject_key;
        if self.state().compromised(&key).is_none() {
            self.put(&key, &CompromisedKey { since: position.time, serial });
        }
        let owner = certificate.owner;
        let own = |draft: &Self, count| -> Vec<SerialNumber> {
            let own = draft.state().bearing(&key, Some(&owner), position.time);
            own.map(|(_, serial)| serial).take(count).collect()
        };
        let mut revoked = own(self, REVOKED_TOGETHER_MAX);
        // Until the list is full.
        let mut end =
            |other: &SerialNumber| self.end(*other, RevocationReason::KeyCompromise, position).is_ok();
        let ended = revoked.iter().take_while(|other| end(other)).count();
        revoked.truncate(ended);
        // Its owner's first: whoever has stolen the key can have others certified for it.
        let mut standing = own(self, LEFT_STANDING_MAX);
        let others = self.state().bearing(&key, None, position.time).filter(|(holder, _)| *holder != owner);
        standing.extend(others.map(|(_, serial)| serial).take(LEFT_STANDING_MAX - standing.len()));
        SameKey { revoked, standing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::test_util::*;
    use crate::state::{Effect, Published, SetRecords, Unpaid};
    use crate::trustchain::ca::CertificateRequest;
    use crate::trustchain::dns::RecordType;
    use alloc::vec;

    const GIVEN: &str = "given.demo.hypermesh";
    const BOBS: &str = "bob.given.demo.hypermesh";
    const HOUR_MS: u64 = 3_600_000;

    fn issued(mesh: &mut Mesh, by: &crate::base::SecretKey, action: crate::state::Action) -> SerialNumber {
        match mesh.done(by, action) {
            Effect::CertificateApproved { serial, .. } => serial,
            other => panic!("{other:?}"),
        }
    }

    fn report(serial: SerialNumber) -> crate::state::Action {
        revoke(serial, RevocationReason::KeyCompromise)
    }

    fn same_key(effect: Effect) -> SameKey {
        match effect {
            Effect::CertificateRevoked { same_key, .. } | Effect::KeyReported { same_key, .. } => same_key,
            other => panic!("{other:?}"),
        }
    }

    fn hash() -> Digest {
        CertificateRequest::from_csr(&csr(&subject(), &[GIVEN])).unwrap().subject_key.spki_hash()
    }

    fn refused(mesh: &Mesh) -> Refusal {
        let since = mesh.state.compromised(&hash()).unwrap().since;
        Refusal::Compromised { key: hash(), since }
    }

    #[test]
    fn a_compromised_key_is_certified_for_nobody_and_its_tlsa_does_not_return() {
        let mut mesh = Mesh::active();
        mesh.done(&alice(), register(BOBS, &bob()));
        let serial = issued(&mut mesh, &alice(), issue(&[GIVEN]));
        assert_eq!(mesh.state.compromised(&hash()), None);
        assert_eq!(same_key(mesh.done(&alice(), report(serial))), SameKey::default());
        assert_eq!(mesh.state.compromised(&hash()).map(|key| key.serial), Some(serial));
        for (owner, name) in [(alice(), GIVEN), (bob(), BOBS)] {
            assert_eq!(mesh.refused(&owner, issue(&[name])), refused(&mesh));
        }
        let tlsa = name("_443._tcp.given.demo.hypermesh");
        assert_eq!(mesh.state.get::<RecordSet>(&(tlsa.clone(), RecordType::Tlsa)), None);
        let spki =
            CertificateRequest::from_csr(&csr(&subject(), &[GIVEN])).unwrap().subject_key.spki_der().to_vec();
        let record = |selector, matching, data: &[u8]| RecordData::Tlsa {
            usage: 3,
            selector,
            matching,
            data: data.to_vec(),
        };
        for data in [record(1, 1, &hash().0), record(1, 0, &spki)] {
            let action = crate::state::Action::SetRecords(SetRecords {
                name: tlsa.clone(),
                record_type: RecordType::Tlsa,
                records: Some(records(vec![record(1, 1, &[7; 32]), data])),
            });
            assert_eq!(mesh.refused(&alice(), action), refused(&mesh));
        }
        mesh.done(&alice(), set("_443._tcp.given.demo.hypermesh", vec![record(1, 1, &[7; 32])]));
        // A new key is certified as ever.
        let other = crate::base::SecretKey::from_seed([112; 32]);
        issued(&mut mesh, &alice(), issue_for(&other, &[GIVEN]));
        assert!(mesh.state.get::<Published>(&tlsa).is_some());
    }

    #[test]
    fn what_else_its_owner_has_is_revoked_with_it_and_what_others_have_is_named() {
        let mut mesh = Mesh::active();
        mesh.done(&alice(), register(BOBS, &bob()));
        let first = issued(&mut mesh, &alice(), issue(&[GIVEN]));
        let second = issued(&mut mesh, &alice(), issue(&[GIVEN]));
        let superseded = issued(&mut mesh, &alice(), issue(&[GIVEN]));
        mesh.done(&alice(), revoke(superseded, RevocationReason::Superseded));
        let bobs = issued(&mut mesh, &bob(), issue(&[BOBS]));
        let effect = mesh.done(&alice(), report(first));
        let Effect::CertificateRevoked { revocation, .. } = &effect else { panic!("{effect:?}") };
        let together = mesh.state.get::<Certificate>(&second).unwrap().revocation;
        assert_eq!(together, Some(*revocation), "at once, for the same reason, in the same list");
        assert_eq!(same_key(effect), SameKey { revoked: vec![second], standing: vec![bobs] });
        let entries = mesh.state.revocation_list().unwrap().entries;
        assert_eq!(entries.len(), 3);
        // Its owner can do no less.
        assert_eq!(same_key(mesh.done(&bob(), report(bobs))), SameKey::default());
    }

    #[test]
    fn a_key_is_reported_when_its_certificate_has_ended_or_was_revoked_for_another_reason() {
        let mut mesh = Mesh::active();
        let ended = issued(&mut mesh, &alice(), issue(&[GIVEN]));
        mesh.pass(25 * HOUR_MS);
        let stands = issued(&mut mesh, &alice(), issue(&[GIVEN]));
        let effect = mesh.done(&alice(), report(ended));
        let with_it = SameKey { revoked: vec![stands], standing: vec![] };
        assert_eq!(effect, Effect::KeyReported { serial: ended, key: hash(), same_key: with_it });
        assert_eq!(mesh.refused(&alice(), issue(&[GIVEN])), refused(&mesh));

        let mut mesh = Mesh::active();
        let serial = issued(&mut mesh, &alice(), issue(&[GIVEN]));
        let before = mesh.done(&alice(), revoke(serial, RevocationReason::Superseded));
        issued(&mut mesh, &alice(), issue(&[GIVEN]));
        let Effect::CertificateRevoked { revocation: stood, .. } = before else { panic!("{before:?}") };
        let after = mesh.done(&alice(), report(serial));
        let Effect::CertificateRevoked { revocation, same_key, .. } = after else { panic!("{after:?}") };
        assert_eq!((revocation, same_key.revoked.len()), (stood, 1));
        assert_eq!(mesh.refused(&alice(), issue(&[GIVEN])), refused(&mesh));
        // Reported again, it says since when.
        let since = refused(&mesh);
        mesh.pass(HOUR_MS);
        mesh.done(&alice(), report(serial));
        assert_eq!(refused(&mesh), since);
    }

    #[test]
    fn the_owner_of_a_name_cannot_report_the_key_of_anothers_certificate() {
        let mut mesh = Mesh::active();
        let serial = issued(&mut mesh, &alice(), issue(&[GIVEN, BOBS]));
        mesh.done(&alice(), register(BOBS, &bob()));
        let owner = alice().public();
        assert_eq!(mesh.refused(&bob(), report(serial)), Refusal::KeyOfAnother { serial, owner });
        assert_eq!(mesh.state.compromised(&hash()), None);
        mesh.done(&bob(), revoke(serial, RevocationReason::PrivilegeWithdrawn));
        assert_eq!(mesh.state.compromised(&hash()), None);
        assert!(matches!(mesh.unpaid(&pauper(), report(serial)), Unpaid::Refused(Refusal::Funds { .. })));
    }

    #[test]
    fn one_report_revokes_as_many_as_allowed_and_the_next_one_the_rest() {
        let mut mesh = Mesh::active();
        let serials: Vec<_> =
            (0..REVOKED_TOGETHER_MAX + 2).map(|_| issued(&mut mesh, &alice(), issue(&[GIVEN]))).collect();
        let first = same_key(mesh.done(&alice(), report(serials[0])));
        assert_eq!((first.revoked.len(), first.standing.len()), (REVOKED_TOGETHER_MAX, 1));
        let second = same_key(mesh.done(&alice(), report(serials[0])));
        assert_eq!(second, SameKey { revoked: first.standing, standing: vec![] });
        assert_eq!(mesh.state.revocation_list().unwrap().entries.len(), serials.len());
    }

    #[test]
    fn a_certificate_that_is_over_bears_its_key_no_longer() {
        let mut mesh = Mesh::active();
        let serial = issued(&mut mesh, &alice(), issue(&[GIVEN]));
        issued(&mut mesh, &alice(), issue(&[GIVEN]));
        let count = |mesh: &Mesh| mesh.state.rows::<KeyUse>(Vec::new()).count();
        assert_eq!(count(&mesh), 2);
        mesh.done(&alice(), revoke(serial, RevocationReason::Superseded));
        assert_eq!(count(&mesh), 1);
        mesh.pass(25 * HOUR_MS);
        assert_eq!(count(&mesh), 0);
    }
}
