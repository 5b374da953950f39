//! Whole chains: built, read back, judged step by step here and by webpki.

use super::*;
use alloc::string::{String, ToString};
use alloc::vec;
use core::net::Ipv6Addr;
use der::Decode as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, aws_lc_rs};

fn steps_that_fail(mesh: &Mesh, chain: &Chain, now: UnixMillis, expected: Option<&str>) -> Vec<ChainStep> {
    let expected = expected.map(|name| name.parse::<ExpectedName>().unwrap());
    let report = ChainCheck {
        leaf: &parse_certificate(&chain.leaf).unwrap(),
        issuing: &parse_certificate(&chain.issuing).unwrap(),
        root: &parse_certificate(&chain.root).unwrap(),
        anchor: &mesh.anchor(),
        now,
        expected: expected.as_ref(),
    }
    .run();
    let failed = report.steps().iter().filter(|(_, outcome)| outcome.is_err());
    failed.map(|(step, _)| *step).collect()
}

fn webpki_verdict(chain: &Chain, usage: KeyUsage, name: &str) -> Result<(), webpki::Error> {
    let der = |bytes: &Vec<u8>| CertificateDer::from(bytes.clone());
    let (root, issuing, leaf) = (der(&chain.root), der(&chain.issuing), der(&chain.leaf));
    let anchor = anchor_from_trusted_cert(&root)?;
    let leaf = EndEntityCert::try_from(&leaf)?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(AT.seconds()));
    leaf.verify_for_usage(&[aws_lc_rs::ED25519], &[anchor], &[issuing], now, usage, None, None)?;
    leaf.verify_is_valid_for_subject_name(&ServerName::try_from(name.to_string()).unwrap())
}

#[test]
fn a_chain_for_every_kind_of_key_holds_here_and_in_webpki() {
    let mesh = Mesh::new();
    for csr in TAKEN {
        let chain = mesh.chain(csr);
        assert_eq!(steps_that_fail(&mesh, &chain, AT, Some("2001:db8::10")), []);
        assert_eq!(webpki_verdict(&chain, KeyUsage::server_auth(), "2001:db8::10"), Ok(()));
        assert_eq!(webpki_verdict(&chain, KeyUsage::client_auth(), "2001:db8::10"), Ok(()));
    }
    let chain = mesh.chain(P384_SHA256);
    for name in ["web.demo.hypermesh", "API.demo.hypermesh", "spiffe://demo.hypermesh/web", "[2001:db8::10]"]
    {
        assert_eq!(steps_that_fail(&mesh, &chain, AT, Some(name)), []);
    }
    assert_eq!(webpki_verdict(&chain, KeyUsage::server_auth(), "api.demo.hypermesh"), Ok(()));
    assert_eq!(steps_that_fail(&mesh, &chain, AT, Some("x.demo.hypermesh")), [ChainStep::ExpectedName]);
}

#[test]
fn certificates_read_back_as_they_were_built() {
    let mesh = Mesh::new();
    let request = CertificateRequest::from_csr(P256).unwrap();
    let chain = mesh.chain(P256);
    let leaf = parse_certificate(&chain.leaf).unwrap();
    assert_eq!(leaf.pre_tbs, mesh.leaf_tbs(P256));
    assert_eq!(leaf.proof, Some(vec![0xC5; 900]));
    assert_eq!(leaf.role, CertificateRole::Leaf(request.names));
    assert_eq!(leaf.subject_key, request.subject_key);
    assert_eq!((leaf.serial, leaf.validity), (serial(3), mesh.leaf_parameters().validity));
    assert_eq!(leaf.to_der(), Ok(chain.leaf));
    assert_eq!(
        mesh.issuer.issuing_key_hash(),
        parse_certificate(&chain.issuing).unwrap().subject_key.spki_hash()
    );
    let zone = mesh.issuer.zone.clone();
    let root = parse_certificate(&chain.root).unwrap();
    assert_eq!(root.role, CertificateRole::Authority { path_length: 1, zone: zone.clone() });
    assert_eq!(mesh.issuer.root_key_hash(), root.subject_key.spki_hash());
    assert_eq!(root.validity, mesh.issuer.root_validity);
    let issuing = parse_certificate(&chain.issuing).unwrap();
    assert_eq!(issuing.role, CertificateRole::Authority { path_length: 0, zone });
    assert_eq!(leaf.authority_key_id, issuing.subject_key_id);
}

#[test]
fn to_be_signed_bytes_are_pinned() {
    let hash = |tbs: &[u8]| {
        use sha2::Digest as _;
        Digest(sha2::Sha256::digest(tbs).into()).to_string()
    };
    let mesh = Mesh::new();
    let pinned = [
        (
            mesh.issuer.root_tbs(serial(1)).unwrap(),
            "3c2ca089699f93000237ff4ea372fbbcd8f6b1004f8a455e6f30a7a8c352e745",
        ),
        (
            mesh.issuer.issuing_tbs(serial(2)).unwrap(),
            "38693ad93e1e4c6ce98cef9e008ee1d315118421cd4481065c6f97c9af27214b",
        ),
        (mesh.leaf_tbs(ED25519), "e48742e2a3685677c1432e31d42d8f550f854901b5d470f9cf630177fa143229"),
        (mesh.leaf_tbs(P384_SHA256), "63c5c06e0d2d93420ae0d07196358afe5eb6b71621042ac1ca98e9ab06157e1c"),
        (
            with_proof(&mesh.leaf_tbs(ED25519), b"proof").unwrap(),
            "fdf3a924239e13ed979e0c9c3b7b00f8be07fa0b65637d10a67c413fdf9d80db",
        ),
    ];
    let found = pinned.each_ref().map(|(tbs, _)| hash(tbs));
    assert_eq!(found, pinned.each_ref().map(|(_, pin)| *pin));
}

#[test]
fn each_step_fires() {
    use ChainStep::*;
    let mesh = Mesh::new();
    let good = || mesh.chain(ED25519);
    let flip_last = |der: &[u8]| {
        let mut der = der.to_vec();
        *der.last_mut().unwrap() ^= 1;
        der
    };
    let fails = |chain: &Chain, steps: &[ChainStep]| {
        assert_eq!(steps_that_fail(&mesh, chain, AT, None), steps);
    };
    fails(&Chain { root: flip_last(&good().root), ..good() }, &[RootSignature]);
    fails(&Chain { issuing: flip_last(&good().issuing), ..good() }, &[IssuingSignature]);
    fails(&Chain { leaf: flip_last(&good().leaf), ..good() }, &[LeafSignature]);
    fails(
        &Chain { root: good().issuing, ..good() },
        &[RootAnchored, RootSignature, RootProfile, IssuingSignature, IssuingProfile],
    );
    fails(&Chain { issuing: good().root, ..good() }, &[IssuingProfile, LeafSignature, LeafProfile]);
    fails(&Chain { leaf: good().issuing, ..good() }, &[LeafSignature, LeafProfile, LeafNames]);
    fails(
        &Chain { issuing: good().leaf, ..good() },
        &[IssuingSignature, IssuingProfile, LeafSignature, LeafProfile],
    );
    let leaf = mesh.leaf_parameters().validity;
    let at = |now, steps: &[ChainStep]| assert_eq!(steps_that_fail(&mesh, &good(), now, None), steps);
    at(leaf.not_after, &[]);
    at(leaf.not_after.plus(1_000), &[LeafValidity]);
    at(mesh.issuer.issuing_validity.not_after.plus(1_000), &[IssuingValidity, LeafValidity]);
    at(leaf.not_before.minus(1), &[RootValidity, IssuingValidity, LeafValidity]);
}

#[test]
fn an_authority_with_other_names_or_another_zone_is_refused() {
    let mesh = Mesh::new();
    let mut other = Mesh::new();
    other.issuer.zone = "other.example".parse().unwrap();
    let chain = Chain { root: other.chain(IPV6_ONLY).root, ..mesh.chain(ED25519) };
    assert_eq!(steps_that_fail(&mesh, &chain, AT, None), [ChainStep::RootProfile]);
    let mut renamed = Mesh::new();
    renamed.issuer.network = "othernet".into();
    let chain = Chain { issuing: renamed.chain(ED25519).issuing, ..mesh.chain(ED25519) };
    let failed = steps_that_fail(&mesh, &chain, AT, None);
    assert_eq!(failed, [ChainStep::IssuingProfile, ChainStep::LeafProfile]);
    let mut rekeyed = Mesh::new();
    rekeyed.issuer.root_key = key_with_seed(9);
    let failed = steps_that_fail(&rekeyed, &mesh.chain(ED25519), AT, None);
    assert_eq!(failed, [ChainStep::RootAnchored]);
}

#[test]
fn webpki_holds_the_authority_to_its_zone() {
    let mesh = Mesh::new();
    let mut wide = Mesh::new();
    wide.issuer.zone = "hypermesh".parse().unwrap();
    let mut narrow = Mesh::new();
    narrow.issuer.zone = "other.hypermesh".parse().unwrap();
    let spiffe_less = CertificateRequest {
        names: SubjectNames::new(vec!["web.demo.hypermesh".parse().unwrap()], vec![], None).unwrap(),
        ..CertificateRequest::from_csr(ED25519).unwrap()
    };
    let leaf = wide.issuer.leaf_tbs(&spiffe_less, &mesh.leaf_parameters()).unwrap();
    let leaf = signed(&mesh.issuing, &leaf);
    let chain = |mesh: &Mesh| Chain { leaf: leaf.clone(), ..mesh.chain(IPV6_ONLY) };
    let name = "web.demo.hypermesh";
    assert_eq!(webpki_verdict(&chain(&mesh), KeyUsage::server_auth(), name), Ok(()));
    let refused = webpki_verdict(&chain(&narrow), KeyUsage::server_auth(), name);
    assert_eq!(refused, Err(webpki::Error::NameConstraintViolation));
}

#[test]
fn a_leaf_never_outlives_its_issuer_nor_leaves_the_zone() {
    let mesh = Mesh::new();
    let request = CertificateRequest::from_csr(ED25519).unwrap();
    let issuing = mesh.issuer.issuing_validity;
    let with = |validity| mesh.issuer.leaf_tbs(&request, &LeafParameters { serial: serial(3), validity });
    let ending = |not_after| Validity::new(AT, not_after);
    assert!(with(ending(issuing.not_after)).is_ok());
    assert_eq!(with(ending(issuing.not_after.plus(1_000))), Err(BuildFault::OutlivesIssuer));
    assert_eq!(with(ending(AT)), Err(BuildFault::Empty));
    let mut other = Mesh::new();
    other.issuer.zone = "other.example".parse().unwrap();
    let refused = other.issuer.leaf_tbs(&request, &mesh.leaf_parameters());
    assert!(matches!(refused, Err(BuildFault::Names(NameFault::OutsideZone { .. }))));
    let mut late = Mesh::new();
    late.issuer.issuing_validity.not_after = late.issuer.root_validity.not_after.plus(1_000);
    assert_eq!(late.issuer.issuing_tbs(serial(2)), Err(BuildFault::OutlivesIssuer));
}

#[test]
fn what_does_not_fit_a_certificate_is_refused() {
    let root = |change: &dyn Fn(&mut Issuer)| {
        let mut issuer = Mesh::new().issuer;
        change(&mut issuer);
        issuer.root_tbs(serial(1))
    };
    assert!(root(&|issuer| issuer.network = "n".repeat(NETWORK_BYTES_MAX)).is_ok());
    for name in [String::new(), "n".repeat(NETWORK_BYTES_MAX + 1), "a\nb".to_string()] {
        assert!(matches!(root(&|issuer| issuer.network = name.clone()), Err(BuildFault::Network { .. })));
    }
    let far = UnixMillis(u64::MAX);
    assert!(matches!(root(&|issuer| issuer.root_validity.not_after = far), Err(BuildFault::Time { .. })));
    let year_2200 = UnixMillis(7_258_118_400_000);
    let tbs = root(&|issuer| issuer.root_validity.not_after = year_2200).unwrap();
    assert_eq!(parse_certificate(&signed(&Mesh::new().root, &tbs)).unwrap().validity.not_after, year_2200);
    let refused = root(&|issuer| issuer.root_key = PublicKey([2; 32]));
    assert!(matches!(refused, Err(BuildFault::AuthorityKey(_))));
}

#[test]
fn a_leaf_with_as_many_names_as_allowed_fits_with_its_proof() {
    let mesh = Mesh::new();
    let label = "a".repeat(63);
    let mut dns = vec![];
    for number in 0..SAN_COUNT_MAX - 1 {
        dns.push(alloc::format!("{number:02}{}.demo.hypermesh", &label[..7]).parse().unwrap());
    }
    let used: usize = dns.iter().map(|name: &crate::trustchain::DomainName| name.as_str().len()).sum();
    let prefix = "spiffe://demo.hypermesh/";
    let spiffe = prefix.to_string() + &"p".repeat((NAMES_BYTES_MAX - used - prefix.len()).min(400));
    let names = SubjectNames::new(dns, vec![], Some(spiffe)).unwrap();
    let subject_key = CertificateRequest::from_csr(P384_SHA256).unwrap().subject_key;
    let request = CertificateRequest { subject_key, names };
    let tbs = mesh.issuer.leaf_tbs(&request, &mesh.leaf_parameters()).unwrap();
    let proven = with_proof(&tbs, &[7; PROOF_BYTES_MAX]).unwrap();
    let certificate = signed(&mesh.issuing, &proven);
    assert_eq!(split(&parse_certificate(&certificate).unwrap().tbs).unwrap().0, tbs);
}

#[test]
fn an_authority_says_that_it_is_one_before_it_says_of_which_names() {
    let chain = Mesh::new().chain(ED25519);
    for der in [&chain.root, &chain.issuing] {
        let tbs = parse_certificate(der).unwrap().tbs;
        let extensions = x509_cert::TbsCertificate::from_der(&tbs).unwrap().extensions.unwrap();
        let ids: Vec<_> = extensions.iter().map(|extension| extension.extn_id.to_string()).collect();
        assert_eq!(ids[0], "2.5.29.19", "basicConstraints");
        assert!(ids.contains(&"2.5.29.30".to_string()), "nameConstraints");
    }
}

#[test]
fn names_take_as_many_bytes_as_allowed_and_not_one_more() {
    // Distinct, so that none is refused as a repetition.
    let addresses = |count: u16| (0..count).map(|last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
    let names = |bytes: usize| {
        let prefix = "spiffe://demo.hypermesh/";
        let dns: Vec<crate::trustchain::DomainName> = (0..4)
            .map(|number| alloc::format!("{number}{}.demo.hypermesh", "a".repeat(62)).parse().unwrap())
            .collect();
        let ipv6: Vec<_> = addresses(20).collect();
        let used = dns.iter().map(|name| name.as_str().len()).sum::<usize>() + 16 * ipv6.len() + prefix.len();
        SubjectNames::new(dns, ipv6, Some(prefix.to_string() + &"p".repeat(bytes - used)))
    };
    assert_eq!(names(NAMES_BYTES_MAX).map(|_| ()), Ok(()));
    let fault = NameFault::TooLong { bytes: NAMES_BYTES_MAX + 1 };
    assert_eq!(names(NAMES_BYTES_MAX + 1), Err(fault));
    let identity = |bytes: usize| {
        let id = alloc::format!("spiffe://demo.hypermesh/{}", "p".repeat(bytes - 24));
        SubjectNames::new(vec![], vec![], Some(id))
    };
    assert!(identity(SPIFFE_BYTES_MAX).is_ok());
    assert!(matches!(identity(SPIFFE_BYTES_MAX + 1), Err(NameFault::Spiffe { .. })));
}

#[test]
fn a_leaf_without_dns_names_has_no_common_name_and_one_too_long_is_left_out() {
    let mesh = Mesh::new();
    let empty_name = [0x30, 0];
    assert_eq!(parse_certificate(&mesh.chain(IPV6_ONLY).leaf).unwrap().subject_name, empty_name);
    let long = alloc::format!("{}.{}.demo.hypermesh", "a".repeat(40), "b".repeat(40)).parse().unwrap();
    let names = SubjectNames::new(vec![long], vec![], None).unwrap();
    let request = CertificateRequest { names, ..CertificateRequest::from_csr(ED25519).unwrap() };
    let tbs = mesh.issuer.leaf_tbs(&request, &mesh.leaf_parameters()).unwrap();
    assert_eq!(parse_certificate(&signed(&mesh.issuing, &tbs)).unwrap().subject_name, empty_name);
}
