//! Keys and certificate requests made here, in forms that OpenSSL reads.

use crate::failure::{Exit, Failure};
use clap::ValueEnum;
use hypermesh_core::base::SecretKey;
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::{NameFault, SubjectKey, SubjectNames};
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, SanType};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use std::net::{IpAddr, Ipv6Addr};
use zeroize::Zeroizing;

/// A kind of key to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyType {
    /// Ed25519
    Ed25519,
    /// ECDSA on NIST P-256, which every TLS library takes
    P256,
    /// ECDSA on NIST P-384
    P384,
}

/// A new private key: PKCS#8 in PEM.
pub(super) fn new_key(kind: KeyType) -> Result<Zeroizing<String>, Failure> {
    let algorithm = match kind {
        KeyType::Ed25519 => return new_ed25519(),
        KeyType::P256 => &PKCS_ECDSA_P256_SHA256,
        KeyType::P384 => &PKCS_ECDSA_P384_SHA384,
    };
    let key = KeyPair::generate_for(algorithm).map_err(|error| unmade(&error))?;
    Ok(Zeroizing::new(key.serialize_pem()))
}

/// PKCS#8 in its first version: OpenSSL 3.0 does not read the second, with the public key, that rcgen writes.
fn new_ed25519() -> Result<Zeroizing<String>, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|error| unmade(&error))?;
    let secret = SecretKey::from_seed(*seed);
    let der = Zeroizing::new([&PKCS8_ED25519_PREFIX[..], secret.seed()].concat());
    let text = Zeroizing::new(base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &*der));
    Ok(Zeroizing::new(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", *text)))
}

/// A private key in PEM, as this file or OpenSSL writes it.
pub(super) fn load(pem: &str) -> Result<KeyPair, Failure> {
    KeyPair::from_pem(pem).map_err(|error| {
        let message =
            format!("unusable private key ({error}): expected Ed25519, P-256 or P-384 as PKCS#8 in PEM");
        Failure::new(Exit::Input, message)
    })
}

/// Whether a private key is the one that belongs to this public key.
pub(super) fn is_of(key: &KeyPair, public: &SubjectKey) -> bool {
    rcgen::PublicKeyData::der_bytes(key) == public.key_bytes()
}

/// A certificate request for these names, DER.
pub(super) fn request(key: &KeyPair, names: &SubjectNames) -> Result<Vec<u8>, Failure> {
    let dns = names.dns().iter().map(|name| ia5(name.as_str()).map(SanType::DnsName));
    let addresses = names.ipv6().iter().map(|address| Ok(SanType::IpAddress(IpAddr::V6(*address))));
    let spiffe = names.spiffe().into_iter().map(|uri| ia5(uri).map(SanType::URI));
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.subject_alt_names = dns.chain(addresses).chain(spiffe).collect::<Result<_, _>>()?;
    let request = parameters.serialize_request(key).map_err(|error| unmade(&error))?;
    Ok(request.der().to_vec())
}

/// The names that were typed: the first, and others as `DNS:…`, `IP:…`, `URI:…` or plain.
pub(super) fn names(first: DomainName, others: &[String]) -> Result<SubjectNames, Failure> {
    let (mut dns, mut ipv6, mut spiffe) = (vec![first], Vec::new(), Vec::new());
    for typed in others {
        let refused =
            |reason: &dyn std::fmt::Display| Failure::new(Exit::Usage, format!("--san {typed}: {reason}"));
        let (kind, value) = match typed.split_once(':') {
            Some((kind @ ("DNS" | "IP" | "URI"), value)) => (kind, value),
            _ if typed.parse::<IpAddr>().is_ok() => ("IP", typed.as_str()),
            _ if typed.contains("://") => ("URI", typed.as_str()),
            _ => ("DNS", typed.as_str()),
        };
        match kind {
            "DNS" => dns.push(value.parse().map_err(|fault| refused(&fault))?),
            "IP" => ipv6.push(value.parse::<Ipv6Addr>().map_err(|_| refused(&"expected an IPv6 address"))?),
            _ => spiffe.push(value.to_owned()),
        }
    }
    let usage = |fault: NameFault| Failure::new(Exit::Usage, fault);
    if spiffe.len() > 1 {
        return Err(usage(NameFault::ManySpiffe));
    }
    SubjectNames::new(dns, ipv6, spiffe.pop()).map_err(usage)
}

fn ia5(text: &str) -> Result<Ia5String, Failure> {
    text.try_into().map_err(|error| unmade(&error))
}

fn unmade(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("cannot make a key or a request: {error}"))
}

/// What comes before the 32 bytes of the seed in a PKCS#8 private key (RFC 8410 §7).
const PKCS8_ED25519_PREFIX: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::trustchain::ca::CertificateRequest;
    use std::process::Command;

    const KINDS: [KeyType; 3] = [KeyType::Ed25519, KeyType::P256, KeyType::P384];

    #[test]
    fn every_key_makes_a_request_for_its_names_that_the_mesh_takes() {
        let others = ["DNS:www.demo.hypermesh", "::1", "spiffe://hypermesh/demo/web"].map(String::from);
        let names = names("web.demo.hypermesh".parse().unwrap(), &others).unwrap();
        for kind in KINDS {
            let key = load(&new_key(kind).unwrap()).unwrap();
            let request = CertificateRequest::from_csr(&request(&key, &names).unwrap()).unwrap();
            assert_eq!(request.names, names, "{kind:?}");
        }
    }

    #[test]
    fn openssl_reads_every_key_file() {
        let folder = tempfile::tempdir().unwrap();
        for kind in KINDS {
            let path = folder.path().join("key.pem");
            crate::file::write(&path, new_key(kind).unwrap().as_bytes(), crate::file::Access::Private)
                .unwrap();
            let output =
                Command::new("openssl").args(["pkey", "-noout", "-check", "-in"]).arg(&path).output();
            let output = output.expect("openssl is installed");
            assert!(output.status.success(), "{kind:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }

    #[test]
    fn names_that_no_certificate_may_have_are_refused() {
        let names = |others: &[&str]| {
            let others: Vec<String> = others.iter().map(ToString::to_string).collect();
            names("web.demo.hypermesh".parse().unwrap(), &others).map_err(|failure| failure.exit)
        };
        let cases: [&[&str]; 5] = [
            &["192.0.2.1"],
            &["*.demo.hypermesh"],
            &["web.demo.hypermesh"],
            &["https://web.demo.hypermesh"],
            &["spiffe://hypermesh/a", "spiffe://hypermesh/b"],
        ];
        for others in cases {
            assert_eq!(names(others), Err(Exit::Usage), "{others:?}");
        }
    }
}
