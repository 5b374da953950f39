//! The names under which addresses are looked up (RFC 1035 §3.5, RFC 3596 §2.5).

use crate::trustchain::DomainName;
use alloc::string::String;
use core::fmt::Write;
use core::net::IpAddr;

/// The name of an address under `ip6.arpa` or `in-addr.arpa`.
#[must_use]
pub fn reverse_name(address: impl Into<IpAddr>) -> DomainName {
    let mut name = String::with_capacity(72);
    let written = match address.into() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            write!(name, "{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => address
            .octets()
            .iter()
            .rev()
            .try_for_each(|octet| write!(name, "{:x}.{:x}.", octet & 15, octet >> 4))
            .and_then(|()| name.write_str("ip6.arpa")),
    };
    written.expect("writing into a string never fails");
    name.parse().expect("digits and labels of one to four characters make a name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn addresses_have_the_names_that_the_standards_give() {
        let address: Ipv6Addr = "4321:0:1:2:3:4:567:89ab".parse().unwrap();
        assert_eq!(
            reverse_name(address).as_str(),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa"
        );
        assert_eq!(reverse_name(Ipv4Addr::new(192, 0, 2, 7)).as_str(), "7.2.0.192.in-addr.arpa");
    }
}
