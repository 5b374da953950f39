//! Where a node is, as people write it: an IPv6 address or a host name, and a port.
//!
//! Either is only a place to dial: who answers there must hold the node's key. So a host name needs no trust in DNS. It is
//! looked up when it is dialled, and again when it led nowhere; what was found is not kept on disk.

use crate::host_lookup;
use hypermesh_core::api::check_dialable;
use hypermesh_core::trustchain::DomainName;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::str::FromStr;

/// The most addresses of a host that are dialled.
pub const ADDRESSES_PER_HOST_MAX: usize = 4;

/// Where a node is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum NodeAddress {
    /// At this address.
    Ip(SocketAddrV6),
    /// At the addresses that a host name has.
    Host {
        /// The name, as this machine's resolver takes it.
        name: DomainName,
        /// The port.
        port: u16,
    },
}

/// A text that names no place of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid node address {text:?}: {reason}")]
pub struct InvalidNodeAddress {
    text: String,
    reason: String,
}

impl NodeAddress {
    /// Whether it is a host name.
    #[must_use]
    pub const fn is_host(&self) -> bool {
        matches!(self, Self::Host { .. })
    }

    /// The addresses to dial, at least one and at most [`ADDRESSES_PER_HOST_MAX`]. Must be called from within a tokio
    /// runtime, which a look-up does not block: all of them together are bounded by `host_lookup`.
    ///
    /// # Errors
    /// If the host is not found in time, or has no address that can be dialled; the host is named.
    pub async fn resolve(&self) -> Result<Vec<SocketAddrV6>, String> {
        let (name, port) = match self {
            Self::Ip(address) => return Ok(vec![*address]),
            Self::Host { name, port } => (name, *port),
        };
        let found = host_lookup::shared().look_up(name).await?;
        dialable(name, found.into_iter().map(|ip| SocketAddr::new(ip, port)))
    }
}

/// Those of a host's addresses that can be dialled.
fn dialable(name: &DomainName, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddrV6>, String> {
    let (mut usable, mut refused) = (Vec::new(), Vec::new());
    for address in found {
        match address {
            SocketAddr::V6(address) if check_dialable(address).is_ok() => usable.push(address),
            other => refused.push(other.ip()),
        }
    }
    // The order is the resolver's: the best first.
    let mut distinct = Vec::new();
    for address in usable {
        if distinct.len() < ADDRESSES_PER_HOST_MAX && !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    if !distinct.is_empty() {
        return Ok(distinct);
    }
    refused.dedup();
    let listed = refused.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
    match refused.is_empty() {
        true => Err(format!("host {name} has no address")),
        false if refused.iter().all(IpAddr::is_ipv4) => Err(format!(
            "host {name} has only IPv4 addresses ({listed}), and STOQ requires IPv6: give it an AAAA record"
        )),
        false => Err(format!("host {name} has no usable address: {listed}")),
    }
}

impl FromStr for NodeAddress {
    type Err = InvalidNodeAddress;

    fn from_str(text: &str) -> Result<Self, InvalidNodeAddress> {
        let fault = |reason: &dyn fmt::Display| InvalidNodeAddress {
            text: text.to_owned(),
            reason: reason.to_string(),
        };
        if let Ok(address) = text.parse::<SocketAddrV6>() {
            return Ok(Self::Ip(address));
        }
        if text.parse::<SocketAddrV4>().is_ok() || text.parse::<Ipv4Addr>().is_ok() {
            return Err(fault(&"it is an IPv4 address, and STOQ requires IPv6"));
        }
        let expected =
            "expected [IPV6]:PORT or HOST:PORT, such as [2001:db8::1]:7400 or node-1.example.org:7400";
        let (name, port) = text.rsplit_once(':').ok_or_else(|| fault(&expected))?;
        let port: u16 = port.parse().map_err(|_| fault(&expected))?;
        let name: DomainName = match name.contains(['[', ']', ':']) {
            true => return Err(fault(&expected)),
            false => name.parse().map_err(|error| fault(&error))?,
        };
        if port == 0 {
            return Err(fault(&"other nodes cannot reach port 0"));
        }
        // What resolvers would take for an IPv4 address, in one of its many forms.
        let last = name.as_str().rsplit('.').next().unwrap_or_default();
        if last.starts_with(|first: char| first.is_ascii_digit())
            && last.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'x')
        {
            return Err(fault(&"a host name cannot end in a number"));
        }
        Ok(Self::Host { name, port })
    }
}

impl TryFrom<String> for NodeAddress {
    type Error = InvalidNodeAddress;

    fn try_from(text: String) -> Result<Self, InvalidNodeAddress> {
        text.parse()
    }
}

impl From<NodeAddress> for String {
    fn from(address: NodeAddress) -> Self {
        address.to_string()
    }
}

impl From<SocketAddrV6> for NodeAddress {
    fn from(address: SocketAddrV6) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(formatter),
            Self::Host { name, port } => write!(formatter, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_host_is_read_and_written_back() {
        for text in ["[2001:db8::1]:7400", "node-1.example.org:7400", "localhost:7401", "a_b:1"] {
            assert_eq!(text.parse::<NodeAddress>().unwrap().to_string(), text);
        }
        assert_eq!("Node.Example.:7".parse::<NodeAddress>().unwrap().to_string(), "node.example:7");
        for (text, expected) in [
            ("192.0.2.1:7400", "STOQ requires IPv6"),
            ("192.0.2.1", "STOQ requires IPv6"),
            ("192.0.2:7400", "cannot end in a number"),
            ("0x7f.0x1:7400", "cannot end in a number"),
            ("node-1", "expected [IPV6]:PORT or HOST:PORT"),
            ("2001:db8::1:7400", "expected"),
            ("[2001:db8::1]", "expected"),
            ("node-1:0", "port 0"),
            ("node-1:70000", "expected"),
            ("no de:7400", "no de"),
            (":7400", ""),
        ] {
            let error = text.parse::<NodeAddress>().unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(text), "{text}: {error}");
        }
    }

    #[test]
    fn of_a_hosts_addresses_those_are_dialled_that_stoq_can_and_no_more_than_the_limit() {
        let name: DomainName = "node-1.example.org".parse().unwrap();
        let found = |texts: &[&str]| dialable(&name, texts.iter().map(|text| text.parse().unwrap()));
        let both = found(&["192.0.2.1:7400", "[2001:db8::1]:7400", "[2001:db8::1]:7400"]).unwrap();
        assert_eq!(both, ["[2001:db8::1]:7400".parse().unwrap()]);
        let old = found(&["192.0.2.1:7400", "192.0.2.2:7400"]).unwrap_err();
        assert!(old.contains("node-1.example.org has only IPv4 addresses (192.0.2.1, 192.0.2.2)"), "{old}");
        assert!(found(&["[fe80::1]:7400"]).unwrap_err().contains("fe80::1"));
        assert!(found(&[]).unwrap_err().contains("has no address"));
        let many: Vec<String> = (1..=5).map(|number| format!("[2001:db8::{number}]:7400")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(found(&many[..4]).unwrap().len(), ADDRESSES_PER_HOST_MAX);
        assert_eq!(found(&many).unwrap().len(), ADDRESSES_PER_HOST_MAX);
    }
}
