//! Announced services against a map of what was announced and until when. What is answered of a service follows from the
//! map, read literally: who is announced, is not critical and has not run out, and what was set by hand where nobody is.
//!
//! Time is that of blocks, and passes here without any: see `test_util::only`.

use super::{config, found_out};
use crate::base::UnixMillis;
use crate::state::tests::test_util::{
    Mesh, alice, announce, bob, clear, name, offer, only, register, set, withdraw,
};
use crate::state::{
    Action, InstanceHealth, InstanceName, LEASE_SECONDS_MIN, Location, Offer, OperationBody, Outcome,
    Receipt, Refusal, State,
};
use crate::trustchain::dns::{RecordData, RecordType, resolve};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

/// The second is also where the first instance of the first may have its address.
const SERVICES: [&str; 2] = ["given.demo.hypermesh", "east.given.demo.hypermesh"];
const LABELS: [&str; 2] = ["east", "west"];
const PROTOCOLS: [&str; 2] = ["stoq/udp", "https/tcp"];
const KINDS: [RecordType; 2] = [RecordType::Srv, RecordType::Aaaa];
/// Where an instance is that has no address of its own.
const ELSEWHERE: &str = "box.example";

/// Service, label, protocol.
type Which = (usize, usize, usize);

/// One wish of an owner.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Announce {
        by: usize,
        which: Which,
        says: Says,
        leases: u64,
    },
    Withdraw {
        by: usize,
        which: Which,
    },
    /// The name of an instance, with its protocol or without, becomes the second owner's.
    GiveAway {
        by: usize,
        which: Which,
        full: bool,
    },
    Set {
        by: usize,
        which: Which,
        kind: usize,
    },
    Clear {
        by: usize,
        which: Which,
        kind: usize,
    },
}

/// What an instance says of itself: address 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Says {
    address: u16,
    is_critical: bool,
}

/// What happens in a block.
#[derive(Clone, Debug)]
struct ModelStep {
    after_ms: u64,
    wishes: Vec<Wish>,
}

/// The outcome that an owner expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ModelOutcome {
    Done,
    NotOwner,
    Taken,
    Reserved,
    SetByHand,
    NoInstance,
}

/// The model. If `WRONG`, it thinks that a lease is over at its last moment, and not after it.
#[derive(Clone, Debug)]
struct Maps<const WRONG: bool> {
    time: u64,
    owners: BTreeMap<String, usize>,
    /// Whose names each was granted under, from the bottom up.
    granters: BTreeMap<String, Vec<usize>>,
    /// What each says, and until when.
    announced: BTreeMap<Which, (Says, u64)>,
    by_hand: BTreeMap<(String, usize), ()>,
    outcomes: Vec<ModelOutcome>,
}

fn srv((service, _, protocol): Which) -> String {
    let (name, transport) = PROTOCOLS[protocol].split_once('/').unwrap();
    alloc::format!("_{name}._{transport}.{}", SERVICES[service])
}

fn full(which: Which) -> String {
    alloc::format!("{}.{}", LABELS[which.1], srv(which))
}

fn host((service, label, _): Which) -> String {
    alloc::format!("{}.{}", LABELS[label], SERVICES[service])
}

fn at(which: Which, kind: usize) -> String {
    if kind == 0 { srv(which) } else { host(which) }
}

fn hand_set(kind: usize) -> RecordData {
    match kind {
        0 => RecordData::Srv { priority: 9, weight: 9, port: 9, target: Some(name(ELSEWHERE)) },
        _ => address(99),
    }
}

fn address(number: u16) -> RecordData {
    RecordData::Aaaa([0x2001, 0xdb8, 0, 0, 0, 0, 0, number].into())
}

impl<const WRONG: bool> Maps<WRONG> {
    fn new() -> Self {
        Self {
            time: 0,
            owners: BTreeMap::from([(SERVICES[0].to_string(), 0)]),
            granters: BTreeMap::new(),
            announced: BTreeMap::new(),
            by_hand: BTreeMap::new(),
            outcomes: Vec::new(),
        }
    }

    fn owner(&self, name: &str) -> usize {
        *self.nearest(name).1
    }

    /// The nearest registered name that a name is or lies below, and whose that is.
    fn nearest(&self, name: &str) -> (&String, &usize) {
        let above = |owned: &str| name == owned || name.ends_with(&alloc::format!(".{owned}"));
        let above = self.owners.iter().filter(|(owned, _)| above(owned));
        above.max_by_key(|(owned, _)| owned.len()).unwrap()
    }

    fn holds(&self, by: usize, name: &str) -> Result<(), ModelOutcome> {
        if self.owner(name) == by { Ok(()) } else { Err(ModelOutcome::NotOwner) }
    }

    /// Whether instances write the records of this kind at this name.
    fn is_announced(&self, name: &str, kind: usize) -> bool {
        let writes = |(which, (says, _)): (&Which, &(Says, u64))| {
            at(*which, kind) == name && (kind == 0 || says.address > 0)
        };
        self.announced.iter().any(writes)
    }

    fn is_free(&self, name: &str, kind: usize) -> Result<(), ModelOutcome> {
        let taken = self.by_hand.contains_key(&(name.to_string(), kind)) && !self.is_announced(name, kind);
        if taken { Err(ModelOutcome::SetByHand) } else { Ok(()) }
    }

    fn grant(&mut self, wish: Wish) -> Result<(), ModelOutcome> {
        match wish {
            Wish::Announce { by, which, says, leases } => {
                self.holds(by, &full(which))?;
                if says.address > 0 {
                    self.holds(by, &host(which))?;
                }
                self.is_free(&srv(which), 0)?;
                if says.address > 0 {
                    self.is_free(&host(which), 1)?;
                }
                let until = self.time + leases * u64::from(LEASE_SECONDS_MIN) * 1000;
                self.announced.insert(which, (says, until));
            }
            Wish::Withdraw { by, which } => {
                let own = self.holds(by, &full(which));
                own.or_else(|outcome| self.holds(by, SERVICES[which.0]).map_err(|_| outcome))?;
                self.announced.remove(&which).ok_or(ModelOutcome::NoInstance)?;
            }
            Wish::GiveAway { by, which, full: whole } => {
                let name = if whole { full(which) } else { host(which) };
                if let Some(granters) = self.granters.get_mut(&name) {
                    // Again, to who has it, by one of those that it was granted under: it is that one's grant now.
                    let own =
                        granters.iter().position(|granter| *granter == by).ok_or(ModelOutcome::Taken)?;
                    granters.drain(..own);
                    return Ok(());
                }
                self.holds(by, &name)?;
                let above = self.granters.get(self.nearest(&name).0).cloned().unwrap_or_default();
                self.granters.insert(name.clone(), [[by].as_slice(), &above].concat());
                self.owners.insert(name, 1);
            }
            Wish::Set { by, which, kind } | Wish::Clear { by, which, kind } => {
                let name = at(which, kind);
                self.holds(by, &name)?;
                if self.is_announced(&name, kind) {
                    return Err(ModelOutcome::Reserved);
                }
                match wish {
                    Wish::Set { .. } => self.by_hand.insert((name, kind), ()),
                    _ => self.by_hand.remove(&(name, kind)),
                };
            }
        }
        Ok(())
    }

    fn pass(&mut self) {
        let time = self.time;
        self.announced.retain(|_, (_, until)| if WRONG { time < *until } else { time <= *until });
    }

    /// The records of a kind at a name.
    fn records(&self, at_name: &str, kind: usize) -> Vec<RecordData> {
        if !self.is_announced(at_name, kind) {
            let set = self.by_hand.contains_key(&(at_name.to_string(), kind));
            return set.then(|| hand_set(kind)).into_iter().collect();
        }
        let here = self.announced.iter().filter(|(which, _)| at(**which, kind) == at_name);
        let mut records: Vec<RecordData> = here
            .filter(|(_, (says, _))| if kind == 0 { !says.is_critical } else { says.address > 0 })
            .map(|(which, (says, _))| match kind {
                0 => {
                    let target = if says.address > 0 { host(*which) } else { ELSEWHERE.to_string() };
                    RecordData::Srv { priority: 0, weight: 1, port: 7000, target: Some(name(&target)) }
                }
                _ => address(says.address),
            })
            .collect();
        records.sort();
        records.dedup();
        records
    }
}

impl<const WRONG: bool> ReferenceStateMachine for Maps<WRONG> {
    type State = Self;
    type Transition = ModelStep;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::new()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<ModelStep> {
        let by = || prop_oneof![4 => Just(0_usize), 2 => Just(1_usize)];
        let which = || (0..SERVICES.len(), 0..LABELS.len(), 0..PROTOCOLS.len());
        let says = (0..3_u16, any::<bool>()).prop_map(|(address, is_critical)| Says { address, is_critical });
        let wish = prop_oneof![
            6 => (by(), which(), says, 1..3_u64).prop_map(|(by, which, says, leases)| Wish::Announce { by, which, says, leases }),
            2 => (by(), which()).prop_map(|(by, which)| Wish::Withdraw { by, which }),
            1 => (by(), which(), any::<bool>()).prop_map(|(by, which, full)| Wish::GiveAway { by, which, full }),
            1 => (by(), which(), 0..KINDS.len()).prop_map(|(by, which, kind)| Wish::Set { by, which, kind }),
            1 => (by(), which(), 0..KINDS.len()).prop_map(|(by, which, kind)| Wish::Clear { by, which, kind }),
        ];
        let lease_ms = u64::from(LEASE_SECONDS_MIN) * 1000;
        let after = prop_oneof![4 => 1..4_000_u64, 1 => Just(lease_ms), 1 => Just(lease_ms + 1), 1 => Just(2 * lease_ms)];
        (after, prop::collection::vec(wish, 0..5))
            .prop_map(|(after_ms, wishes)| ModelStep { after_ms, wishes })
            .boxed()
    }

    fn apply(mut maps: Self, step: &ModelStep) -> Self {
        maps.time += step.after_ms;
        // Leases that are over end before anything else in a block.
        maps.pass();
        maps.outcomes.clear();
        for wish in &step.wishes {
            let granted = maps.grant(*wish);
            maps.outcomes.push(granted.err().unwrap_or(ModelOutcome::Done));
        }
        maps
    }
}

/// The real state, and its time.
struct Real<const WRONG: bool> {
    state: State,
    begun: UnixMillis,
    nonce: u64,
}

fn instance((service, label, protocol): Which) -> InstanceName {
    InstanceName {
        service: name(SERVICES[service]),
        protocol: PROTOCOLS[protocol].parse().unwrap(),
        label: LABELS[label].to_string(),
    }
}

fn action(wish: Wish) -> Action {
    match wish {
        Wish::Announce { which, says, leases, .. } => {
            let location = match address(says.address) {
                RecordData::Aaaa(address) if says.address > 0 => Location::Addresses([address].into()),
                _ => Location::Host(name(ELSEWHERE)),
            };
            let health = if says.is_critical { InstanceHealth::Critical } else { InstanceHealth::Passing };
            let offer = Offer { location, health, ..offer("2001:db8::1") };
            let leases = u32::try_from(leases).unwrap();
            announce(&instance(which), &offer, leases * LEASE_SECONDS_MIN)
        }
        Wish::Withdraw { which, .. } => withdraw(&instance(which)),
        Wish::GiveAway { which, full: true, .. } => register(&full(which), &bob()),
        Wish::GiveAway { which, .. } => register(&host(which), &bob()),
        Wish::Set { which, kind, .. } => set(&at(which, kind), [hand_set(kind)].into()),
        Wish::Clear { which, kind, .. } => clear(&at(which, kind), KINDS[kind]),
    }
}

fn outcome(receipt: &Receipt) -> ModelOutcome {
    let Outcome::Refused(refusal) = &receipt.outcome else { return ModelOutcome::Done };
    match refusal {
        Refusal::NotOwner { .. } => ModelOutcome::NotOwner,
        Refusal::AlreadyRegistered { .. } => ModelOutcome::Taken,
        Refusal::Reserved { .. } => ModelOutcome::Reserved,
        Refusal::SetByHand { .. } => ModelOutcome::SetByHand,
        Refusal::NoInstance { .. } => ModelOutcome::NoInstance,
        other => panic!("{other}"),
    }
}

impl<const WRONG: bool> StateMachineTest for Real<WRONG> {
    type SystemUnderTest = Self;
    type Reference = Maps<WRONG>;

    fn init_test(_: &Maps<WRONG>) -> Self {
        let state = Mesh::new().state;
        Self { begun: state.time(), state, nonce: 0 }
    }

    fn apply(mut real: Self, maps: &Maps<WRONG>, step: ModelStep) -> Self {
        let time = real.begun.plus(maps.time);
        let mut sign = |wish: &Wish| {
            let (Wish::Announce { by, .. }
            | Wish::Withdraw { by, .. }
            | Wish::GiveAway { by, .. }
            | Wish::Set { by, .. }
            | Wish::Clear { by, .. }) = wish;
            let owner = [alice(), bob()][*by].clone();
            real.nonce += 1;
            let body = OperationBody {
                genesis: real.state.genesis_hash(),
                owner: owner.public(),
                nonce: real.nonce,
                expires: time,
                fee_max: crate::base::MicroCaesar(u64::MAX),
                action: action(*wish),
            };
            body.sign(&owner)
        };
        let operations: Vec<_> = step.wishes.iter().map(&mut sign).collect();
        let (state, receipts) = only(&real.state, time, &operations);
        assert_eq!(receipts.iter().map(outcome).collect::<Vec<_>>(), maps.outcomes);
        Self { state, ..real }
    }

    fn check_invariants(real: &Self, maps: &Maps<WRONG>) {
        for which in (0..8).map(|number| (number & 1, number >> 1 & 1, number >> 2)) {
            for (kind, record_type) in KINDS.into_iter().enumerate() {
                let asked = at(which, kind);
                let answers = resolve(&real.state, &name(&asked), record_type).answers;
                let found = answers.into_iter().next().map(|found| found.set.data).unwrap_or_default();
                assert_eq!(found, maps.records(&asked, kind), "{record_type} of {asked}");
            }
            let service = name(SERVICES[which.0]);
            let of = maps.announced.keys().filter(|other| other.0 == which.0).count();
            assert_eq!(
                real.state.instances(&service, real.state.time()).count(),
                of,
                "instances of {service}"
            );
        }
    }
}

prop_state_machine! {
    #![proptest_config(config(128))]
    #[test]
    fn services_are_as_a_map_of_leases_has_them(sequential 1..16 => Real<false>);
}

#[test]
fn a_lease_that_ends_a_moment_too_soon_is_found_out() {
    let steps = found_out::<Real<true>>(1..16);
    let wishes: Vec<&Wish> = steps.iter().flat_map(|step| &step.wishes).collect();
    assert!(matches!(wishes[..], [Wish::Announce { .. }]), "{wishes:?}");
}
