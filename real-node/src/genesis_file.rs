//! The files that a mesh begins with: `validator.json`, what each operator contributes, and `genesis.json`,
//! what they all agree on.
//!
//! Both are JSON for people to read and compare. What names the mesh is the hash of the genesis's canonical
//! encoding, so white space and order of keys do not matter. That a plot root is of a plot, and that the
//! validators' operators are who they say, nothing here checks: that is what operators meet for.

use crate::failure::{Exit, Failure};
use crate::file::{self, Access, read_text};
use crate::roles::{self, Roles};
use crate::suggestion::with_suggestion;
use hypermesh_core::api::check_dialable;
use hypermesh_core::base::{Digest, MicroCaesar, Profile, PublicKey, UnixMillis, encode};
use hypermesh_core::state::{
    GENESIS_BYTES_MAX, Genesis, GenesisAccount, GenesisMember, GenesisName, GenesisValidator, SetRecords,
};
use hypermesh_core::trustchain::DomainName;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::net::SocketAddrV6;
use std::path::Path;

/// The most bytes in a `validator.json`.
pub const VALIDATOR_FILE_BYTES_MAX: usize = 16 * 1024;
/// The most bytes in a `genesis.json`: JSON takes more room than the encoding.
pub const GENESIS_FILE_BYTES_MAX: usize = 4 * GENESIS_BYTES_MAX;

/// What an operator contributes to genesis. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorFile {
    /// The mesh that the plot was made for.
    pub network: String,
    /// The parameters that the plot was made with.
    pub profile: Profile,
    /// The node's name, a label.
    pub name: String,
    /// Its identity.
    pub key: PublicKey,
    /// The root of its plot.
    pub plot_root: Digest,
    /// The last link of its hash chain of beacon reveals.
    pub reveal_anchor: Digest,
    /// Where the others find it.
    pub address: SocketAddrV6,
    /// Which services it exposes.
    #[serde(default, skip_serializing_if = "Roles::are_all")]
    pub roles: Roles,
}

/// What operators agree on, before it is put in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisPlan {
    /// The mesh's name.
    pub network: String,
    /// The zone it answers for.
    pub zone: DomainName,
    /// Reverse zones it answers for too.
    pub reverse_zones: Vec<DomainName>,
    /// The parameters.
    pub profile: Profile,
    /// No block is earlier.
    pub time: UnixMillis,
    /// Who decides.
    pub validators: Vec<ValidatorFile>,
    /// What each of them has at stake.
    pub stake: MicroCaesar,
    /// What is in whose account.
    pub accounts: Vec<GenesisAccount>,
    /// What rewards are paid out of at first.
    pub reserve: MicroCaesar,
    /// Names that belong to someone from the start.
    pub names: Vec<GenesisName>,
    /// Records at those names.
    pub records: Vec<SetRecords>,
}

impl ValidatorFile {
    /// Reads a `validator.json`.
    ///
    /// # Errors
    /// If it is missing or malformed, with line and column.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        read_json(path, VALIDATOR_FILE_BYTES_MAX)
    }

    /// Writes it.
    ///
    /// # Errors
    /// If the disk does not allow it.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        write_json(path, self)
    }
}

impl GenesisPlan {
    /// Puts the plan in order and checks it.
    ///
    /// # Errors
    /// If a validator plotted for another mesh, two contributed the same, one cannot be found by the others,
    /// or no mesh can start from it.
    pub fn build(self) -> Result<Genesis, Failure> {
        let fault = |what: &dyn Display| Failure::new(Exit::Input, format!("genesis: {what}"));
        let other = self
            .validators
            .iter()
            .find(|validator| validator.network != self.network || validator.profile != self.profile);
        if let Some(ValidatorFile { name, network, profile, .. }) = other {
            return Err(fault(&format!(
                "validator {name} made its plot for network {network} and profile {profile}, not for {} \
                and {}: its plot cannot be used here",
                self.network, self.profile
            )));
        }
        check_contributions(&self.validators).map_err(|reason| fault(&reason))?;
        let stake = self.stake;
        let validator = |file: ValidatorFile| GenesisValidator {
            name: file.name,
            member: GenesisMember { key: file.key, plot_root: file.plot_root, stake },
            address: file.address,
            reveal_anchor: file.reveal_anchor,
        };
        let roles: Vec<Roles> = self.validators.iter().map(|file| file.roles.clone()).collect();
        let mut validators: Vec<_> = self.validators.into_iter().map(validator).collect();
        let mut roles: Vec<_> = validators.iter().cloned().zip(roles).collect();
        roles.sort_by_key(|(validator, _)| validator.member.key);
        validators.sort_by_key(|validator| validator.member.key);
        let mut accounts = self.accounts;
        accounts.sort_by_key(|account| account.owner);
        let mut genesis = Genesis {
            network: self.network,
            profile: self.profile,
            time: self.time,
            zone: self.zone,
            reverse_zones: self.reverse_zones,
            validators,
            members: Vec::new(),
            accounts,
            reserve: self.reserve,
            names: self.names,
            records: self.records,
        };
        let exposed = roles::records(&genesis, &roles).map_err(|reason| fault(&reason))?;
        genesis.records.extend(exposed);
        check(&genesis).map_err(|reason| fault(&reason))?;
        Ok(genesis)
    }
}

/// Refuses contributions of which two are the same in what must differ, or that cannot find each other.
fn check_contributions(validators: &[ValidatorFile]) -> Result<(), String> {
    for (place, one) in validators.iter().enumerate() {
        check_dialable(one.address)
            .map_err(|reason| format!("validator {} at {}: {reason}", one.name, one.address))?;
        for other in validators.iter().skip(place + 1) {
            let what = match () {
                () if one.key == other.key => "key: one file was given twice, or a folder was copied",
                () if one.name == other.name => "name: one of their operators must choose another",
                () if one.address == other.address => "address: each needs one of its own",
                () => continue,
            };
            return Err(format!("validators {} and {} have the same {what}", one.name, other.name));
        }
    }
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        validators.iter().partition(|validator| validator.address.ip().is_loopback());
    match (here.first(), elsewhere.first()) {
        (Some(here), Some(elsewhere)) => Err(format!(
            "validator {} has address {}, where {} would reach itself: its operator must give an address \
            that the others can dial",
            here.name, here.address, elsewhere.name
        )),
        _ => Ok(()),
    }
}

/// Refuses a genesis that does not list what this node contributed.
///
/// # Errors
/// With what is missing or different.
pub fn check_own(genesis: &Genesis, own: &ValidatorFile) -> Result<(), String> {
    let listed = genesis.validators.iter().find(|validator| validator.member.key == own.key);
    let Some(listed) = listed else {
        let names: Vec<&str> = genesis.validators.iter().map(|validator| validator.name.as_str()).collect();
        return Err(format!(
            "genesis does not list this node ({}, key {}), but {}: it was made without this node's \
            validator.json, or for another mesh",
            own.name,
            own.key,
            names.join(", ")
        ));
    };
    let differs = |what: &str, listed: &dyn Display, own: &dyn Display| {
        Err(format!(
            "genesis has {what} {listed} for this node, whose validator.json has {own}: make genesis again"
        ))
    };
    let exposed = Roles::by_genesis(genesis, listed);
    match () {
        () if exposed != own.roles => differs("roles", &exposed, &own.roles),
        () if listed.name != own.name => differs("name", &listed.name, &own.name),
        () if listed.address != own.address => differs("address", &listed.address, &own.address),
        () if listed.member.plot_root != own.plot_root => {
            differs("plot root", &listed.member.plot_root, &own.plot_root)
        }
        () if listed.reveal_anchor != own.reveal_anchor => {
            differs("reveal anchor", &listed.reveal_anchor, &own.reveal_anchor)
        }
        () => Ok(()),
    }
}

/// Reads a `genesis.json` and checks it.
///
/// # Errors
/// If it is missing, malformed (with line and column), or no mesh can start from it.
pub fn read_genesis(path: &Path) -> Result<Genesis, Failure> {
    let genesis = read_json(path, GENESIS_FILE_BYTES_MAX)?;
    check(&genesis).map_err(|reason| Failure::new(Exit::Input, format!("{}: {reason}", path.display())))?;
    Ok(genesis)
}

/// Writes a `genesis.json`.
///
/// # Errors
/// If the disk does not allow it.
pub fn write_genesis(path: &Path, genesis: &Genesis) -> Result<(), Failure> {
    write_json(path, genesis)
}

fn check(genesis: &Genesis) -> Result<(), String> {
    let bytes = encode(genesis).len();
    if bytes > GENESIS_BYTES_MAX {
        return Err(format!("{bytes} bytes, and a genesis has at most {GENESIS_BYTES_MAX}"));
    }
    genesis.check().map_err(|fault| fault.to_string())
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path, bytes_max: usize) -> Result<T, Failure> {
    let text = read_text(path, bytes_max)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::new(Exit::Input, format!("{}: {}", path.display(), describe(&error))))
}

fn describe(error: &serde_json::Error) -> String {
    match error.is_eof() {
        true => format!("it is truncated ({error}): copy the whole file again"),
        false => with_suggestion(&error.to_string()),
    }
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(Exit::Failed, format!("{}: {error}", path.display())))?;
    text.push('\n');
    file::write(path, text.as_bytes(), Access::Public)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::SecretKey;

    fn validator(number: u8) -> ValidatorFile {
        ValidatorFile {
            network: "demo".into(),
            profile: Profile::Sim,
            name: format!("node-{number}"),
            key: SecretKey::from_seed([number; 32]).public(),
            plot_root: Digest([number; 32]),
            reveal_anchor: Digest([number; 32]),
            address: format!("[::1]:{}", 7400 + u16::from(number)).parse().unwrap(),
            roles: Roles::default(),
        }
    }

    fn plan() -> GenesisPlan {
        GenesisPlan {
            network: "demo".into(),
            zone: "hypermesh".parse().unwrap(),
            reverse_zones: vec!["d.f.ip6.arpa".parse().unwrap()],
            profile: Profile::Sim,
            time: UnixMillis(1_800_000_000_000),
            validators: (1..=4).map(validator).collect(),
            stake: MicroCaesar(10_000 * MicroCaesar::ONE.0),
            accounts: (9..=12)
                .map(|number| GenesisAccount {
                    owner: SecretKey::from_seed([number; 32]).public(),
                    balance: MicroCaesar(7),
                })
                .collect(),
            reserve: MicroCaesar::ONE,
            names: Vec::new(),
            records: Vec::new(),
        }
    }

    #[test]
    fn the_order_of_contributions_does_not_matter() {
        let mut turned = plan();
        turned.validators.reverse();
        turned.accounts.reverse();
        assert_eq!(plan().build().unwrap().hash(), turned.build().unwrap().hash());
    }

    #[test]
    fn a_genesis_reads_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("genesis.json");
        let genesis = plan().build().unwrap();
        write_genesis(&path, &genesis).unwrap();
        assert_eq!(read_genesis(&path).unwrap(), genesis);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"reserve\"", "\"reserves\"")).unwrap();
        let error = read_genesis(&path).unwrap_err().message;
        assert!(error.contains("unknown field `reserves`") && error.contains("line "), "{error}");
    }

    #[test]
    fn a_validator_that_plotted_for_another_mesh_is_named() {
        for (network, profile) in [("other", Profile::Sim), ("demo", Profile::Devnet)] {
            let mut plan = plan();
            plan.validators[2].network = network.into();
            plan.validators[2].profile = profile;
            let error = plan.build().unwrap_err();
            assert!(error.message.contains("node-3"), "{error}");
        }
    }

    #[test]
    fn contributions_that_cannot_stand_beside_each_other_are_named() {
        let refused = |change: fn(&mut Vec<ValidatorFile>)| {
            let mut plan = plan();
            change(&mut plan.validators);
            plan.build().unwrap_err().message
        };
        let twice = refused(|validators| validators[3] = validators[1].clone());
        assert!(twice.contains("node-2 and node-2 have the same key"), "{twice}");
        let name = refused(|validators| validators[3].name = "node-1".into());
        assert!(name.contains("node-1 and node-1 have the same name"), "{name}");
        let address = refused(|validators| validators[3].address = validators[0].address);
        assert!(address.contains("node-1 and node-4 have the same address"), "{address}");
        let away = refused(|validators| validators[2].address = "[2001:db8::3]:7400".parse().unwrap());
        assert!(away.contains("node-1 has address [::1]:7401, where node-3 would reach itself"), "{away}");
        let any = refused(|validators| validators[2].address = "[::]:7400".parse().unwrap());
        assert!(any.contains("validator node-3 at [::]:7400"), "{any}");
    }

    #[test]
    fn roles_stand_in_genesis_as_the_records_of_the_services() {
        let mut plan = plan();
        plan.validators[0].roles = "trustchain".parse().unwrap();
        plan.validators[1].roles = "hypermesh,caesar".parse().unwrap();
        let genesis = plan.clone().build().unwrap();
        for (number, service, exposed) in [
            (1, "trustchain", true),
            (1, "caesar", false),
            (2, "trustchain", false),
            (2, "hypermesh", true),
            (3, "caesar", true),
        ] {
            assert_eq!(genesis.exposes(&validator(number).key, service), exposed, "node-{number} {service}");
        }
        let own = ValidatorFile { roles: "trustchain".parse().unwrap(), ..validator(1) };
        assert_eq!(check_own(&genesis, &own), Ok(()));
        let others = check_own(&genesis, &validator(1)).unwrap_err();
        assert!(
            others.contains("roles trustchain for this node, whose validator.json has trustchain, hypermesh"),
            "{others}"
        );
        plan.validators.iter_mut().for_each(|file| file.roles = "hypermesh".parse().unwrap());
        let nobody = plan.build().unwrap_err().message;
        assert!(nobody.contains("no validator exposes trustchain"), "{nobody}");
    }

    #[test]
    fn a_genesis_without_this_nodes_own_contribution_is_refused() {
        let genesis = plan().build().unwrap();
        assert_eq!(check_own(&genesis, &validator(2)), Ok(()));
        let stranger = check_own(&genesis, &validator(5)).unwrap_err();
        assert!(stranger.contains("does not list this node (node-5"), "{stranger}");
        let other = Digest([99; 32]);
        for (own, expected) in [
            (ValidatorFile { name: "other".into(), ..validator(2) }, "name"),
            (ValidatorFile { address: "[::1]:9".parse().unwrap(), ..validator(2) }, "address"),
            (ValidatorFile { plot_root: other, ..validator(2) }, "plot root"),
            (ValidatorFile { reveal_anchor: other, ..validator(2) }, "reveal anchor"),
            (ValidatorFile { roles: "caesar".parse().unwrap(), ..validator(2) }, "roles"),
        ] {
            let refused = check_own(&genesis, &own).unwrap_err();
            assert!(refused.starts_with(&format!("genesis has {expected} ")), "{refused}");
        }
    }

    #[test]
    fn what_no_mesh_can_start_from_is_refused_when_made_and_when_read() {
        let mut three = plan();
        three.validators.pop();
        assert!(three.build().unwrap_err().message.contains("3 validators"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("genesis.json");
        let mut genesis = plan().build().unwrap();
        genesis.validators.reverse();
        write_genesis(&path, &genesis).unwrap();
        assert!(read_genesis(&path).unwrap_err().message.contains("ascending order"));
    }
}
