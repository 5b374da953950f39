//! A node's configuration, `node.toml`.
//!
//! ```toml
//! name = "node-1"             # its label: it answers to node-1.ZONE
//! network = "devnet"          # what its plot is bound to, with the profile
//! profile = "devnet"
//! listen = "[::1]:7401"       # STOQ, UDP
//! address = "[2001:db8::1]:7401" # where the others find it, if not where it listens
//! dns = "[::1]:7501"          # plain DNS, UDP and TCP; without it there is none
//! genesis = "../genesis.json" # relative to this file
//! metrics_file = "node.prom"  # for node_exporter's textfile collector; without it there is none
//! roles = ["trustchain", "hypermesh", "caesar"] # what it exposes, as genesis says too; all, without it
//!
//! [dns_limits]                # what one part of the network may have of plain DNS
//! exempt = ["192.0.2.53"]     # resolvers of our own
//!
//! [peers]                     # validators that have moved since genesis, if they do not find us themselves
//! node-3 = "[2001:db8::33]:7400" # or a host name: "node-3.example.org:7400"
//! ```
//!
//! It is read at the start, and again at SIGHUP: see [`crate::reload`] for what can change then.

use crate::data::NodeFolder;
use crate::dns_listener::DnsLimits;
use crate::failure::{Exit, Failure};
use crate::file::read_text;
use crate::node_address::NodeAddress;
use crate::roles::Roles;
use crate::suggestion::with_suggestion;
use hypermesh_core::api::check_dialable;
use hypermesh_core::base::{Profile, PublicKey};
use hypermesh_core::state::Genesis;
use hypermesh_core::trustchain::DomainName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddrV6;
use std::path::{Path, PathBuf};

/// The most bytes in a configuration.
pub const CONFIG_BYTES_MAX: usize = 64 * 1024;

/// A node's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfigFile {
    /// The node's name, a label.
    pub name: String,
    /// The mesh's name, a label.
    pub network: String,
    /// The parameters.
    pub profile: Profile,
    /// Where to listen for STOQ.
    pub listen: SocketAddrV6,
    /// Where the others find this node, if not where it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddrV6>,
    /// Where to listen for plain DNS, if at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<SocketAddrV6>,
    /// The file of the genesis.
    pub genesis: PathBuf,
    /// The file to keep metrics in, if any: for node_exporter's textfile collector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_file: Option<PathBuf>,
    /// Which services the node exposes. Genesis says so too, and the two must agree.
    #[serde(default, skip_serializing_if = "Roles::are_all")]
    pub roles: Roles,
    /// What one part of the network may have of plain DNS.
    #[serde(default, skip_serializing_if = "DnsLimits::are_default")]
    pub dns_limits: DnsLimits,
    /// Where validators are that are not where genesis says, by name. A hint: who answers must hold the key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: BTreeMap<String, NodeAddress>,
}

/// Where a validator is that is not where genesis says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerHint {
    /// Its name.
    pub name: String,
    /// Its key, which who answers must hold.
    pub key: PublicKey,
    /// Where it is.
    pub address: NodeAddress,
}

impl NodeConfigFile {
    /// Reads a configuration. Its paths are then relative to where this process runs.
    ///
    /// # Errors
    /// If it is missing, malformed or breaks a rule; where in the file, is said with line and column.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = read_text(path, CONFIG_BYTES_MAX)?;
        let mut config = Self::parse(&text)
            .map_err(|reason| Failure::new(Exit::Input, format!("{}: {reason}", path.display())))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        config.genesis = folder.join(&config.genesis);
        config.metrics_file = config.metrics_file.map(|file| folder.join(file));
        Ok(config)
    }

    /// The configuration in this text.
    ///
    /// # Errors
    /// With what is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| with_suggestion(&error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// The text of this configuration.
    ///
    /// # Errors
    /// If it cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String, Failure> {
        toml::to_string(self).map_err(|error| Failure::new(Exit::Failed, format!("node.toml: {error}")))
    }

    /// Where validators are that are not where genesis says.
    ///
    /// # Errors
    /// If genesis has no validator of a name.
    pub fn hints(&self, genesis: &Genesis) -> Result<Vec<PeerHint>, String> {
        let hints = self.peers.iter().map(|(name, address)| {
            let known = genesis.validators.iter().find(|validator| validator.name == *name);
            let unknown = || format!("peers: genesis has no validator {name}");
            let key = known.ok_or_else(unknown)?.member.key;
            Ok(PeerHint { name: name.clone(), key, address: address.clone() })
        });
        hints.collect()
    }

    /// Where the others find this node, as far as the configuration says: a node that listens at every address of its
    /// machine does not know.
    #[must_use]
    pub fn own_address(&self) -> Option<SocketAddrV6> {
        self.address.or_else(|| Some(self.listen).filter(|listen| check_dialable(*listen).is_ok()))
    }

    fn check(&self) -> Result<(), String> {
        for (key, label) in [("name", &self.name), ("network", &self.network)] {
            check_label(label).map_err(|reason| format!("{key}: {reason}"))?;
        }
        for (key, address) in [("listen", Some(self.listen)), ("dns", self.dns)] {
            if address.is_some_and(|address| address.port() == 0) {
                return Err(format!("{key}: other nodes cannot reach port 0: choose another port"));
            }
        }
        if let Some(address) = self.address {
            check_dialable(address).map_err(|reason| format!("address: {address}: {reason}"))?;
        }
        for (name, address) in &self.peers {
            if let NodeAddress::Ip(address) = address {
                check_dialable(*address).map_err(|reason| format!("peers: {name} at {address}: {reason}"))?;
            }
        }
        self.dns_limits.check().map_err(|reason| format!("dns_limits: {reason}"))?;
        match self.dns {
            Some(dns) if dns.port() == self.listen.port() => {
                Err(format!("dns: port {} is used by STOQ, also over UDP: choose another", dns.port()))
            }
            _ => Ok(()),
        }
    }
}

impl NodeFolder {
    /// Reads the node's configuration.
    ///
    /// # Errors
    /// If it is missing, malformed or breaks a rule.
    pub fn read_config(&self) -> Result<NodeConfigFile, Failure> {
        if !self.config().exists() {
            let folder = self.path().display();
            let message = format!("{folder} is not a node's folder: `hypermesh node init` makes one");
            return Err(Failure::new(Exit::Input, message));
        }
        NodeConfigFile::read(&self.config())
    }
}

/// Refuses what is no label of a name.
///
/// # Errors
/// With what is wrong.
pub fn check_label(label: &str) -> Result<(), String> {
    let name: DomainName = label.parse().map_err(|error| format!("{error}"))?;
    if name.labels().count() != 1 || label.contains(['.', '_']) || name.as_str() != label {
        return Err(format!("{label:?} must be one label of a-z, 0-9 and hyphen"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "name = \"node-1\"\nnetwork = \"devnet\"\nprofile = \"devnet\"\n\
        listen = \"[::1]:7401\"\ndns = \"[::1]:7501\"\ngenesis = \"../genesis.json\"\n";

    #[test]
    fn a_configuration_is_read_as_it_was_written() {
        let config = NodeConfigFile::parse(GOOD).unwrap();
        assert_eq!(NodeConfigFile::parse(&config.to_toml().unwrap()), Ok(config.clone()));
        assert_eq!(config.profile, Profile::Devnet);
        let limited = GOOD.to_owned() + "[dns_limits]\nslip = 3\nexempt = [\"192.0.2.53\"]\n[peers]\n";
        let limited = NodeConfigFile::parse(&limited).unwrap();
        assert_eq!((limited.dns_limits.slip, limited.dns_limits.exempt.len()), (3, 1));
        assert_eq!(NodeConfigFile::parse(&limited.to_toml().unwrap()), Ok(limited));
        let silent = NodeConfigFile::parse(&GOOD.replace("dns = \"[::1]:7501\"\n", "")).unwrap();
        assert_eq!(silent.dns, None);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (replaced, by, expected) in [
            ("dns =", "dsn =", "line 5, column 1"),
            ("dns =", "dsn =", "did you mean `dns`?"),
            ("\"[::1]:7401\"", "7401", "line 4, column"),
            ("\"devnet\"\nlisten", "\"moon\"\nlisten", "line 3, column"),
            ("[::1]:7401", "127.0.0.1:7401", "line 4, column"),
            ("[::1]:7401", "[::1]:0", "listen: other nodes cannot reach port 0"),
            ("[::1]:7501", "[::1]:7401", "dns: port 7401"),
            ("dns =", "address = \"[::]:7401\"\ndns =", "address: [::]:7401: it is the unspecified address"),
            ("genesis.json\"", "genesis.json\"\n[dns_limits]\nslip = 11", "dns_limits: slip: 0 to 10"),
            ("genesis.json\"", "genesis.json\"\n[dns_limits]\nexempted = []", "did you mean `exempt`?"),
            ("genesis.json\"", "genesis.json\"\n[dns_limits]\nexempt = [\"a\"]", "line 8, column"),
            ("node-1", "Node 1", "name: "),
            ("node-1", "a.b", "name: "),
            ("name = \"node-1\"", "", "missing field `name`"),
            ("name =", "peers = { node-3 = \"192.0.2.1:7400\" }\nname =", "line 1, column"),
            ("name =", "peers = { node-3 = \"192.0.2.1:7400\" }\nname =", "STOQ requires IPv6"),
            ("name =", "peers = { node-3 = \"[::]:7400\" }\nname =", "peers: node-3 at [::]:7400"),
        ] {
            let error = NodeConfigFile::parse(&GOOD.replace(replaced, by)).unwrap_err();
            assert!(error.contains(expected), "{by:?} gave {error}");
        }
    }

    #[test]
    fn a_node_is_where_it_says_or_where_it_listens_and_else_does_not_know() {
        let own = |listen: &str, address: &str| {
            let text = GOOD.replace("[::1]:7401", listen).replace("dns =", &format!("{address}dns ="));
            NodeConfigFile::parse(&text).unwrap().own_address().map(|address| address.to_string())
        };
        let address = "address = \"[2001:db8::1]:7400\"\n";
        assert_eq!(own("[::1]:7401", "").as_deref(), Some("[::1]:7401"));
        assert_eq!(own("[::1]:7401", address).as_deref(), Some("[2001:db8::1]:7400"));
        assert_eq!(own("[::]:7401", address).as_deref(), Some("[2001:db8::1]:7400"));
        assert_eq!(own("[::]:7401", ""), None);
    }

    #[test]
    fn paths_are_relative_to_the_file_and_a_file_past_the_bound_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.toml");
        std::fs::write(&path, GOOD).unwrap();
        let config = NodeConfigFile::read(&path).unwrap();
        assert_eq!(config.genesis, folder.path().join("../genesis.json"));
        std::fs::write(&path, GOOD.to_owned() + &"#".repeat(CONFIG_BYTES_MAX)).unwrap();
        assert!(NodeConfigFile::read(&path).unwrap_err().message.contains("more than the"));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_taken_reads_back(
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 0..4), junk in ".{0,80}",
        ) {
            let mut text: Vec<char> = GOOD.chars().collect();
            for (place, character) in edits {
                let place = place.index(text.len());
                text[place] = character;
            }
            for text in [text.into_iter().collect::<String>(), junk] {
                match NodeConfigFile::parse(&text) {
                    Ok(config) => {
                        prop_assert_eq!(NodeConfigFile::parse(&config.to_toml().unwrap()), Ok(config));
                    }
                    Err(reason) => prop_assert!(!reason.is_empty()),
                }
            }
        }
    }
}
