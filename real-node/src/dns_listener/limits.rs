//! What one part of the network may have of a DNS listener, as the node's configuration says it (`[dns_limits]`).

use super::connections::CONNECTIONS_MAX;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Responses a second, of one [class](super::RateClass) to one prefix (NSD's default too).
const RESPONSES_PER_SECOND: u32 = 200;
/// Responses a second to one prefix, whatever their class.
const ALL_PER_SECOND: u32 = 2000;
/// The highest rate that can be set.
const PER_SECOND_MAX: u32 = 1_000_000;
/// The responses of so many seconds are sent at once after a quiet time.
const BURST_SECONDS: u32 = 3;
/// The longest burst that can be set.
const BURST_SECONDS_MAX: u32 = 60;
/// Of so many responses past a rate, one is sent, truncated.
const SLIP: u8 = 2;
/// The highest slip that can be set, as BIND has it.
const SLIP_MAX: u8 = 10;
/// TCP connections of one prefix.
pub const CONNECTIONS_PER_PREFIX: usize = 32;
/// The most networks that can be exempt: each query is compared with all of them.
const EXEMPT_MAX: usize = 64;

/// What a listener allows each prefix: a /24 of IPv4, a /56 of IPv6. A rate of 0 is no limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DnsLimits {
    /// Answers with records, of one name.
    pub responses_per_second: u32,
    /// Answers that the name has no such records.
    pub nodata_per_second: u32,
    /// Answers that there is no such name.
    pub nxdomains_per_second: u32,
    /// Refusals and errors.
    pub errors_per_second: u32,
    /// Referrals to other servers.
    pub referrals_per_second: u32,
    /// All of these together.
    pub all_per_second: u32,
    /// How many seconds' responses are sent at once after a quiet time.
    pub burst_seconds: u32,
    /// One of so many responses past a rate is sent truncated, the others not at all; 0: none is sent.
    pub slip: u8,
    /// TCP connections; for a further one the one that is idle for longest is closed.
    pub connections_per_prefix: usize,
    /// Networks without limits.
    pub exempt: Vec<ExemptNetwork>,
    /// Whether loopback addresses, which nobody outside can use, are limited too. No setting: for tests, whose addresses
    /// those are.
    #[serde(skip)]
    pub loopback: bool,
}

impl Default for DnsLimits {
    fn default() -> Self {
        Self {
            responses_per_second: RESPONSES_PER_SECOND,
            nodata_per_second: RESPONSES_PER_SECOND,
            nxdomains_per_second: RESPONSES_PER_SECOND,
            errors_per_second: RESPONSES_PER_SECOND,
            referrals_per_second: RESPONSES_PER_SECOND,
            all_per_second: ALL_PER_SECOND,
            burst_seconds: BURST_SECONDS,
            slip: SLIP,
            connections_per_prefix: CONNECTIONS_PER_PREFIX,
            exempt: Vec::new(),
            loopback: false,
        }
    }
}

impl DnsLimits {
    /// Whether nothing was set.
    #[must_use]
    pub fn are_default(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses values out of range.
    ///
    /// # Errors
    /// With the setting, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        let rates = [
            ("responses_per_second", self.responses_per_second),
            ("nodata_per_second", self.nodata_per_second),
            ("nxdomains_per_second", self.nxdomains_per_second),
            ("errors_per_second", self.errors_per_second),
            ("referrals_per_second", self.referrals_per_second),
            ("all_per_second", self.all_per_second),
        ];
        if let Some((setting, _)) = rates.into_iter().find(|(_, rate)| *rate > PER_SECOND_MAX) {
            return Err(format!("{setting}: at most {PER_SECOND_MAX}, or 0 for no limit"));
        }
        if !(1..=BURST_SECONDS_MAX).contains(&self.burst_seconds) {
            return Err(format!("burst_seconds: 1 to {BURST_SECONDS_MAX}"));
        }
        if self.slip > SLIP_MAX {
            return Err(format!("slip: 0 to {SLIP_MAX}"));
        }
        if !(1..=CONNECTIONS_MAX).contains(&self.connections_per_prefix) {
            return Err(format!("connections_per_prefix: 1 to {CONNECTIONS_MAX}"));
        }
        if self.exempt.len() > EXEMPT_MAX {
            return Err(format!("exempt: at most {EXEMPT_MAX} networks"));
        }
        Ok(())
    }

    /// The prefix in which a client counts; `None` if it is not limited.
    pub(super) fn prefix_of(&self, client: IpAddr) -> Option<Prefix> {
        let client = client.to_canonical();
        let exempt = (client.is_loopback() && !self.loopback)
            || self.exempt.iter().any(|network| network.0.contains(&client));
        (!exempt).then(|| Prefix::of(client))
    }
}

/// A network whose clients are not limited: an address with a prefix's length, or an address alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExemptNetwork(IpNet);

impl FromStr for ExemptNetwork {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = match text.parse::<IpAddr>() {
            Ok(address) => Ok(IpNet::from(address)),
            Err(_) => text.parse::<IpNet>(),
        };
        let malformed =
            |_| format!("invalid network `{text}`: expected one such as 192.0.2.0/24 or 2001:db8::/32");
        match network.map_err(malformed)?.trunc() {
            IpNet::V6(mapped) if mapped.network().to_ipv4_mapped().is_some() => {
                Err(format!("`{text}` is an IPv4-mapped IPv6 network: expected it as IPv4"))
            }
            network => Ok(Self(network)),
        }
    }
}

impl TryFrom<String> for ExemptNetwork {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ExemptNetwork> for String {
    fn from(network: ExemptNetwork) -> Self {
        network.to_string()
    }
}

impl fmt::Display for ExemptNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What the addresses of one part of the network have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Prefix {
    /// A /24.
    V4([u8; 3]),
    /// A /56, what one customer has.
    V6([u8; 7]),
}

impl Prefix {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn read(text: &str) -> Result<DnsLimits, String> {
        let limits: DnsLimits = toml::from_str(text).map_err(|error| error.to_string())?;
        limits.check().map(|()| limits)
    }

    #[test]
    fn each_setting_holds_at_its_bound_and_not_one_past_it() {
        for (setting, least, most) in [
            ("responses_per_second", 0, 1_000_000),
            ("nodata_per_second", 0, 1_000_000),
            ("nxdomains_per_second", 0, 1_000_000),
            ("errors_per_second", 0, 1_000_000),
            ("referrals_per_second", 0, 1_000_000),
            ("all_per_second", 0, 1_000_000),
            ("burst_seconds", 1, 60),
            ("slip", 0, 10),
            ("connections_per_prefix", 1, 1024),
        ] {
            for (value, taken) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
                let limits = read(&format!("{setting} = {value}"));
                assert_eq!(limits.is_ok(), taken, "{setting} = {value}: {limits:?}");
            }
        }
        let exempt = |count: usize| format!("exempt = [{}]", "\"192.0.2.1\",".repeat(count));
        assert!(read(&exempt(EXEMPT_MAX)).is_ok());
        assert!(read(&exempt(EXEMPT_MAX + 1)).unwrap_err().contains("at most 64"));
    }

    #[test]
    fn an_exempt_network_is_written_as_people_write_it_and_what_is_none_is_named() {
        for (text, read) in [
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.77/24", "192.0.2.0/24"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:db8::53", "2001:db8::53/128"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(text.parse::<ExemptNetwork>().unwrap().to_string(), read);
        }
        for (text, told) in [
            ("resolver", "invalid network"),
            ("192.0.2.0/33", "invalid network"),
            ("", "invalid network"),
            ("::ffff:192.0.2.1", "expected it as IPv4"),
        ] {
            assert!(text.parse::<ExemptNetwork>().unwrap_err().contains(told), "{text}");
        }
    }

    #[test]
    fn whoever_is_exempt_has_no_prefix_and_its_neighbour_has() {
        let limits = read("exempt = [\"2001:db8::53\", \"192.0.2.0/25\"]").unwrap();
        for (client, limited) in [
            ("2001:db8::53", false),
            ("2001:db8::54", true),
            ("192.0.2.127", false),
            ("::ffff:192.0.2.127", false),
            ("192.0.2.128", true),
            ("::1", false),
            ("127.0.0.9", false),
        ] {
            assert_eq!(limits.prefix_of(address(client)).is_some(), limited, "{client}");
        }
        let strict = DnsLimits { loopback: true, ..DnsLimits::default() };
        assert!(strict.prefix_of(address("::1")).is_some());
    }

    #[test]
    fn a_prefix_is_a_24_of_ipv4_and_a_56_of_ipv6() {
        let limits = DnsLimits::default();
        let prefix = |text: &str| limits.prefix_of(address(text));
        assert_eq!(prefix("2001:db8:0:1::1"), prefix("2001:db8:0:ff:ffff::9"));
        assert_ne!(prefix("2001:db8:0:1::1"), prefix("2001:db8:0:100::1"));
        assert_eq!(prefix("192.0.2.7"), prefix("::ffff:192.0.2.200"));
        assert_ne!(prefix("192.0.2.7"), prefix("192.0.3.7"));
    }
}
