//! The names that a certificate vouches for: DNS names, IPv6 addresses, at most one SPIFFE ID.
//!
//! Form and bounds are checked here, and that the names lie in the mesh's zone; who owns them is not.

use crate::trustchain::{DomainName, IdnFault, InvalidName};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};
use x509_cert::ext::pkix::name::GeneralName;

/// The most names in a certificate, of all kinds together.
pub const SAN_COUNT_MAX: usize = 32;
/// The most bytes that a certificate's names take together: DNS and SPIFFE as text, 16 for an address. Keeps a
/// certificate with its proof below what QUIC lets a server send before it knows the client's address.
pub const NAMES_BYTES_MAX: usize = 1024;
/// The longest SPIFFE ID. The SPIFFE standard allows 2048, which would not fit beside a proof.
pub const SPIFFE_BYTES_MAX: usize = 512;

const _: () = assert!(SPIFFE_BYTES_MAX < NAMES_BYTES_MAX);

const ADDRESS_BYTES: usize = 16;
const SPIFFE_SCHEME: &str = "spiffe://";

/// The names that a certificate vouches for: at least one, at most [`SAN_COUNT_MAX`], none twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct SubjectNames {
    dns: Vec<DomainName>,
    ipv6: Vec<Ipv6Addr>,
    spiffe: Option<String>,
}

/// Names as they arrive, before they are checked.
#[derive(BorshDeserialize, Deserialize)]
struct Unchecked {
    dns: Vec<DomainName>,
    ipv6: Vec<Ipv6Addr>,
    spiffe: Option<String>,
}

/// Names that no certificate is issued for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// There are none.
    #[error("no name to certify: list at least one DNS name, IPv6 address or SPIFFE ID")]
    None,
    /// More than [`SAN_COUNT_MAX`].
    #[error("{count} names, at most {SAN_COUNT_MAX} are allowed: request several certificates")]
    TooMany {
        /// How many there were.
        count: usize,
    },
    /// More than [`NAMES_BYTES_MAX`].
    #[error("the names take {bytes} bytes, at most {NAMES_BYTES_MAX} are allowed")]
    TooLong {
        /// How many there were.
        bytes: usize,
    },
    /// The same name twice.
    #[error("a name is listed twice")]
    Repeated,
    /// A wildcard.
    #[error("wildcard {name:?} is refused: list each name")]
    Wildcard {
        /// The name.
        name: String,
    },
    /// A name with an A-label that is not taken.
    #[error("name {name:?} is refused: {reason}")]
    Internationalised {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: IdnFault,
    },
    /// Not a domain name.
    #[error(transparent)]
    Domain(#[from] InvalidName),
    /// An IPv4 address, plain or mapped into IPv6.
    #[error("IPv4 address {address} is refused: the mesh is IPv6 only")]
    Ipv4 {
        /// The address.
        address: Ipv4Addr,
    },
    /// An address that belongs to no one machine.
    #[error("address {address} is refused: it is unspecified or multicast")]
    NotUnicast {
        /// The address.
        address: Ipv6Addr,
    },
    /// An address of neither 4 nor 16 bytes.
    #[error("an IP address of {bytes} bytes: expected 16")]
    AddressLength {
        /// How many there were.
        bytes: usize,
    },
    /// An e-mail address.
    #[error("e-mail address {address:?} is refused: certificates here are for machines")]
    Email {
        /// The address.
        address: String,
    },
    /// A URI that is not a SPIFFE ID.
    #[error("URI {uri:?} is refused: the only supported URI is a SPIFFE ID, spiffe://<zone>/<path>")]
    OtherUri {
        /// The URI.
        uri: String,
    },
    /// A malformed SPIFFE ID.
    #[error("{uri:?} is not a SPIFFE ID: {reason}")]
    Spiffe {
        /// The URI.
        uri: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More than one SPIFFE ID.
    #[error("more than one SPIFFE ID: a certificate carries at most one")]
    ManySpiffe,
    /// A kind of name that is not taken.
    #[error("a name of kind {kind} is refused: use DNS, IPv6 or SPIFFE names")]
    OtherKind {
        /// The kind, as RFC 5280 §4.2.1.6 calls it.
        kind: &'static str,
    },
    /// A name that the mesh does not speak for.
    #[error("{name:?} is outside the zone {zone} of this authority")]
    OutsideZone {
        /// The name.
        name: String,
        /// The mesh's zone.
        zone: DomainName,
    },
}

impl SubjectNames {
    /// These names, in this order.
    ///
    /// # Errors
    /// If there are none or too many, one stands twice, or one is of a form that is refused.
    pub fn new(dns: Vec<DomainName>, ipv6: Vec<Ipv6Addr>, spiffe: Option<String>) -> Result<Self, NameFault> {
        Self { dns, ipv6, spiffe }.checked()
    }

    /// The names in a subjectAltName extension. A name that stands twice is taken once.
    pub(super) fn from_general_names(general: &[GeneralName]) -> Result<Self, NameFault> {
        if general.len() > SAN_COUNT_MAX {
            return Err(NameFault::TooMany { count: general.len() });
        }
        let mut names = Self::none();
        for name in general {
            names.add(name)?;
        }
        names.checked()
    }

    /// To add to, and then to be checked.
    pub(super) const fn none() -> Self {
        Self { dns: Vec::new(), ipv6: Vec::new(), spiffe: None }
    }

    /// These, if they can be certified together.
    pub(super) fn checked(self) -> Result<Self, NameFault> {
        self.check()?;
        Ok(self)
    }

    /// Adds a name, unless it is there.
    pub(super) fn add(&mut self, name: &GeneralName) -> Result<(), NameFault> {
        match name {
            GeneralName::DnsName(name) => {
                let name = parse_dns(name.as_str())?;
                if !self.dns.contains(&name) {
                    self.dns.push(name);
                }
            }
            GeneralName::IpAddress(bytes) => {
                let address = parse_address(bytes.as_bytes())?;
                if !self.ipv6.contains(&address) {
                    self.ipv6.push(address);
                }
            }
            GeneralName::UniformResourceIdentifier(uri) => {
                let uri = uri.as_str();
                check_spiffe(uri)?;
                match self.spiffe.as_deref() {
                    Some(present) if present != uri => return Err(NameFault::ManySpiffe),
                    Some(_) | None => self.spiffe = Some(uri.to_owned()),
                }
            }
            GeneralName::Rfc822Name(address) => {
                return Err(NameFault::Email { address: address.as_str().to_owned() });
            }
            GeneralName::OtherName(_) => return Err(NameFault::OtherKind { kind: "otherName" }),
            GeneralName::DirectoryName(_) => return Err(NameFault::OtherKind { kind: "directoryName" }),
            GeneralName::EdiPartyName(_) => return Err(NameFault::OtherKind { kind: "ediPartyName" }),
            GeneralName::RegisteredId(_) => return Err(NameFault::OtherKind { kind: "registeredID" }),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), NameFault> {
        let count = self.count();
        if count == 0 {
            return Err(NameFault::None);
        }
        if count > SAN_COUNT_MAX {
            return Err(NameFault::TooMany { count });
        }
        let texts: usize = self.dns.iter().map(|name| name.as_str().len()).sum();
        let spiffe = self.spiffe.as_ref().map_or(0, String::len);
        let bytes = texts + self.ipv6.len() * ADDRESS_BYTES + spiffe;
        if bytes > NAMES_BYTES_MAX {
            return Err(NameFault::TooLong { bytes });
        }
        self.dns.iter().try_for_each(check_idn)?;
        self.ipv6.iter().try_for_each(check_address)?;
        self.spiffe.as_deref().map_or(Ok(()), check_spiffe)?;
        if has_repeats(&self.dns) || has_repeats(&self.ipv6) { Err(NameFault::Repeated) } else { Ok(()) }
    }

    /// The DNS names, in the order of the request.
    #[must_use]
    pub fn dns(&self) -> &[DomainName] {
        &self.dns
    }

    /// The addresses, in the order of the request.
    #[must_use]
    pub fn ipv6(&self) -> &[Ipv6Addr] {
        &self.ipv6
    }

    /// The SPIFFE ID: `spiffe://<trust domain>/<path>`.
    #[must_use]
    pub fn spiffe(&self) -> Option<&str> {
        self.spiffe.as_deref()
    }

    /// The trust domain of the SPIFFE ID.
    #[must_use]
    pub fn spiffe_trust_domain(&self) -> Option<&str> {
        let rest = self.spiffe()?.strip_prefix(SPIFFE_SCHEME)?;
        Some(rest.split_once('/').map_or(rest, |(domain, _)| domain))
    }

    /// How many names there are, of all kinds.
    #[must_use]
    pub fn count(&self) -> usize {
        self.dns.len() + self.ipv6.len() + usize::from(self.spiffe.is_some())
    }

    /// Checks that the mesh of this zone speaks for every name: DNS names within it, and it, or a name within it, as trust domain.
    /// Addresses lie in no zone; whose they are is for the caller to say.
    ///
    /// # Errors
    /// If a name lies outside.
    pub fn within(&self, zone: &DomainName) -> Result<(), NameFault> {
        let outside = |name: &str| NameFault::OutsideZone { name: name.to_owned(), zone: zone.clone() };
        if let Some(name) = self.dns.iter().find(|name| !name.is_within(zone)) {
            return Err(outside(name.as_str()));
        }
        match self.spiffe() {
            Some(uri) if !self.trust_domain_within(zone) => Err(outside(uri)),
            Some(_) | None => Ok(()),
        }
    }
}

impl SubjectNames {
    fn trust_domain_within(&self, zone: &DomainName) -> bool {
        let domain = self.spiffe_trust_domain().and_then(|domain| domain.parse::<DomainName>().ok());
        domain.is_some_and(|domain| domain.is_within(zone))
    }
}

fn parse_dns(name: &str) -> Result<DomainName, NameFault> {
    if name.contains('*') {
        return Err(NameFault::Wildcard { name: name.to_owned() });
    }
    Ok(name.parse()?)
}

fn check_idn(name: &DomainName) -> Result<(), NameFault> {
    name.check_idn().map_err(|reason| NameFault::Internationalised { name: name.to_string(), reason })
}

fn parse_address(bytes: &[u8]) -> Result<Ipv6Addr, NameFault> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Err(NameFault::Ipv4 { address: octets.into() });
    }
    let octets = <[u8; ADDRESS_BYTES]>::try_from(bytes);
    let address = octets.map_err(|_| NameFault::AddressLength { bytes: bytes.len() })?.into();
    check_address(&address)?;
    Ok(address)
}

fn check_address(address: &Ipv6Addr) -> Result<(), NameFault> {
    if let Some(address) = address.to_ipv4_mapped() {
        return Err(NameFault::Ipv4 { address });
    }
    if address.is_unspecified() || address.is_multicast() {
        return Err(NameFault::NotUnicast { address: *address });
    }
    Ok(())
}

/// The rules of the SPIFFE-ID standard §2, and a path, which X.509-SVID §4.1 asks of a leaf.
fn check_spiffe(uri: &str) -> Result<(), NameFault> {
    let Some(rest) = uri.strip_prefix(SPIFFE_SCHEME) else {
        return Err(NameFault::OtherUri { uri: uri.to_owned() });
    };
    let fault = |reason| Err(NameFault::Spiffe { uri: uri.to_owned(), reason });
    if uri.len() > SPIFFE_BYTES_MAX {
        return fault("it has more than 512 bytes");
    }
    let Some((domain, path)) = rest.split_once('/') else {
        return fault("it has no path, so it names a trust domain and not a workload");
    };
    let in_domain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    if domain.is_empty() || !domain.bytes().all(in_domain) {
        return fault("its trust domain must be of a-z, 0-9, dot, hyphen and underscore");
    }
    domain.parse().map_or(Ok(()), |domain| check_idn(&domain))?;
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let usable = |segment: &str| {
        !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(in_path)
    };
    if !path.split('/').all(usable) {
        return fault("its path must be segments of letters, digits, dot, hyphen and underscore");
    }
    Ok(())
}

fn has_repeats<T: Ord>(items: &[T]) -> bool {
    let mut sorted: Vec<&T> = items.iter().collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| matches!(pair, [left, right] if left == right))
}

impl fmt::Display for SubjectNames {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dns = self.dns.iter().map(DomainName::both_ways);
        let ipv6 = self.ipv6.iter().map(ToString::to_string);
        let names: Vec<String> = dns.chain(ipv6).chain(self.spiffe.clone()).collect();
        formatter.write_str(&names.join(", "))
    }
}

impl TryFrom<Unchecked> for SubjectNames {
    type Error = NameFault;

    fn try_from(names: Unchecked) -> Result<Self, NameFault> {
        Self::new(names.dns, names.ipv6, names.spiffe)
    }
}

impl BorshDeserialize for SubjectNames {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let names = <Unchecked as BorshDeserialize>::deserialize_reader(reader)?;
        Self::try_from(names)
            .map_err(|_| borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, "not subject names"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{decode, encode};
    use alloc::{format, vec};

    fn domains(count: usize) -> Vec<DomainName> {
        (0..count).map(|number| format!("n{number}.demo.hypermesh").parse().unwrap()).collect()
    }

    #[test]
    fn the_count_holds_at_the_limit_and_one_past_it() {
        assert!(SubjectNames::new(domains(SAN_COUNT_MAX), vec![], None).is_ok());
        let refused = SubjectNames::new(domains(SAN_COUNT_MAX), vec![Ipv6Addr::LOCALHOST], None);
        assert_eq!(refused, Err(NameFault::TooMany { count: SAN_COUNT_MAX + 1 }));
        assert_eq!(SubjectNames::new(vec![], vec![], None), Err(NameFault::None));
    }

    #[test]
    fn the_bytes_hold_at_the_limit_and_one_past_it() {
        let long = |first: usize| {
            let label = "a".repeat(63);
            let name = |head: usize| format!("{}.{label}.{label}.{label}", "b".repeat(head)).parse().unwrap();
            let mut names: Vec<DomainName> = (57..=59).map(name).collect();
            names.push(name(first));
            names
        };
        let bytes = |names: &[DomainName]| names.iter().map(|name| name.as_str().len()).sum::<usize>();
        let spare = NAMES_BYTES_MAX - bytes(&long(56));
        let spiffe = |bytes: usize| Some(format!("spiffe://d/{}", "p".repeat(bytes - 11)));
        assert!(SubjectNames::new(long(56), vec![], spiffe(spare)).is_ok());
        let refused = SubjectNames::new(long(56), vec![], spiffe(spare + 1));
        assert_eq!(refused, Err(NameFault::TooLong { bytes: NAMES_BYTES_MAX + 1 }));
    }

    #[test]
    fn a_spiffe_id_holds_its_form_and_its_limit() {
        let of = |uri: &str| SubjectNames::new(vec![], vec![], Some(uri.to_string()));
        assert!(of("spiffe://demo.hypermesh/team-a/web_1.x").is_ok());
        for uri in [
            "spiffe://demo.hypermesh",
            "spiffe:///a",
            "spiffe://demo.hypermesh/",
            "spiffe://demo.hypermesh/a/",
            "spiffe://demo.hypermesh/../a",
            "spiffe://Demo/a",
            "spiffe://demo:80/a",
            "spiffe://u@demo/a",
            "spiffe://demo/a?b",
            "spiffe://demo/%61",
        ] {
            assert!(matches!(of(uri), Err(NameFault::Spiffe { .. })), "{uri}");
        }
        let sized = |bytes: usize| format!("spiffe://d/{}", "p".repeat(bytes - 11));
        assert!(of(&sized(SPIFFE_BYTES_MAX)).is_ok());
        assert!(of(&sized(SPIFFE_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn names_outside_the_zone_are_told_apart() {
        let zone: DomainName = "demo.hypermesh".parse().unwrap();
        let inside =
            SubjectNames::new(domains(2), vec![], Some("spiffe://demo.hypermesh/a".to_string())).unwrap();
        assert_eq!(inside.within(&zone), Ok(()));
        assert_eq!(inside.to_string(), "n0.demo.hypermesh, n1.demo.hypermesh, spiffe://demo.hypermesh/a");
        let other_domain = SubjectNames::new(vec!["evil.example".parse().unwrap()], vec![], None).unwrap();
        assert!(matches!(other_domain.within(&zone), Err(NameFault::OutsideZone { .. })));
        let trusting = |uri: &str| SubjectNames::new(vec![], vec![], Some(uri.to_string())).unwrap();
        assert_eq!(trusting("spiffe://sub.demo.hypermesh/a").within(&zone), Ok(()));
        for outside in ["spiffe://hypermesh/a", "spiffe://xdemo.hypermesh/a", "spiffe://evil.example/a"] {
            assert!(
                matches!(trusting(outside).within(&zone), Err(NameFault::OutsideZone { .. })),
                "{outside}"
            );
        }
    }

    #[test]
    fn unchecked_names_do_not_decode() {
        let good = SubjectNames::new(domains(2), vec![Ipv6Addr::LOCALHOST], None).unwrap();
        assert_eq!(decode::<SubjectNames>(&encode(&good), 256), Ok(good.clone()));
        for bad in [
            SubjectNames { dns: vec![], ipv6: vec![], spiffe: None },
            SubjectNames { dns: [domains(1), domains(1)].concat(), ..good.clone() },
            SubjectNames { ipv6: vec!["::ffff:192.0.2.1".parse().unwrap()], ..good.clone() },
            SubjectNames { ipv6: vec!["ff02::1".parse().unwrap()], ..good.clone() },
            SubjectNames { spiffe: Some("https://x/".to_string()), ..good },
        ] {
            assert!(decode::<SubjectNames>(&encode(&bad), 512).is_err(), "{bad:?}");
        }
    }
}
