//! The names against two maps: whose each name is, and which records stand where. What a resolver answers follows from
//! the maps by the rules of RFC 1034 §4.3.2, RFC 2308 and RFC 8020, read literally.
//!
//! Names directly below the zone are never given up or taken back; names that were granted below others are. The TLSA records that come and go with
//! certificates are not here: see `state::tests::certificates`.

use super::{config, found_out};
use crate::state::tests::test_util::{
    Mesh, alice, bob, clear, name, pauper, reclaim, records, register, set,
};
use crate::state::{Action, Outcome, Receipt, Refusal};
use crate::trustchain::dns::{
    CNAME_CHAIN_MAX, RecordData, RecordType, ResolutionOutcome, Transport, answer, resolve,
};
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{self, Name};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

const ZONE: &str = "demo.hypermesh";
/// The names that steps are about and questions ask for: free ones at three depths, one that genesis gives to the first
/// owner with an address, one that the mesh keeps, and some outside.
const NAMES: [&str; 12] = [
    "given.demo.hypermesh",
    "web.demo.hypermesh",
    "a.web.demo.hypermesh",
    "x.a.web.demo.hypermesh",
    "xweb.demo.hypermesh",
    "api.demo.hypermesh",
    "_stoq._udp.api.demo.hypermesh",
    "y.z.given.demo.hypermesh",
    "node-1.demo.hypermesh",
    "demo.hypermesh",
    "www.example",
    "hypermesh",
];
/// The types that steps set and questions ask for.
const TYPES: [RecordType; 4] = [RecordType::Aaaa, RecordType::Txt, RecordType::Cname, RecordType::Mx];

/// One wish of an owner.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Register {
        by: usize,
        name: usize,
        owner: usize,
    },
    /// Records of a type; `value` makes them different, and says where an alias leads.
    Set {
        by: usize,
        name: usize,
        kind: usize,
        value: usize,
    },
    Clear {
        by: usize,
        name: usize,
        kind: usize,
    },
    Reclaim {
        by: usize,
        name: usize,
    },
}

/// The outcome that an owner expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ModelOutcome {
    Done,
    OutsideZone,
    Taken,
    Reserved,
    NotOwner,
    NotRegistered,
    Cname,
    NotGranted,
    NotGranter,
    /// An alias that leads back to itself.
    Loop,
    /// Mail servers that are aliases.
    ToAlias,
    /// An alias where a mail server is.
    PointedAt,
    /// Too poor: that is the ledger's model.
    Funds,
}

/// The model. If `WRONG`, it thinks that a name without records does not exist, whatever is below it.
#[derive(Clone, Debug)]
struct Maps<const WRONG: bool> {
    /// By name, whose it is, and the name that it was granted under.
    owners: BTreeMap<&'static str, (usize, Option<&'static str>)>,
    /// By name and type, the values.
    records: BTreeMap<(&'static str, usize), RecordData>,
    outcomes: Vec<ModelOutcome>,
    /// Whether the last step's wishes changed records.
    changed: bool,
}

fn is_below(name: &str, ancestor: &str) -> bool {
    name.strip_suffix(ancestor).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether the mesh itself has records there.
fn is_own(name: &str) -> bool {
    [ZONE, "node-1.demo.hypermesh"].contains(&name)
}

fn is_within(name: &str, ancestor: &str) -> bool {
    name == ancestor || is_below(name, ancestor)
}

fn data(kind: usize, value: usize) -> RecordData {
    match TYPES[kind] {
        RecordType::Aaaa => RecordData::Aaaa([0x2001, 0xdb8, 0, 0, 0, 0, 0, value as u16].into()),
        RecordType::Txt => RecordData::Txt(alloc::vec![alloc::format!("{value}").as_str().into()]),
        RecordType::Cname => RecordData::Cname(name(NAMES[value % NAMES.len()])),
        _ => RecordData::Mx { preference: 10, exchange: Some(name(target(value))) },
    }
}

/// Where an alias, or mail, with this value leads.
const fn target(value: usize) -> &'static str {
    NAMES[value % NAMES.len()]
}

const ALIAS: usize = 2;
const MAIL: usize = 3;
// So many names can be in a chain that no chain is too long here: that is for `state::tests::aliases`.
const _: () = assert!(NAMES.len() - 4 <= CNAME_CHAIN_MAX);

impl<const WRONG: bool> Maps<WRONG> {
    fn new() -> Self {
        let address = RecordData::Aaaa("2001:db8::10".parse().unwrap());
        Self {
            owners: BTreeMap::from([("given.demo.hypermesh", (0, None))]),
            records: BTreeMap::from([(("given.demo.hypermesh", 0), address)]),
            outcomes: Vec::new(),
            changed: false,
        }
    }

    /// The closest name that has an owner of its own, of a name and those above it.
    fn held(&self, name: &str) -> Option<&'static str> {
        let above = self.owners.keys().filter(|owned| is_within(name, owned));
        above.max_by_key(|owned| owned.len()).copied()
    }

    /// The owner of a name, or of the closest name above it that has one.
    fn owner(&self, name: &str) -> Option<usize> {
        self.held(name).map(|held| self.owners[held].0)
    }

    /// The names that a name was granted under, from the bottom up.
    fn granters(&self, name: &'static str) -> Vec<&'static str> {
        core::iter::successors(self.owners[name].1, |granter| self.owners[granter].1).collect()
    }

    fn reclaim(&mut self, by: usize, name: &'static str) -> Result<(), ModelOutcome> {
        if !is_within(name, ZONE) {
            return Err(ModelOutcome::OutsideZone);
        }
        let held = self.held(name).ok_or(ModelOutcome::NotRegistered)?;
        let mut may = self.granters(held);
        if held == name && self.owners[name].1.is_none() {
            return Err(ModelOutcome::NotGranted);
        }
        if held != name {
            may.push(held);
        }
        if !may.iter().any(|above| self.owners[above].0 == by) {
            return Err(ModelOutcome::NotGranter);
        }
        if held == name {
            let fallen = |owned: &&'static str| *owned == name || self.granters(owned).contains(&name);
            for owned in self.owners.keys().copied().filter(|owned| fallen(owned)).collect::<Vec<_>>() {
                self.owners.remove(owned);
            }
        }
        Ok(())
    }

    fn holds(&self, by: usize, name: &str) -> Result<(), ModelOutcome> {
        match self.owner(name) {
            _ if !is_within(name, ZONE) => Err(ModelOutcome::OutsideZone),
            Some(owner) if owner == by => Ok(()),
            Some(_) => Err(ModelOutcome::NotOwner),
            None => Err(ModelOutcome::NotRegistered),
        }
    }

    fn grant(&mut self, wish: Wish) -> Result<(), ModelOutcome> {
        let (Wish::Register { by, .. }
        | Wish::Set { by, .. }
        | Wish::Clear { by, .. }
        | Wish::Reclaim { by, .. }) = wish;
        if by == 2 {
            return Err(ModelOutcome::Funds);
        }
        match wish {
            Wish::Register { name, owner, .. } => {
                let name = NAMES[name];
                if !is_within(name, ZONE) {
                    return Err(ModelOutcome::OutsideZone);
                }
                if let Some((taken, _)) = self.owners.get(name) {
                    // Again, to who has it, by who could take it back.
                    let again =
                        *taken == owner && self.granters(name).iter().any(|above| self.owners[above].0 == by);
                    return if again { Ok(()) } else { Err(ModelOutcome::Taken) };
                }
                if is_own(name) {
                    return Err(ModelOutcome::Reserved);
                }
                match self.holds(by, name) {
                    // Directly below the zone, a name goes to whoever asks first.
                    Err(ModelOutcome::NotRegistered)
                        if name.strip_suffix(ZONE).unwrap().matches('.').count() == 1 => {}
                    held => held?,
                }
                self.owners.insert(name, (owner, self.held(name)));
            }
            Wish::Set { name, kind, value, .. } => {
                let name = NAMES[name];
                self.holds(by, name)?;
                let mut others = (0..TYPES.len()).filter(|other| *other != kind);
                let is_alias = |kind: usize| TYPES[kind] == RecordType::Cname;
                if others.any(|other| {
                    self.records.contains_key(&(name, other)) && (is_alias(kind) || is_alias(other))
                }) {
                    return Err(ModelOutcome::Cname);
                }
                self.may_lead(by, name, kind, target(value))?;
                let data = data(kind, value);
                let before = self.records.insert((name, kind), data.clone());
                self.changed |= before != Some(data);
            }
            Wish::Clear { name, kind, .. } => {
                self.holds(by, NAMES[name])?;
                self.changed |= self.records.remove(&(NAMES[name], kind)).is_some();
            }
            Wish::Reclaim { by, name } => self.reclaim(by, NAMES[name])?,
        }
        Ok(())
    }

    /// Whether an alias, or mail, of this owner's at a name may lead to a target.
    fn may_lead(&self, by: usize, name: &str, kind: usize, target: &str) -> Result<(), ModelOutcome> {
        let alias_at = |at: &str| self.records.iter().find(|((name, kind), _)| *name == at && *kind == ALIAS);
        if kind == MAIL && alias_at(target).is_some() {
            return Err(ModelOutcome::ToAlias);
        }
        if kind != ALIAS {
            return Ok(());
        }
        let mut end = target.to_string();
        while let Some((_, RecordData::Cname(next))) = alias_at(&end).filter(|_| end != name) {
            end = next.to_string();
        }
        if end == name {
            return Err(ModelOutcome::Loop);
        }
        let above = self.owners.keys().filter(|owned| is_within(name, owned));
        let registered = above.max_by_key(|owned| owned.len()).copied().unwrap_or_default();
        let points = |data: &RecordData| data.target().is_some_and(|host| host.as_str() == name);
        let mut mail =
            self.records.iter().filter(|((at, kind), data)| *kind == MAIL && *at != name && points(data));
        match mail.any(|((at, _), _)| self.owner(at) == Some(by) && is_within(at, registered)) {
            true => Err(ModelOutcome::PointedAt),
            false => Ok(()),
        }
    }

    /// How a question ends, with the names and records in the answer, in order.
    fn ask(&self, name: &'static str, kind: usize) -> (ResolutionOutcome, Vec<(&'static str, RecordData)>) {
        let mut answers: Vec<(&str, RecordData)> = Vec::new();
        let mut name = name;
        while answers.len() <= CNAME_CHAIN_MAX {
            if !is_within(name, ZONE) {
                let ended = if answers.is_empty() {
                    ResolutionOutcome::NotAuthoritative
                } else {
                    ResolutionOutcome::Found
                };
                return (ended, answers);
            }
            if let Some(data) = self.records.get(&(name, kind)) {
                answers.push((name, data.clone()));
                break;
            }
            let alias = TYPES.iter().position(|kind| *kind == RecordType::Cname).unwrap();
            let Some(data @ RecordData::Cname(target)) = self.records.get(&(name, alias)) else {
                let exists =
                    self.records.keys().any(|(other, _)| *other == name || (!WRONG && is_below(other, name)));
                return (
                    if exists || name == ZONE {
                        ResolutionOutcome::NoData
                    } else {
                        ResolutionOutcome::NoSuchName
                    },
                    answers,
                );
            };
            answers.push((name, data.clone()));
            let target = NAMES.into_iter().find(|name| *name == target.as_str()).unwrap();
            if answers.iter().any(|(name, _)| *name == target) {
                break;
            }
            name = target;
        }
        (ResolutionOutcome::Found, answers)
    }
}

impl<const WRONG: bool> ReferenceStateMachine for Maps<WRONG> {
    type State = Self;
    type Transition = Vec<Wish>;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::new()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Vec<Wish>> {
        let (names, kinds) = (0..NAMES.len(), 0..TYPES.len());
        // One in seven has nothing to pay with.
        let by = || prop_oneof![4 => Just(0_usize), 2 => Just(1_usize), 1 => Just(2_usize)];
        let register = (by(), names.clone(), 0..2_usize);
        let set = (by(), names.clone(), kinds.clone(), 0..NAMES.len());
        let wish = prop_oneof![
            3 => register.prop_map(|(by, name, owner)| Wish::Register { by, name, owner }),
            5 => set.prop_map(|(by, name, kind, value)| Wish::Set { by, name, kind, value }),
            1 => (by(), names.clone(), kinds).prop_map(|(by, name, kind)| Wish::Clear { by, name, kind }),
            2 => (by(), names).prop_map(|(by, name)| Wish::Reclaim { by, name }),
        ];
        prop::collection::vec(wish, 1..8).boxed()
    }

    fn apply(mut maps: Self, wishes: &Vec<Wish>) -> Self {
        maps.outcomes.clear();
        maps.changed = false;
        for wish in wishes {
            let granted = maps.grant(*wish);
            maps.outcomes.push(granted.err().unwrap_or(ModelOutcome::Done));
        }
        maps
    }
}

/// The real state machine, with the real resolver over it.
struct Real<const WRONG: bool>;

fn action(wish: Wish) -> Action {
    match wish {
        Wish::Register { name, owner, .. } => register(NAMES[name], &[alice(), bob()][owner]),
        Wish::Set { name, kind, value, .. } => set(NAMES[name], alloc::vec![data(kind, value)]),
        Wish::Clear { name, kind, .. } => clear(NAMES[name], TYPES[kind]),
        Wish::Reclaim { name, .. } => reclaim(NAMES[name]),
    }
}

fn outcome(receipt: &Receipt) -> ModelOutcome {
    let Outcome::Refused(refusal) = &receipt.outcome else { return ModelOutcome::Done };
    match refusal {
        Refusal::OutsideZone { .. } => ModelOutcome::OutsideZone,
        Refusal::AlreadyRegistered { .. } => ModelOutcome::Taken,
        Refusal::Reserved { .. } => ModelOutcome::Reserved,
        Refusal::NotOwner { .. } => ModelOutcome::NotOwner,
        Refusal::NotRegistered { .. } => ModelOutcome::NotRegistered,
        Refusal::Cname { .. } => ModelOutcome::Cname,
        Refusal::NotGranted { .. } => ModelOutcome::NotGranted,
        Refusal::NotGranter { .. } => ModelOutcome::NotGranter,
        Refusal::AliasLoop { .. } => ModelOutcome::Loop,
        Refusal::TargetIsAlias { .. } => ModelOutcome::ToAlias,
        Refusal::PointedAt { .. } => ModelOutcome::PointedAt,
        other => panic!("{other}"),
    }
}

/// The response code and the number of answers in a DNS message over a stream.
fn over_the_wire(mesh: &Mesh, name: &str, record_type: RecordType) -> (ResponseCode, usize) {
    let record_type: rr::RecordType = record_type.to_string().parse().unwrap();
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), record_type));
    let response = answer(&mesh.state, &message.to_vec().unwrap(), Transport::Tcp, None).unwrap();
    let response = Message::from_vec(&response).unwrap();
    (response.metadata.response_code, response.answers.len())
}

impl<const WRONG: bool> StateMachineTest for Real<WRONG> {
    /// With the serial number that the zone has to have.
    type SystemUnderTest = (Mesh, u64);
    type Reference = Maps<WRONG>;

    fn init_test(_: &Maps<WRONG>) -> (Mesh, u64) {
        (Mesh::new(), 1)
    }

    fn apply((mut mesh, serial): (Mesh, u64), maps: &Maps<WRONG>, wishes: Vec<Wish>) -> (Mesh, u64) {
        let owners = [alice(), bob(), pauper()];
        let operations = wishes
            .iter()
            .map(|wish| {
                let (Wish::Register { by, .. }
                | Wish::Set { by, .. }
                | Wish::Clear { by, .. }
                | Wish::Reclaim { by, .. }) = wish;
                mesh.operation(&owners[*by], action(*wish))
            })
            .collect();
        let receipts = mesh.carry(operations);
        // What its owner cannot pay for is in no block.
        let paid: Vec<_> =
            maps.outcomes.iter().copied().filter(|outcome| *outcome != ModelOutcome::Funds).collect();
        assert_eq!(receipts.iter().map(outcome).collect::<Vec<_>>(), paid);
        let serial = if maps.changed { mesh.state.height().0 + 1 } else { serial };
        (mesh, serial)
    }

    fn check_invariants((mesh, serial): &(Mesh, u64), maps: &Maps<WRONG>) {
        for asked in NAMES {
            let owner = maps.owner(asked).map(|owner| [alice(), bob()][owner].public());
            assert_eq!(mesh.state.owner_of(&name(asked), mesh.state.time()), owner, "owner of {asked}");
            for (kind, record_type) in TYPES.into_iter().enumerate() {
                let (ended, answers) = maps.ask(asked, kind);
                // What the mesh says of itself is not in the maps.
                let leads_there = |(_, data): &(_, RecordData)| matches!(data, RecordData::Cname(target) if is_own(target.as_str()));
                if is_own(asked) || answers.iter().any(leads_there) {
                    continue;
                }
                let resolution = resolve(&mesh.state, &name(asked), record_type);
                let found: Vec<_> =
                    resolution.answers.iter().map(|found| (found.name.as_str(), found.set.clone())).collect();
                let expected: Vec<_> =
                    answers.iter().map(|(name, data)| (*name, records([data.clone()].into()))).collect();
                assert_eq!((resolution.outcome, found), (ended, expected), "{asked} {record_type:?}");
                let nothing = matches!(ended, ResolutionOutcome::NoData | ResolutionOutcome::NoSuchName);
                let start = resolution.authority.map(|start| (start.name, start.set.data));
                let says = start.map(|(zone, data)| match data.as_slice() {
                    [RecordData::Soa(soa)] => (zone, u64::from(soa.serial)),
                    other => panic!("{other:?} is no start of a zone"),
                });
                assert_eq!(says, nothing.then(|| (name(ZONE), *serial)), "{asked}");
                let code = match ended {
                    ResolutionOutcome::NoSuchName => ResponseCode::NXDomain,
                    ResolutionOutcome::NotAuthoritative => ResponseCode::Refused,
                    _ => ResponseCode::NoError,
                };
                assert_eq!(over_the_wire(mesh, asked, record_type), (code, answers.len()), "{asked}");
            }
        }
    }
}

prop_state_machine! {
    #![proptest_config(config(64))]
    #[test]
    fn the_names_are_as_two_maps_have_them(sequential 1..12 => Real<false>);
}

#[test]
fn names_that_exist_only_through_others_are_found_out_if_a_model_forgets_them() {
    let steps = found_out::<Real<true>>(1..12);
    let wishes: Vec<Wish> = steps.concat();
    assert!(wishes.len() <= 2, "{wishes:?}");
    assert!(wishes.iter().any(|wish| matches!(wish, Wish::Set { .. })), "{wishes:?}");
}
