//! The part of the network that an address is in: one host, with however many addresses and keys, gets no more than that
//! part's share.

use std::net::{IpAddr, SocketAddr};

/// A /56, what one customer has of a network; of IPv4 mapped into IPv6, all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Prefix([u8; 7]);

impl Prefix {
    /// Where this address is.
    pub(super) fn of(remote: SocketAddr) -> Self {
        let octets = match remote.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        let [a, b, c, d, e, f, g, ..] = octets;
        Self([a, b, c, d, e, f, g])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_56_and_all_of_ipv4_is_one() {
        let of = |text: &str| Prefix::of(SocketAddr::new(text.parse().unwrap(), 1));
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:ff:ffff::9"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:100::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:198.51.100.1"));
    }
}
