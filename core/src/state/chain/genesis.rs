//! Genesis: what the operators agreed on before the first block. Its hash names the mesh.

use crate::base::{Digest, Domain, MicroCaesar, Profile, PublicKey, UnixMillis, encode};
use crate::hypermesh::ordering::ValidatorSet;
use crate::state::names::alias::{chain_length, host_of};
use crate::state::names::zone::is_reserved_label;
use crate::state::operations::Rules as _;
use crate::state::{BLOCK_TIME_MAX, SetRecords};
use crate::trustchain::dns::{CNAME_CHAIN_MAX, RecordData, RecordType, check_name};
use crate::trustchain::{DomainName, IdnFault};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::net::SocketAddrV6;
use serde::{Deserialize, Serialize};

/// The most validators that genesis may list.
pub const VALIDATOR_COUNT_MAX: usize = 100;
/// The fewest: one of four may be Byzantine, none of fewer.
pub const VALIDATOR_COUNT_MIN: usize = 4;
/// The most bytes in an encoded genesis.
pub const GENESIS_BYTES_MAX: usize = 1024 * 1024;
/// The most characters in a mesh's or a node's name.
pub const LABEL_BYTES_MAX: usize = 63;
/// The most characters in the zone: the TLSA name of a node with the longest name fits below it.
pub const ZONE_BYTES_MAX: usize = 128;
/// The most reverse zones: each costs every look-up of a name.
pub const REVERSE_ZONE_COUNT_MAX: usize = 16;

const _: () = assert!("_65535._udp.".len() + LABEL_BYTES_MAX + 1 + ZONE_BYTES_MAX <= 253);

const ID: Domain = Domain::new("hypermesh v1 genesis");

/// What the operators agreed on.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The mesh's name, a label: it is part of every plot and of the log's origin.
    pub network: String,
    /// The parameters.
    pub profile: Profile,
    /// No block is earlier.
    pub time: UnixMillis,
    /// The zone that the mesh answers for and issues names in.
    pub zone: DomainName,
    /// Reverse zones that the mesh answers for too; none within another, or within the zone.
    pub reverse_zones: Vec<DomainName>,
    /// Who decides, in ascending order of keys.
    pub validators: Vec<GenesisValidator>,
    /// Who may submit batches besides, in ascending order of keys.
    pub members: Vec<GenesisMember>,
    /// What is in whose account, in ascending order of keys.
    pub accounts: Vec<GenesisAccount>,
    /// What the rewards are paid out of at first.
    pub reserve: MicroCaesar,
    /// Names that belong to someone from the start.
    pub names: Vec<GenesisName>,
    /// Records at those names from the start.
    pub records: Vec<SetRecords>,
}

/// A validator at genesis.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisValidator {
    /// Its name, a label: it answers to `NAME.ZONE`.
    pub name: String,
    /// Its plot and stake.
    pub member: GenesisMember,
    /// Where it listens for STOQ.
    pub address: SocketAddrV6,
    /// The last link of its hash chain of beacon reveals.
    pub reveal_anchor: Digest,
}

/// A member at genesis.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisMember {
    /// Its identity.
    pub key: PublicKey,
    /// The root of its plot.
    pub plot_root: Digest,
    /// What it has at stake.
    pub stake: MicroCaesar,
}

/// An account at genesis.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAccount {
    /// Whose.
    pub owner: PublicKey,
    /// How much.
    pub balance: MicroCaesar,
}

/// A name at genesis.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisName {
    /// The name, below the zone.
    pub name: DomainName,
    /// Whose it is, and everything below it.
    pub owner: PublicKey,
}

/// A genesis from which no mesh can start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenesisFault {
    /// Its encoding is too long.
    #[error("genesis takes {bytes} bytes, at most {GENESIS_BYTES_MAX} are allowed")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A time after which no block can be made.
    #[error("genesis has time {time}, and no block can be later than {BLOCK_TIME_MAX}")]
    Time {
        /// The time.
        time: UnixMillis,
    },
    /// A zone that names do not fit below, or zones one within the other.
    #[error(
        "zone {zone}: it takes at most {ZONE_BYTES_MAX} characters, and with it at most \
         {REVERSE_ZONE_COUNT_MAX} reverse zones, none of them within another or within the zone"
    )]
    Zone {
        /// The zone at fault.
        zone: DomainName,
    },
    /// Too few or too many validators.
    #[error(
        "genesis lists {count} validators: it takes from {VALIDATOR_COUNT_MIN} to {VALIDATOR_COUNT_MAX}, and 3f+1 to tolerate f"
    )]
    ValidatorCount {
        /// How many it lists.
        count: usize,
    },
    /// A list out of order, or with one key twice.
    #[error("the list of {list} must be in ascending order of keys, each once")]
    Order {
        /// Which list.
        list: &'static str,
    },
    /// A key that cannot sign.
    #[error("{key} is not a usable key")]
    Key {
        /// The key.
        key: PublicKey,
    },
    /// A stake below the minimum.
    #[error("{key} has {stake} at stake: the minimum is {minimum}")]
    Stake {
        /// Whose.
        key: PublicKey,
        /// What it has.
        stake: MicroCaesar,
        /// What it needs.
        minimum: MicroCaesar,
    },
    /// A name that is no label, that two nodes share, or that the mesh keeps for a service.
    #[error("{name:?} must be a label of a-z, 0-9 and hyphen that no other node or service has")]
    Label {
        /// The name.
        name: String,
    },
    /// A name outside the zone, or twice.
    #[error("{name} must be below the zone {zone} and listed once")]
    Name {
        /// The name.
        name: DomainName,
        /// The zone.
        zone: DomainName,
    },
    /// A name with an A-label that is not taken.
    #[error("name {name} is refused: {reason}")]
    Internationalised {
        /// The name.
        name: DomainName,
        /// What is wrong with it.
        reason: IdnFault,
    },
    /// A name that belongs to the mesh itself.
    #[error("{name} belongs to the mesh itself: it cannot have an owner")]
    Reserved {
        /// The name.
        name: DomainName,
    },
    /// Records that break a rule, or stand at a name that genesis gives to nobody.
    #[error("records of type {record_type} at {name}: {reason}")]
    Records {
        /// The name.
        name: DomainName,
        /// Their type.
        record_type: RecordType,
        /// What is wrong.
        reason: String,
    },
    /// More in the accounts than 64 bits hold.
    #[error("the balances, stakes and reserve add up to more than 2^64 millionths")]
    Supply,
}

impl Genesis {
    /// What names this mesh.
    #[must_use]
    pub fn hash(&self) -> Digest {
        ID.hash_of(self)
    }

    /// The validators, as those who decide blocks.
    #[must_use]
    pub fn validator_set(&self) -> ValidatorSet {
        let keys = self.validators.iter().map(|validator| validator.member.key);
        ValidatorSet::new(keys).expect("a checked genesis lists from 4 to 100 validators, each once")
    }

    /// All that exists: balances, stakes and reserve.
    ///
    /// # Errors
    /// If it does not fit 64 bits.
    pub fn supply(&self) -> Result<MicroCaesar, GenesisFault> {
        let stakes = self.all_members().map(|member| member.stake);
        let balances = self.accounts.iter().map(|account| account.balance);
        stakes.chain(balances).try_fold(self.reserve, MicroCaesar::checked_add).ok_or(GenesisFault::Supply)
    }

    /// The validators' memberships and the other members.
    pub fn all_members(&self) -> impl Iterator<Item = &GenesisMember> {
        self.validators.iter().map(|validator| &validator.member).chain(&self.members)
    }

    /// What the log calls itself in checkpoints.
    #[must_use]
    pub fn log_origin(&self) -> String {
        alloc::format!("{}/{}/log", self.zone, self.network)
    }

    /// Refuses what no mesh can start from.
    ///
    /// # Errors
    /// With the first rule that is broken.
    pub fn check(&self) -> Result<(), GenesisFault> {
        let count = self.validators.len();
        if !(VALIDATOR_COUNT_MIN..=VALIDATOR_COUNT_MAX).contains(&count) {
            return Err(GenesisFault::ValidatorCount { count });
        }
        let bytes = encode(self).len();
        if bytes > GENESIS_BYTES_MAX {
            return Err(GenesisFault::TooLong { bytes });
        }
        if self.time >= BLOCK_TIME_MAX {
            return Err(GenesisFault::Time { time: self.time });
        }
        ascending("validators", self.validators.iter().map(|validator| validator.member.key))?;
        ascending("members", self.members.iter().map(|member| member.key))?;
        ascending("accounts", self.accounts.iter().map(|account| account.owner))?;
        self.check_zones()?;
        self.check_labels()?;
        self.check_members()?;
        self.check_owners()?;
        self.check_names()?;
        self.check_records()?;
        self.supply().map(|_| ())
    }

    fn check_zones(&self) -> Result<(), GenesisFault> {
        for name in [&self.zone].into_iter().chain(self.names.iter().map(|entry| &entry.name)) {
            let fault = |reason| GenesisFault::Internationalised { name: name.clone(), reason };
            name.check_idn().map_err(fault)?;
        }
        let fault = |zone: &DomainName| Err(GenesisFault::Zone { zone: zone.clone() });
        if self.zone.as_str().len() > ZONE_BYTES_MAX {
            return fault(&self.zone);
        }
        if let Some(excess) = self.reverse_zones.get(REVERSE_ZONE_COUNT_MAX) {
            return fault(excess);
        }
        let mut seen = Vec::from([&self.zone]);
        for zone in &self.reverse_zones {
            if seen.iter().any(|other| zone.is_within(other) || other.is_within(zone)) {
                return fault(zone);
            }
            seen.push(zone);
        }
        Ok(())
    }

    fn check_labels(&self) -> Result<(), GenesisFault> {
        let fault = |name: &String| Err(GenesisFault::Label { name: name.clone() });
        if !is_label(&self.network) {
            return fault(&self.network);
        }
        let mut seen = BTreeSet::new();
        let mut names = self.validators.iter().map(|validator| &validator.name);
        let bad = names.find(|name| !is_label(name) || is_reserved_label(name) || !seen.insert(*name));
        bad.map_or(Ok(()), fault)
    }

    fn check_members(&self) -> Result<(), GenesisFault> {
        let minimum = crate::caesar::STAKE_MINIMUM;
        let mut seen = BTreeSet::new();
        for member in self.all_members() {
            let key = member.key;
            key.check().map_err(|_| GenesisFault::Key { key })?;
            if member.stake < minimum {
                return Err(GenesisFault::Stake { key, stake: member.stake, minimum });
            }
            if !seen.insert(key) {
                return Err(GenesisFault::Order { list: "members" });
            }
        }
        Ok(())
    }

    /// Whoever owns something must be able to sign for it.
    fn check_owners(&self) -> Result<(), GenesisFault> {
        let accounts = self.accounts.iter().map(|account| account.owner);
        let mut owners = accounts.chain(self.names.iter().map(|entry| entry.owner));
        let bad = owners.find(|key| key.check().is_err());
        bad.map_or(Ok(()), |key| Err(GenesisFault::Key { key }))
    }

    fn check_names(&self) -> Result<(), GenesisFault> {
        let mut seen = BTreeSet::new();
        for GenesisName { name, .. } in &self.names {
            if !name.is_within(&self.zone) || *name == self.zone || !seen.insert(name) {
                return Err(GenesisFault::Name { name: name.clone(), zone: self.zone.clone() });
            }
            if self.is_of_the_mesh(name) {
                return Err(GenesisFault::Reserved { name: name.clone() });
            }
        }
        Ok(())
    }

    /// The rules that operations set records by.
    fn check_records(&self) -> Result<(), GenesisFault> {
        let names: BTreeSet<&DomainName> = self.names.iter().map(|entry| &entry.name).collect();
        let mut types: BTreeMap<&DomainName, Vec<RecordType>> = BTreeMap::new();
        for set in &self.records {
            let SetRecords { name, record_type, .. } = set;
            let fault = |reason: &dyn ToString| {
                let reason = reason.to_string();
                Err(GenesisFault::Records { name: name.clone(), record_type: *record_type, reason })
            };
            if let Err(reason) = set.check() {
                return fault(&reason);
            }
            let ancestors = core::iter::successors(Some(name.clone()), DomainName::parent);
            let owned = ancestors.into_iter().any(|ancestor| names.contains(&ancestor));
            if !owned && !self.lists_servers(set) {
                return fault(&"the name has no owner");
            }
            let types = types.entry(name).or_default();
            if types.contains(record_type) {
                return fault(&"they are listed twice");
            }
            types.push(*record_type);
            // No name that is somebody's is the top of a zone.
            if let Err(reason) = check_name(false, types) {
                return fault(&reason);
            }
        }
        self.check_aliases()
    }

    /// Aliases lead to their end, and what must point at a host does not point at one.
    fn check_aliases(&self) -> Result<(), GenesisFault> {
        let mut aliases: BTreeMap<&DomainName, &DomainName> = BTreeMap::new();
        for set in &self.records {
            if let [RecordData::Cname(target)] = set.data() {
                aliases.insert(&set.name, target);
            }
        }
        let next = |name: &DomainName| aliases.get(name).map(|target| (*target).clone());
        for set in &self.records {
            let SetRecords { name, record_type, .. } = set;
            let target = set.data().iter().filter_map(host_of).find(|host| aliases.contains_key(host));
            let reason = match (target, aliases.get(name)) {
                (Some(target), _) => {
                    alloc::format!("{target} is an alias, and {record_type} records may not point at one")
                }
                (None, Some(target)) if chain_length(name, target, next).is_err() => {
                    alloc::format!("it leads back to itself or through more than {CNAME_CHAIN_MAX} aliases")
                }
                _ => continue,
            };
            return Err(GenesisFault::Records { name: name.clone(), record_type: *record_type, reason });
        }
        Ok(())
    }
}

fn ascending(list: &'static str, keys: impl Iterator<Item = PublicKey>) -> Result<(), GenesisFault> {
    if keys.is_sorted_by(|a, b| a < b) { Ok(()) } else { Err(GenesisFault::Order { list }) }
}

fn is_label(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=LABEL_BYTES_MAX).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
