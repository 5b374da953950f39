//! What an instance of a service says of itself, and for how long.
//!
//! An instance has a label below its service's name and a protocol; the three together name it, in the form of RFC 6763 §4.1:
//! `east._stoq._udp.greeter.demo.hypermesh`. Whoever owns *that* name may announce it. Mostly that is the owner of the service.
//! Who is to announce one instance and no other has that very name registered for it, which nobody has by accident: to own a
//! name below a service's, such as `east.greeter.demo.hypermesh`, does not suffice to be sent the service's callers.
//!
//! Only form is checked here. Whether somebody listens at the port, nobody checks: an instance that does not is left out by
//! its callers, and its lease ends.

use crate::state::Protocol;
use crate::state::operations::check_script;
use crate::trustchain::DomainName;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// The most tags of one instance.
pub const INSTANCE_TAG_COUNT_MAX: usize = 16;
/// The most characters in one tag.
pub const INSTANCE_TAG_BYTES_MAX: usize = 64;
/// The most addresses of one instance.
pub const INSTANCE_ADDRESS_COUNT_MAX: usize = 4;
/// The largest priority of an instance. Its SVCB record has one more, since 0 there is an alias (RFC 9460 §2.4.1).
pub const INSTANCE_PRIORITY_MAX: u16 = u16::MAX - 1;
/// The shortest lease.
pub const LEASE_SECONDS_MIN: u32 = 10;
/// The longest lease: a day.
pub const LEASE_SECONDS_MAX: u32 = 24 * 60 * 60;
/// The most characters in the name of a protocol (RFC 6335 §5.1).
pub const PROTOCOL_NAME_BYTES_MAX: usize = 15;

/// The name of STOQ among protocols.
pub const STOQ_PROTOCOL: &str = "stoq";

/// What names an instance of a service.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct InstanceName {
    /// The service's name.
    pub service: DomainName,
    /// What is spoken there.
    pub protocol: ServiceProtocol,
    /// The instance's own label: lower-case letters, digits and hyphens.
    pub label: String,
}

/// An application's protocol and its transport, as in `_stoq._udp` (RFC 2782). People write `stoq/udp`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct ServiceProtocol {
    /// Its name, without the underscore (RFC 6335 §5.1).
    pub name: String,
    /// What it runs over.
    pub transport: Protocol,
}

/// What an instance says of itself.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Offer {
    /// Where it is.
    pub location: Location,
    /// The port, never 0.
    pub port: u16,
    /// Lower is tried first; at most [`INSTANCE_PRIORITY_MAX`].
    pub priority: u16,
    /// The share of the load among instances of one priority.
    pub weight: u16,
    /// How it is.
    pub health: InstanceHealth,
    /// Words for those who choose among instances: visible ASCII, in ascending order, each once.
    pub tags: Vec<String>,
}

/// Where an instance is.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// At a host of its own, `LABEL.SERVICE`, whose AAAA records the mesh writes: in ascending order, each once.
    Addresses(Vec<Ipv6Addr>),
    /// At a host that has its addresses already. Whether there is one is not checked.
    Host(DomainName),
}

/// How an instance is, as it says itself.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum InstanceHealth {
    /// All is well.
    #[default]
    Passing,
    /// It serves, though not all is well.
    Warning,
    /// It does not serve: it is listed, and stands in no SRV or SVCB record.
    Critical,
}

/// An announcement that no state could accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnnouncementFault {
    /// The label is none.
    #[error("instance label {label:?}: give one label of a-z, 0-9 and hyphen, such as east")]
    Label {
        /// What was given.
        label: String,
    },
    /// A name that follows from the service's and the label does not fit.
    #[error("{label}.{protocol}.{service} is too long for a name: choose a shorter label")]
    TooLong {
        /// The service.
        service: DomainName,
        /// The protocol's labels.
        protocol: String,
        /// The instance's.
        label: String,
    },
    /// The protocol is none.
    #[error(transparent)]
    Protocol(#[from] InvalidServiceProtocol),
    /// Port 0.
    #[error("port 0 is not usable: give the port of the instance")]
    Port,
    /// The last priority is not for instances.
    #[error("priority {priority}: it must be at most {INSTANCE_PRIORITY_MAX}")]
    Priority {
        /// What was given.
        priority: u16,
    },
    /// Too many tags, or tags that are too long, not plain, or not in order.
    #[error(
        "at most {INSTANCE_TAG_COUNT_MAX} tags of 1 to {INSTANCE_TAG_BYTES_MAX} visible ASCII characters may be given, in \
         ascending order, each once"
    )]
    Tags,
    /// No addresses, too many, or not in order.
    #[error(
        "from 1 to {INSTANCE_ADDRESS_COUNT_MAX} addresses must be given, in ascending order, each once; or a host"
    )]
    Addresses,
    /// A lease that no instance may have.
    #[error("lease {seconds} s: it must be from {LEASE_SECONDS_MIN} to {LEASE_SECONDS_MAX} s")]
    Lease {
        /// What was asked for.
        seconds: u32,
    },
}

/// A text that is no protocol of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a protocol and its transport, as in stoq/udp or https/tcp: 1 to {PROTOCOL_NAME_BYTES_MAX} of a-z, 0-9 and \
     single hyphens within, a letter among them"
)]
pub struct InvalidServiceProtocol;

impl InstanceName {
    /// Whether it can name an instance: the label, the protocol, and that the names that follow from them fit.
    ///
    /// # Errors
    /// With the first rule that it breaks.
    pub(in crate::state) fn check(&self) -> Result<(), crate::state::OperationFault> {
        check_script(&self.service)?;
        self.protocol.check().map_err(AnnouncementFault::from)?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_label = self.label.bytes().all(plain) && self.label.parse::<DomainName>().is_ok();
        if !is_label {
            return Err(AnnouncementFault::Label { label: self.label.clone() }.into());
        }
        let too_long = || AnnouncementFault::TooLong {
            service: self.service.clone(),
            protocol: self.protocol.labels(),
            label: self.label.clone(),
        };
        let full = self.service.child(&self.protocol.labels()).and_then(|name| name.child(&self.label));
        check_script(&full.map_err(|_| too_long())?)
    }

    /// The name whose owner may announce it: `LABEL._PROTOCOL._TRANSPORT.SERVICE`.
    ///
    /// # Panics
    /// As the others here, if it was not checked.
    #[must_use]
    pub fn full(&self) -> DomainName {
        self.below(&[&self.label, ".", &self.protocol.labels()].concat())
    }

    /// The host that it is, unless it says that it is at another: `LABEL.SERVICE`.
    #[must_use]
    pub fn host(&self) -> DomainName {
        self.below(&self.label)
    }

    /// Where the service's SRV records stand (RFC 2782).
    #[must_use]
    pub fn srv(&self) -> DomainName {
        self.below(&self.protocol.labels())
    }

    /// Where the service's SVCB records stand (RFC 9460 §2.3), if the protocol has a mapping to SVCB: STOQ's is ours, and
    /// those of others are not for us to make.
    #[must_use]
    pub fn svcb(&self) -> Option<DomainName> {
        self.protocol.is_stoq().then(|| self.below(&["_", &self.protocol.name].concat()))
    }

    fn below(&self, labels: &str) -> DomainName {
        self.service.child(labels).expect("the names of a checked instance fit")
    }
}

impl Offer {
    pub(in crate::state) fn check(&self) -> Result<(), AnnouncementFault> {
        if self.port == 0 {
            return Err(AnnouncementFault::Port);
        }
        if self.priority > INSTANCE_PRIORITY_MAX {
            return Err(AnnouncementFault::Priority { priority: self.priority });
        }
        let plain = |tag: &String| {
            (1..=INSTANCE_TAG_BYTES_MAX).contains(&tag.len())
                && tag.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let ordered = self.tags.is_sorted_by(|left, right| left < right);
        if self.tags.len() > INSTANCE_TAG_COUNT_MAX || !ordered || !self.tags.iter().all(plain) {
            return Err(AnnouncementFault::Tags);
        }
        match &self.location {
            Location::Addresses(addresses) => {
                let bounded = (1..=INSTANCE_ADDRESS_COUNT_MAX).contains(&addresses.len());
                let ordered = addresses.is_sorted_by(|left, right| left < right);
                if bounded && ordered { Ok(()) } else { Err(AnnouncementFault::Addresses) }
            }
            Location::Host(_) => Ok(()),
        }
    }
}

impl ServiceProtocol {
    /// STOQ over UDP.
    #[must_use]
    pub fn stoq() -> Self {
        Self { name: STOQ_PROTOCOL.to_string(), transport: Protocol::Udp }
    }

    /// Whether it is STOQ over UDP.
    #[must_use]
    pub fn is_stoq(&self) -> bool {
        self.name == STOQ_PROTOCOL && self.transport == Protocol::Udp
    }

    /// As it stands in names: `_stoq._udp`.
    #[must_use]
    pub fn labels(&self) -> String {
        ["_", &self.name, "._", self.transport.name()].concat()
    }

    fn check(&self) -> Result<(), InvalidServiceProtocol> {
        let name = self.name.as_bytes();
        let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        let lettered = name.iter().any(u8::is_ascii_lowercase);
        let hyphens = name.starts_with(b"-") || name.ends_with(b"-") || self.name.contains("--");
        let bounded = (1..=PROTOCOL_NAME_BYTES_MAX).contains(&name.len());
        match bounded && lettered && !hyphens && name.iter().all(plain) {
            true => Ok(()),
            false => Err(InvalidServiceProtocol),
        }
    }
}

impl fmt::Display for ServiceProtocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.name, self.transport.name())
    }
}

impl FromStr for ServiceProtocol {
    type Err = InvalidServiceProtocol;

    /// Without a transport, STOQ runs over UDP and whatever else over TCP.
    fn from_str(text: &str) -> Result<Self, InvalidServiceProtocol> {
        let (name, transport) = match text.split_once('/') {
            Some((name, "tcp")) => (name, Protocol::Tcp),
            Some((name, "udp")) => (name, Protocol::Udp),
            Some(_) => return Err(InvalidServiceProtocol),
            None if text == STOQ_PROTOCOL => (text, Protocol::Udp),
            None => (text, Protocol::Tcp),
        };
        let protocol = Self { name: name.to_string(), transport };
        protocol.check().map(|()| protocol)
    }
}

impl Serialize for ServiceProtocol {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ServiceProtocol {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for InstanceHealth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

/// A text that is no health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected passing, warning or critical")]
pub struct InvalidHealth;

impl FromStr for InstanceHealth {
    type Err = InvalidHealth;

    fn from_str(text: &str) -> Result<Self, InvalidHealth> {
        let all = [Self::Passing, Self::Warning, Self::Critical];
        all.into_iter().find(|health| health.to_string() == text).ok_or(InvalidHealth)
    }
}
