//! How much of something each part of the network has: one host, with however many addresses and keys, gets no
//! more than its share.

use crate::lock::lock;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

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

/// Counts by prefix, of which each is bounded.
#[derive(Clone, Default)]
pub(super) struct Shares {
    taken: Arc<Mutex<BTreeMap<Prefix, usize>>>,
}

/// One of a prefix's share. It is free again when this is dropped.
pub(super) struct Share {
    shares: Shares,
    prefix: Prefix,
}

impl Shares {
    /// Takes one for whoever is at this address, unless its prefix has `share_max` already.
    pub(super) fn take(&self, remote: SocketAddr, share_max: usize) -> Option<Share> {
        let prefix = Prefix::of(remote);
        let mut taken = lock(&self.taken);
        let count = taken.entry(prefix).or_default();
        if *count >= share_max {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Share { shares: self.clone(), prefix })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = lock(&self.shares.taken);
        if let Some(count) = taken.get_mut(&self.prefix) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.prefix);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 1)
    }

    #[test]
    fn a_prefix_has_its_share_at_the_limit_and_not_one_past_it_and_others_have_theirs() {
        let shares = Shares::default();
        let held =
            [shares.take(at("2001:db8::1"), 2).unwrap(), shares.take(at("2001:db8:0:ff::2"), 2).unwrap()];
        assert!(shares.take(at("2001:db8:0:7::3"), 2).is_none());
        assert!(shares.take(at("2001:db8:0:100::3"), 2).is_some());
        drop(held);
        assert!(shares.take(at("2001:db8::9"), 2).is_some());
        assert!(lock(&shares.taken).is_empty(), "what is free is forgotten");
    }
}
