//! Requests that ask for what is allowed and for something that is not, in one: they are refused, and nothing of them is done.
//!
//! Which of them the rules refuse at the moment is for the check `policy` to say: a name may have no owner yet, or an
//! address may be set meanwhile.

use super::plan_world::PlanWorld;
use crate::base::name;
use crate::fault::FaultClass;
use crate::world::{Owner, RequestedNames, announcement};
use hypermesh_core::api::Request;
use hypermesh_core::base::MicroCaesar;
use hypermesh_core::state::{LEAF_SECONDS_DEFAULT, LEAF_SECONDS_MAX, Protocol, ServicePort, SetRecords};
use hypermesh_core::trustchain::ca::{RevocationReason, SerialNumber};
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType};
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// A name of the client's that nobody writes records at.
const OWN: &str = "web.demo.hypermesh";
/// A name of somebody else's.
pub(super) const FOREIGN: &str = "web.other.hypermesh";
/// A name of the client's whose TLSA records belong to somebody else, once [`ForbiddenRequest::Port`] has been prepared.
const SHARED: &str = "shared.demo.hypermesh";
/// The name of those records.
const SHARED_PORT: &str = "_443._tcp.shared.demo.hypermesh";
/// A name of the client's that has an address, and the address.
const ADDRESSED: &str = "addressed.demo.hypermesh";
const ADDRESS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 2, 1);
/// An address that is nowhere set.
const NOWHERE: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xdead, 0, 0, 0, 0, 0, 1);
const TTL_SECONDS: u32 = 60;

/// What is asked for beside what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForbiddenRequest {
    /// A certificate for a name of one's own, and for another's.
    SecondName,
    /// A certificate for a name, an address that it has, and one that it has not.
    Address,
    /// A certificate for a name, and for all below it.
    Wildcard,
    /// A certificate for a name, and for another's SPIFFE ID.
    Identity,
    /// A certificate for a name, for longer than any may hold.
    Lifetime,
    /// A certificate for a name, whose key is to be published at a name of another's.
    Port,
    /// A certificate for a name, and for one that is the mesh's own.
    NodeName,
    /// Records at another's name.
    Records,
    /// TLSA records at the port of another's name.
    ForeignTlsa,
    /// An alias at a name that has other records.
    Alias,
    /// A name below another's.
    NameBelow,
    /// A name that the mesh keeps for itself.
    Reserved,
    /// An instance of another's service.
    Instance,
    /// A stake of who is no member.
    Stake,
    /// More than there is in the account.
    Overdraft,
}

impl ForbiddenRequest {
    /// Every one.
    pub const ALL: [Self; 15] = [
        Self::SecondName,
        Self::Address,
        Self::Wildcard,
        Self::Identity,
        Self::Lifetime,
        Self::Port,
        Self::NodeName,
        Self::Records,
        Self::ForeignTlsa,
        Self::Alias,
        Self::NameBelow,
        Self::Reserved,
        Self::Instance,
        Self::Stake,
        Self::Overdraft,
    ];

    /// The class that counts it.
    pub(super) const fn class(self) -> FaultClass {
        match self {
            Self::SecondName => FaultClass::SecondName,
            Self::Address => FaultClass::ForeignAddress,
            Self::Wildcard => FaultClass::WildcardBeside,
            Self::Identity => FaultClass::ForeignIdentity,
            Self::Lifetime => FaultClass::LifetimeBeyond,
            Self::Port => FaultClass::ForeignPort,
            Self::NodeName => FaultClass::NodeName,
            Self::Records => FaultClass::ForeignRecords,
            Self::ForeignTlsa => FaultClass::ForeignTlsa,
            Self::Alias => FaultClass::AliasBeside,
            Self::NameBelow => FaultClass::NameBelow,
            Self::Reserved => FaultClass::ReservedName,
            Self::Instance => FaultClass::ForeignInstance,
            Self::Stake => FaultClass::StakeOfNone,
            Self::Overdraft => FaultClass::Overdraft,
        }
    }

    /// What has to be asked before it by who may, so that it is a trespass.
    pub(super) fn prepare(self, world: &impl PlanWorld, nonce: u64) -> Option<Request> {
        let (client, other) = (owner(world), world.participants().other.public());
        match self {
            Self::Port => Some(client.register(nonce, name(SHARED_PORT), other)),
            Self::Address | Self::Alias => Some(client.set(nonce, address())),
            Self::SecondName
            | Self::Wildcard
            | Self::Identity
            | Self::Lifetime
            | Self::NodeName
            | Self::Records
            | Self::ForeignTlsa
            | Self::NameBelow
            | Self::Reserved
            | Self::Instance
            | Self::Stake
            | Self::Overdraft => None,
        }
    }

    /// The request.
    pub(super) fn request(self, world: &impl PlanWorld, nonce: u64) -> Request {
        let (client, participants) = (owner(world), world.participants());
        let other = world.owner(&participants.other);
        let own =
            |subject: RequestedNames| client.issue_for(nonce, &subject, LEAF_SECONDS_DEFAULT, Vec::new());
        let set = |host: &str, data: RecordData| SetRecords {
            name: name(host),
            record_type: data.record_type(),
            records: RecordSet::new(TTL_SECONDS, vec![data]).ok(),
        };
        match self {
            Self::SecondName => own(RequestedNames::of(&[OWN, FOREIGN])),
            Self::Address => {
                own(RequestedNames { ipv6: vec![ADDRESS, NOWHERE], ..RequestedNames::of(&[ADDRESSED]) })
            }
            Self::Wildcard => own(RequestedNames::of(&[OWN, "*.demo.hypermesh"])),
            Self::Identity => {
                let spiffe = Some("spiffe://hypermesh/other/billing".to_string());
                own(RequestedNames { spiffe, ..RequestedNames::of(&[OWN]) })
            }
            Self::Lifetime => client.issue_for(
                nonce,
                &RequestedNames::of(&[OWN]),
                LEAF_SECONDS_MAX + 24 * 60 * 60,
                Vec::new(),
            ),
            Self::Port => {
                let services = vec![ServicePort { port: 443, protocol: Protocol::Tcp }];
                client.issue_for(nonce, &RequestedNames::of(&[OWN, SHARED]), LEAF_SECONDS_DEFAULT, services)
            }
            Self::NodeName => own(RequestedNames::of(&[OWN, "node-1.hypermesh"])),
            Self::Records => client.set(nonce, set(FOREIGN, RecordData::Aaaa(NOWHERE))),
            Self::ForeignTlsa => {
                let data = RecordData::Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] };
                other.set(nonce, set(&format!("_443._tcp.{OWN}"), data))
            }
            Self::Alias => client.set(nonce, set(ADDRESSED, RecordData::Cname(name(OWN)))),
            Self::NameBelow => {
                client.register(nonce, name(&format!("n{nonce}.other.hypermesh")), client.key.public())
            }
            Self::Reserved => client.register(nonce, name("ns.hypermesh"), client.key.public()),
            Self::Instance => other.announce(nonce, announcement(OWN, "east", 7000, 60)),
            Self::Stake => client.bond(nonce, MicroCaesar::ONE),
            Self::Overdraft => {
                let poor = world.owner(&participants.poor);
                poor.transfer(nonce, client.key.public(), MicroCaesar::ONE)
            }
        }
    }
}

/// Somebody else's revocation of a certificate.
pub(super) fn revocation(world: &impl PlanWorld, nonce: u64, serial: SerialNumber) -> Request {
    world.owner(&world.participants().other).revoke(nonce, serial, RevocationReason::PrivilegeWithdrawn)
}

fn address() -> SetRecords {
    let records = RecordSet::new(TTL_SECONDS, vec![RecordData::Aaaa(ADDRESS)]).ok();
    SetRecords { name: name(ADDRESSED), record_type: RecordType::Aaaa, records }
}

fn owner(world: &impl PlanWorld) -> Owner {
    world.owner(&world.participants().client)
}
