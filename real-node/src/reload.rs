//! What a new configuration changes in a node that runs.
//!
//! Where and within which limits plain DNS is answered, where this node is found and where its peers are can change at once. Everything else is
//! fixed when a node starts: its identity is bound to it, or connections hang on it. A key that cannot change is named,
//! and the old value stays.

use crate::node_config::NodeConfigFile;

/// What a new configuration changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The configuration that the node has from now on, if all that can change does.
    pub config: NodeConfigFile,
    /// Whether plain DNS is to be answered elsewhere, or no more.
    pub dns: bool,
    /// Whether other limits hold for plain DNS.
    pub dns_limits: bool,
    /// Whether this node is to be found elsewhere.
    pub address: bool,
    /// Whether the addresses of validators in `[peers]` are others.
    pub peers: bool,
    /// The keys whose new values wait for the next start.
    pub waiting: Vec<&'static str>,
}

impl Changes {
    /// What changes from one configuration to another.
    #[must_use]
    pub fn between(old: &NodeConfigFile, new: NodeConfigFile) -> Self {
        let fixed = [
            ("name", old.name != new.name),
            ("network", old.network != new.network),
            ("profile", old.profile != new.profile),
            ("listen", old.listen != new.listen),
            ("genesis", old.genesis != new.genesis),
            ("metrics_file", old.metrics_file != new.metrics_file),
            ("roles", old.roles != new.roles),
        ];
        let waiting = fixed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect();
        let (dns, dns_limits) = (old.dns != new.dns, old.dns_limits != new.dns_limits);
        let (address, peers) = (old.address != new.address, old.peers != new.peers);
        let config = NodeConfigFile {
            dns: new.dns,
            dns_limits: new.dns_limits,
            address: new.address,
            peers: new.peers,
            ..old.clone()
        };
        Self { config, dns, dns_limits, address, peers, waiting }
    }

    /// In words, for the log.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut now = Vec::new();
        match (self.dns, self.config.dns) {
            (false, _) => {}
            (true, Some(address)) => now.push(format!("plain DNS is answered at {address}")),
            (true, None) => now.push("plain DNS is no longer answered".to_owned()),
        }
        if self.dns_limits {
            now.push("the limits of plain DNS are now those of [dns_limits]".to_owned());
        }
        match (self.address, self.config.own_address()) {
            (false, _) | (true, None) => {}
            (true, Some(address)) => now.push(format!("this node is announced at {address}")),
        }
        if self.peers {
            now.push(match self.config.peers.len() {
                0 => "no validator's address is taken from [peers] now".to_owned(),
                1 => "the address of 1 validator is now taken from [peers]".to_owned(),
                count => format!("the addresses of {count} validators are now taken from [peers]"),
            });
        }
        let now = if now.is_empty() { "nothing changes now".to_owned() } else { now.join("; ") };
        match self.waiting.as_slice() {
            [] => now,
            keys => {
                format!("{now}; {} cannot change while the node runs: restart it for that", keys.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "name = \"node-1\"\nnetwork = \"devnet\"\nprofile = \"devnet\"\nlisten = \"[::1]:7401\"\n\
        dns = \"[::1]:7501\"\ngenesis = \"../genesis.json\"\n";

    fn reloaded(replaced: &str, by: &str) -> (bool, String) {
        let old = NodeConfigFile::parse(OLD).unwrap();
        let changes = Changes::between(&old, NodeConfigFile::parse(&OLD.replace(replaced, by)).unwrap());
        let NodeConfigFile { dns, dns_limits, address, peers, .. } = old.clone();
        let but_for = NodeConfigFile { dns, dns_limits, address, peers, ..changes.config.clone() };
        assert_eq!(but_for, old, "only DNS and addresses change");
        (changes.dns, changes.summary())
    }

    #[test]
    fn dns_changes_at_once_and_everything_else_is_named() {
        assert_eq!(reloaded("", ""), (false, "nothing changes now".to_owned()));
        assert_eq!(reloaded("7501", "7601"), (true, "plain DNS is answered at [::1]:7601".to_owned()));
        let limits = "genesis.json\"\n[dns_limits]\nslip = 3";
        let expected = (false, "the limits of plain DNS are now those of [dns_limits]".to_owned());
        assert_eq!(reloaded("genesis.json\"", limits), expected);
        assert_eq!(
            reloaded("dns = \"[::1]:7501\"\n", ""),
            (true, "plain DNS is no longer answered".to_owned())
        );
        let peers = "peers = { node-3 = \"[2001:db8::3]:7400\" }\nname =";
        let one = "the address of 1 validator is now taken from [peers]";
        assert_eq!(reloaded("name =", peers), (false, one.to_owned()));
        let peers = "peers = { node-3 = \"[2001:db8::3]:7400\", node-4 = \"[2001:db8::4]:7400\" }\nname =";
        let two = "the addresses of 2 validators are now taken from [peers]";
        assert_eq!(reloaded("name =", peers), (false, two.to_owned()));
        let address = "address = \"[2001:db8::1]:7400\"\nname =";
        assert_eq!(
            reloaded("name =", address),
            (false, "this node is announced at [2001:db8::1]:7400".to_owned())
        );
        for (replaced, by, key) in [
            ("node-1", "node-2", "name"),
            ("network = \"devnet\"", "network = \"other\"", "network"),
            ("profile = \"devnet\"", "profile = \"sim\"", "profile"),
            ("7401", "7402", "listen"),
            ("../genesis", "genesis", "genesis"),
            ("name =", "metrics_file = \"node.prom\"\nname =", "metrics_file"),
            ("name =", "roles = [\"caesar\"]\nname =", "roles"),
        ] {
            let (dns, text) = reloaded(replaced, by);
            assert!(!dns && text.contains(&format!("{key} cannot change while the node runs")), "{text}");
        }
    }
}
