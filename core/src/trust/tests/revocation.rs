//! Revocation lists and renewed issuing certificates, against a trust bundle.

use super::*;
use crate::trustchain::ca::{
    CRL_MS_LIFETIME, PemLabel, RevocationListFault, RevocationReason, crl_der, from_pem, parse_crl, pem,
};

const HOUR_MS: u64 = 3_600_000;

/// The newest revocation list of a mesh, signed by the key for this purpose.
fn list_of(mesh: &Mesh, purpose: KeyPurpose) -> Vec<u8> {
    let tbs = mesh.state.revocation_list_tbs().unwrap();
    crl_der(&tbs, &mesh.sign(purpose, &tbs)).unwrap()
}

/// A mesh in which [`Certified::serial`] is revoked.
fn revoked() -> &'static (Certified, Vec<u8>) {
    static REVOKED: OnceLock<(Certified, Vec<u8>)> = OnceLock::new();
    REVOKED.get_or_init(|| {
        let mut certified = certified_in(Mesh::active());
        let action = revoke(certified.serial, RevocationReason::PrivilegeWithdrawn);
        certified.mesh.done(&alice(), action);
        let list = list_of(&certified.mesh, KeyPurpose::Issuing);
        (certified, list)
    })
}

fn judged(der: &[u8], list: &CheckedList, at: UnixMillis) -> Verification {
    let (certified, _) = revoked();
    let mut verification = verify_certificate(&certified.bundle, der, None, None, at);
    verification.check_revocation(der, list, "a file", at);
    verification
}

#[test]
fn a_revoked_certificate_is_refused_and_the_one_beside_it_is_not() {
    let (certified, der) = revoked();
    let list = certified.bundle.verify_revocation_list(der).unwrap();
    let now = certified.mesh.state.time();
    let entry = list.list().entry(&certified.serial).unwrap();
    let second = UnixMillis(now.seconds() * 1000);
    assert_eq!((entry.at, entry.reason), (second, RevocationReason::PrivilegeWithdrawn));
    let verification = judged(&certified.der, &list, now);
    let last = verification.checks.last().unwrap();
    assert_eq!((verification.valid, last.name), (false, CheckName::Revocation));
    assert!(last.detail.contains("privilegeWithdrawn"), "{}", last.detail);
    let other = der_of(&certified.mesh, certified.other);
    assert!(judged(&other, &list, now).valid);
    // Before it was revoked, it was good.
    assert!(judged(&certified.der, &list, second.minus(1000)).valid);
}

#[test]
fn a_list_that_has_run_out_says_that_nothing_is_good() {
    let (certified, der) = revoked();
    let list = certified.bundle.verify_revocation_list(der).unwrap();
    let other = der_of(&certified.mesh, certified.other);
    let ends = list.list().next_update;
    assert_eq!(ends, list.list().this_update.plus(CRL_MS_LIFETIME));
    assert!(!list.has_run_out(ends.plus(999)) && list.has_run_out(ends.plus(1000)));
    // The certificate holds a day from before the list: only the step of the list is asked for here.
    let mut verification = Verification { valid: true, ..Verification::default() };
    verification.check_revocation(&other, &list, "a file", ends.plus(1000));
    assert!(!verification.valid && verification.checks[0].detail.contains("expired at"));
}

#[test]
fn a_list_of_anybody_else_is_refused() {
    let (certified, der) = revoked();
    let stolen = list_of(&certified.mesh, KeyPurpose::Root);
    assert_eq!(
        certified.bundle.verify_revocation_list(&stolen),
        Err(ListRefusal::Signature { key: "issuing" })
    );
    let mut genesis = genesis();
    genesis.network = "other".into();
    genesis.names.clear();
    genesis.records.clear();
    for position in (0..der.len()).step_by(3) {
        let mut changed = der.clone();
        changed[position] ^= 1;
        assert!(certified.bundle.verify_revocation_list(&changed).is_err(), "byte {position}");
    }
    let other = Mesh::of(genesis);
    let issuer = {
        let mut issuer = certified.mesh.state.issuer().unwrap();
        issuer.network = other.genesis.network.clone();
        issuer
    };
    let tbs = issuer.crl_tbs(&certified.mesh.state.revocation_list().unwrap()).unwrap();
    let foreign = crl_der(&tbs, &certified.mesh.sign(KeyPurpose::Issuing, &tbs)).unwrap();
    assert_eq!(
        certified.bundle.verify_revocation_list(&foreign),
        Err(ListRefusal::Issuer { key: "issuing" })
    );
}

#[test]
fn a_list_goes_into_pem_and_back_and_says_what_it_was_made_of() {
    let (certified, der) = revoked();
    let text = pem(PemLabel::RevocationList, der);
    assert_eq!(from_pem(PemLabel::RevocationList, &text).as_ref(), Ok(der));
    let mut wanted = certified.mesh.state.revocation_list().unwrap();
    // Lists write whole seconds.
    let whole = |time: &mut UnixMillis| *time = UnixMillis(time.seconds() * 1000);
    whole(&mut wanted.this_update);
    whole(&mut wanted.next_update);
    wanted.entries.iter_mut().for_each(|entry| whole(&mut entry.at));
    assert_eq!(parse_crl(der).unwrap().list, wanted);
}

proptest! {
    #[test]
    fn bytes_that_are_no_list_never_panic(
        edits in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4), cut in any::<usize>(),
    ) {
        let (certified, der) = revoked();
        let mut bytes = der.clone();
        for (position, value) in edits {
            let position = position % bytes.len();
            bytes[position] = value;
        }
        bytes.truncate(cut % (2 * bytes.len()));
        let verdict = certified.bundle.verify_revocation_list(&bytes);
        prop_assert!(verdict.is_err() || bytes == *der);
    }

    #[test]
    fn junk_is_no_list(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(parse_crl(&bytes), Err(RevocationListFault::Malformed));
    }
}

// --- the issuing certificate, renewed ---

/// A mesh past the renewal of its issuing certificate, with a certificate that ends after the first one; and the
/// trust bundle from before.
fn renewed() -> &'static (Certified, TrustBundle) {
    static RENEWED: OnceLock<(Certified, TrustBundle)> = OnceLock::new();
    RENEWED.get_or_init(|| {
        let mut mesh = Mesh::active();
        let before = bundle_of(&mesh);
        let ends = mesh.state.issuer().unwrap().issuing_validity.not_after;
        mesh.pass(ends.minus(HOUR_MS).since(mesh.state.time()));
        (certified_in(mesh), before)
    })
}

#[test]
fn certificates_verify_under_the_issuing_certificate_of_their_time() {
    let (certified, before) = renewed();
    let bundle = &certified.bundle;
    assert_eq!((bundle.issuing_ders.len(), before.issuing_ders.len()), (2, 1));
    let now = certified.mesh.state.time();
    let verify = |bundle: &TrustBundle, at| {
        verify_certificate(bundle, &certified.der, Some(&certified.proof), None, at)
    };
    assert!(verify(bundle, now).valid);
    // Past the end of the first issuing certificate too.
    assert!(verify(bundle, now.plus(2 * HOUR_MS)).valid);
    // A bundle from before the renewal does not reach, and does with what lies beside the certificate.
    assert!(!verify(before, now).valid);
    let mut extended = before.clone();
    extended.take_in(&bundle.issuing_ders[1].0).unwrap();
    assert!(verify(&extended, now.plus(2 * HOUR_MS)).valid);
    assert!(extended.take_in(&bundle.root_der).is_err());
    assert!(extended.take_in(&certified.der).is_err());
    assert_eq!(extended.issuing_ders.len(), 2);
}

#[test]
fn certificates_from_before_the_renewal_verify_with_the_bundle_from_after() {
    let (renewed, _) = renewed();
    let old = certified();
    assert_eq!(old.bundle.root_der.is_empty(), renewed.bundle.root_der.is_empty());
    let mut bundle = old.bundle.clone();
    bundle.issuing_ders.push(renewed.bundle.issuing_ders[1].clone());
    let at = old.mesh.state.time();
    assert!(verify_certificate(&bundle, &old.der, Some(&old.proof), None, at).valid);
}
