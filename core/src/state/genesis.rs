//! Genesis: what the operators agreed on before the first block. Its hash names the mesh.

use super::SetRecords;
use crate::base::{Digest, Domain, MicroCaesar, Profile, PublicKey, UnixMillis};
use crate::hypermesh::ordering::ValidatorSet;
use crate::trustchain::DomainName;
use crate::trustchain::dns::RecordType;
use alloc::collections::BTreeSet;
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
    /// Reverse zones that the mesh answers for too.
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
    /// A name that is no label, or that two nodes share.
    #[error("{name:?} must be a label of a-z, 0-9 and hyphen that no other node bears")]
    Label {
        /// The name.
        name: String,
    },
    /// A name outside the zone, or twice.
    #[error("{name} must lie below the zone {zone} and stand once")]
    Name {
        /// The name.
        name: DomainName,
        /// The zone.
        zone: DomainName,
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
        ascending("validators", self.validators.iter().map(|validator| validator.member.key))?;
        ascending("members", self.members.iter().map(|member| member.key))?;
        ascending("accounts", self.accounts.iter().map(|account| account.owner))?;
        self.check_labels()?;
        self.check_members()?;
        self.check_names()?;
        self.supply().map(|_| ())
    }

    fn check_labels(&self) -> Result<(), GenesisFault> {
        let mut seen = BTreeSet::new();
        let networks = core::iter::once(&self.network);
        let mut labels = networks.chain(self.validators.iter().map(|validator| &validator.name));
        let bad = labels.find(|label| !is_label(label) || !seen.insert(label.as_str()));
        bad.map_or(Ok(()), |name| Err(GenesisFault::Label { name: name.clone() }))
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

    fn check_names(&self) -> Result<(), GenesisFault> {
        let mut seen = BTreeSet::new();
        let bad = self.names.iter().find(|entry| {
            !entry.name.is_within(&self.zone) || entry.name == self.zone || !seen.insert(&entry.name)
        });
        if let Some(entry) = bad {
            return Err(GenesisFault::Name { name: entry.name.clone(), zone: self.zone.clone() });
        }
        self.records.iter().try_for_each(|records| self.check_records(records))
    }

    fn check_records(&self, set: &SetRecords) -> Result<(), GenesisFault> {
        let fault = |reason: String| GenesisFault::Records {
            name: set.name.clone(),
            record_type: set.record_type,
            reason,
        };
        set.check().map_err(|reason| fault(reason.to_string()))?;
        let owned = self.names.iter().any(|entry| set.name.is_within(&entry.name));
        if owned { Ok(()) } else { Err(fault("the name belongs to nobody".to_string())) }
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
