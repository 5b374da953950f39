//! Who takes part in a run: validators, a member that does not validate, owners, and the genesis that they
//! agreed on. They are the same in every run: only what happens to them comes from the seed.

use hypermesh_core::base::{Digest, MicroCaesar, Profile, PublicKey, SecretKey, UnixMillis};
use hypermesh_core::hypermesh::RevealChain;
use hypermesh_core::hypermesh::proof::{Plot, Plotter, plot_key};
use hypermesh_core::state::{
    Genesis, GenesisAccount, GenesisMember, GenesisName, GenesisValidator, VALIDATOR_COUNT_MAX,
};
use hypermesh_core::trustchain::DomainName;
use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::{Arc, Mutex, OnceLock};

/// When every world begins: 2026-01-01T00:00:00Z.
pub const WORLD_BEGINS: UnixMillis = UnixMillis(1_767_225_600_000);
/// The mesh's name.
pub const NETWORK: &str = "sim";
/// The zone that the mesh answers for.
pub const ZONE: &str = "hypermesh";

const IDENTITY: &str = "hypermesh-sim v1 identity";
const REVEALS: &str = "hypermesh-sim v1 reveal secret";
const STAKE: MicroCaesar = MicroCaesar(10_000 * MicroCaesar::ONE.0);
const FUNDS: MicroCaesar = MicroCaesar(1_000_000 * MicroCaesar::ONE.0);
/// How many reveals a validator has: a world may last so many beacon periods.
const REVEAL_COUNT: u32 = 1 << 15;
const RESERVE: MicroCaesar = MicroCaesar(100_000_000 * MicroCaesar::ONE.0);

/// Who takes part.
#[derive(Clone)]
pub struct Participants {
    /// What they agreed on.
    pub genesis: Arc<Genesis>,
    /// The validators `node-1`, `node-2`…, in ascending order of keys.
    pub validators: Vec<Validator>,
    /// A member that does not validate.
    pub member: Member,
    /// Owns `demo.hypermesh`, and has funds.
    pub client: SecretKey,
    /// Owns `other.hypermesh`, and has funds.
    pub other: SecretKey,
    /// Owns `poor.hypermesh`, and has nothing.
    pub poor: SecretKey,
}

/// A validator: what its operator keeps.
#[derive(Clone)]
pub struct Validator {
    /// Its name in genesis.
    pub name: String,
    /// Its membership.
    pub member: Member,
    /// Its reveals.
    pub reveals: RevealChain,
}

/// A member: its identity and its plot.
#[derive(Clone)]
pub struct Member {
    /// Who it is.
    pub identity: SecretKey,
    /// Its plot.
    pub plot: Arc<Plot>,
}

impl Participants {
    /// Participants with so many validators.
    ///
    /// # Panics
    /// If no genesis can have so many.
    #[must_use]
    pub fn new(validators: usize) -> Self {
        assert!(validators <= VALIDATOR_COUNT_MAX, "genesis lists at most {VALIDATOR_COUNT_MAX} validators");
        static MADE: OnceLock<Mutex<BTreeMap<usize, Participants>>> = OnceLock::new();
        let mut made = MADE.get_or_init(Mutex::default).lock().expect("making participants does not panic");
        made.entry(validators).or_insert_with(|| Self::make(validators)).clone()
    }

    fn make(count: usize) -> Self {
        let mut keys: Vec<SecretKey> =
            (0..count).map(|number| identity(&format!("validator {number}"))).collect();
        keys.sort_by_key(SecretKey::public);
        let validator = |(number, key): (usize, SecretKey)| Validator {
            name: format!("node-{number}"),
            reveals: RevealChain::with_count(&blake3::derive_key(REVEALS, key.seed()), REVEAL_COUNT),
            member: Member::new(key),
        };
        let validators: Vec<Validator> = (1..).zip(keys).map(validator).collect();
        let member = Member::new(identity("member"));
        let [client, other, poor] = ["client", "other", "poor"].map(identity);
        let names = [("demo", &client), ("other", &other), ("poor", &poor)];
        let mut accounts = [(&client, FUNDS), (&other, FUNDS)]
            .map(|(owner, balance)| GenesisAccount { owner: owner.public(), balance });
        accounts.sort_by_key(|account| account.owner);
        let genesis = Genesis {
            network: NETWORK.to_string(),
            profile: Profile::Sim,
            time: WORLD_BEGINS,
            zone: name(ZONE),
            reverse_zones: Vec::new(),
            validators: (1..).zip(&validators).map(|(number, validator)| listed(number, validator)).collect(),
            members: vec![member.listed()],
            accounts: accounts.to_vec(),
            reserve: RESERVE,
            names: names
                .map(|(label, owner)| GenesisName {
                    name: name(&format!("{label}.{ZONE}")),
                    owner: owner.public(),
                })
                .to_vec(),
            records: Vec::new(),
        };
        genesis.check().expect("the participants' genesis is one that a mesh can start from");
        Self { genesis: Arc::new(genesis), validators, member, client, other, poor }
    }

    /// The hash that names the mesh.
    #[must_use]
    pub fn genesis_hash(&self) -> Digest {
        self.genesis.hash()
    }

    /// The validators' keys, in their order.
    pub fn keys(&self) -> impl Iterator<Item = PublicKey> {
        self.validators.iter().map(|validator| validator.member.identity.public())
    }
}

impl Member {
    fn new(identity: SecretKey) -> Self {
        let key = plot_key(NETWORK, Profile::Sim, &identity.public());
        let plot = Plotter::new(Profile::Sim.proofs().space, key).finish();
        Self { identity, plot: Arc::new(plot) }
    }

    fn listed(&self) -> GenesisMember {
        GenesisMember { key: self.identity.public(), plot_root: self.plot.root(), stake: STAKE }
    }
}

fn listed(number: u16, validator: &Validator) -> GenesisValidator {
    GenesisValidator {
        name: validator.name.clone(),
        member: validator.member.listed(),
        address: SocketAddrV6::new(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number), 8443, 0, 0),
        reveal_anchor: validator.reveals.anchor(),
    }
}

/// A key of someone among the participants.
pub(crate) fn identity(who: &str) -> SecretKey {
    SecretKey::from_seed(blake3::derive_key(IDENTITY, who.as_bytes()))
}

/// A domain name that is written in this code.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn name(text: &str) -> DomainName {
    text.parse().expect("the name is a domain name")
}
