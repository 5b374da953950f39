//! The clients of a run: they ask what the plan says, when it says so, and keep what came back.

use super::forbidden::{self, FOREIGN};
use super::plan_world::PlanWorld;
use super::workload::{ClientRequest, FollowUp, TimedRequest};
use crate::base::{NodeIndex, name};
use crate::fault::FaultClass;
use crate::world::{Owner, RunFault, announcement};
use hypermesh_core::api::{
    DnsRequest, IssuedCertificate, ProveRequest, Request, Response, TrustBundleRequest,
};
use hypermesh_core::base::MicroCaesar;
use hypermesh_core::node::RequestId;
use hypermesh_core::state::{Action, GrantLimits, LEAF_SECONDS_DEFAULT, SetRecords};
use hypermesh_core::trust::{CertificateProof, Question, TrustBundle, verify_certificate};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::RevocationReason;
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType};
use std::net::Ipv6Addr;

/// The name that all certificates are asked for.
const CERTIFIED: &str = "web.demo.hypermesh";
/// The name that hot updates write.
const HOT: &str = "hot.demo.hypermesh";
/// The service whose instances are announced.
const SERVICE: &str = "greeter.demo.hypermesh";
const TTL_SECONDS: u32 = 300;

/// A request of the plan, and what came of it.
pub(super) struct Client {
    number: usize,
    timed: TimedRequest,
    /// What was asked, the same bytes each time.
    request: Option<Request>,
    asked: Vec<(RequestId, NodeIndex)>,
    /// What it got, when it got what it asked for.
    got: Option<Response>,
}

impl Client {
    pub(super) const fn new(number: usize, timed: TimedRequest) -> Self {
        Self { number, timed, request: None, asked: Vec::new(), got: None }
    }

    /// Asks a node for the first time, if that makes sense now.
    pub(super) fn ask(&mut self, world: &mut impl PlanWorld, earlier: &[Self]) {
        let Some(request) = self.make(world, earlier) else { return };
        self.request = Some(request);
        for class in self.classes() {
            world.hit(class);
        }
        self.ask_at(world, self.timed.place);
    }

    /// Asks for the same once more; signed anew if block time has passed the operation's end, so that it can never happen.
    pub(super) fn ask_at(&mut self, world: &mut impl PlanWorld, place: NodeIndex) {
        if let Some(anew) = self.signed_anew(world) {
            self.request = Some(anew);
        }
        if let Some(request) = self.request.clone() {
            self.asked.push((world.request(place, request), place));
        }
    }

    /// What the client does some time after it has asked, and when.
    pub(super) const fn next(&self) -> Option<(u64, NodeIndex)> {
        match self.timed.then {
            FollowUp::Wait | FollowUp::GiveUp { .. } => None,
            FollowUp::RetryElsewhere { place, after_ms } => Some((after_ms, place)),
            FollowUp::Repeat { after_ms } => Some((after_ms, self.timed.place)),
        }
    }

    /// After how long the client stops waiting, if it does.
    pub(super) const fn gives_up_after(&self) -> Option<u64> {
        match self.timed.then {
            FollowUp::GiveUp { after_ms } => Some(after_ms),
            FollowUp::Wait | FollowUp::RetryElsewhere { .. } | FollowUp::Repeat { .. } => None,
        }
    }

    /// Stops waiting for what was asked so far.
    pub(super) fn give_up(&mut self, world: &mut impl PlanWorld) {
        for (id, place) in core::mem::take(&mut self.asked) {
            if !world.is_answered(id) {
                world.cancel(place, id);
            }
        }
    }

    /// Takes what has come. Says whether the client still wants something, and has no question under way.
    pub(super) fn wants(&mut self, world: &impl PlanWorld) -> bool {
        if self.got.is_none() {
            let mut answers =
                self.asked.iter().filter_map(|(id, place)| Some((*place, world.response(*id)?)));
            self.got = answers
                .find(|(place, response)| {
                    is_proved(world, self.request.as_ref(), response) && world.is_taken(*place, response)
                })
                .map(|(_, got)| got);
        }
        let under_way = self.asked.iter().any(|(id, _)| !world.is_answered(*id));
        self.is_owed() && !under_way
    }

    /// Whether the mesh owes this client an answer.
    pub(super) fn is_owed(&self) -> bool {
        let gave_up = matches!(self.timed.then, FollowUp::GiveUp { .. });
        self.request.is_some() && self.got.is_none() && !gave_up && self.timed.ask.is_owed()
    }

    pub(super) const fn number(&self) -> usize {
        self.number
    }

    pub(super) const fn got(&self) -> Option<&Response> {
        self.got.as_ref()
    }

    /// What was said to it last.
    pub(super) fn last_refusal(&self, world: &impl PlanWorld) -> String {
        let last = self.asked.iter().rev().find_map(|(id, _)| world.refusal(*id));
        last.unwrap_or_else(|| "nothing was answered".to_string())
    }

    pub(super) fn certificate(&self) -> Option<&IssuedCertificate> {
        match &self.got {
            Some(Response::IssueCertificate(issued) | Response::GetCertificate(issued)) => Some(issued),
            _ => None,
        }
    }

    fn classes(&self) -> Vec<FaultClass> {
        let asks = match &self.timed.ask {
            ClientRequest::Issue => Some(FaultClass::Issue),
            ClientRequest::Renew { .. } => Some(FaultClass::Renew),
            ClientRequest::Revoke { .. } => Some(FaultClass::Revoke),
            ClientRequest::Register => Some(FaultClass::Register),
            ClientRequest::Update { hot: false } => Some(FaultClass::Update),
            ClientRequest::Update { hot: true } => Some(FaultClass::HotName),
            ClientRequest::Resolve => Some(FaultClass::Resolve),
            ClientRequest::Prove => Some(FaultClass::Prove),
            ClientRequest::Announce { .. } => Some(FaultClass::Announce),
            ClientRequest::Transfer { .. } => Some(FaultClass::Transfer),
            ClientRequest::Prepare { .. } => None,
            ClientRequest::ForbiddenRequest { what } => Some(what.class()),
            ClientRequest::ForeignRevoke { .. } => Some(FaultClass::ForeignRevocation),
            ClientRequest::Compromise { .. } => Some(FaultClass::Compromise),
            ClientRequest::SameKey { .. } => Some(FaultClass::CompromisedKey),
            ClientRequest::Grant { for_ms: None } => Some(FaultClass::Grant),
            ClientRequest::Grant { for_ms: Some(_) } => Some(FaultClass::LimitedGrant),
            ClientRequest::UseGrant { .. } => Some(FaultClass::GrantedUse),
            ClientRequest::Reclaim { other: false, .. } => Some(FaultClass::Reclaim),
            ClientRequest::Reclaim { other: true, .. } => Some(FaultClass::ForeignReclaim),
        };
        let then = match self.timed.then {
            FollowUp::Wait => None,
            FollowUp::GiveUp { .. } => Some(FaultClass::GiveUp),
            FollowUp::RetryElsewhere { .. } => Some(FaultClass::RetryElsewhere),
            FollowUp::Repeat { .. } => Some(FaultClass::Repeat),
        };
        asks.into_iter().chain(then).collect()
    }

    fn make(&self, world: &impl PlanWorld, earlier: &[Self]) -> Option<Request> {
        let owner: Owner = world.owner(&world.participants().client);
        let nonce = self.number as u64 + 1;
        Some(match &self.timed.ask {
            ClientRequest::Issue | ClientRequest::Renew { .. } => owner.issue(nonce, &[CERTIFIED]),
            ClientRequest::Revoke { of } => {
                let revoked = earlier
                    .iter()
                    .any(|client| client.timed.ask == self.timed.ask && client.request.is_some());
                let serial = earlier.get(*of).and_then(Self::certificate)?.serial_number;
                if revoked {
                    return None;
                }
                owner.revoke(nonce, serial, RevocationReason::Superseded)
            }
            ClientRequest::Register => owner.register(nonce, self.registered(), owner.key.public()),
            ClientRequest::Update { hot } => owner.set(nonce, self.records(*hot)),
            ClientRequest::Resolve => {
                Request::ResolveDns(DnsRequest { name: name(HOT), record_type: RecordType::Aaaa })
            }
            ClientRequest::Prove => {
                let question = Question::Records { name: name(HOT), record_type: RecordType::Aaaa };
                Request::Prove(ProveRequest { question })
            }
            ClientRequest::Announce { lease_seconds } => {
                let port = u16::try_from(self.number % 0xff00).unwrap_or_default() + 1;
                owner.announce(
                    nonce,
                    announcement(SERVICE, &format!("i{}", self.number), port, *lease_seconds),
                )
            }
            ClientRequest::Transfer { amount } => {
                owner.transfer(nonce, world.participants().other.public(), MicroCaesar(*amount))
            }
            ClientRequest::Prepare { what } => what.prepare(world, nonce)?,
            ClientRequest::ForbiddenRequest { what } => what.request(world, nonce),
            ClientRequest::ForeignRevoke { of } => {
                let serial = earlier.get(*of).and_then(Self::certificate)?.serial_number;
                forbidden::revocation(world, nonce, serial)
            }
            ClientRequest::Compromise { of } => {
                let serial = earlier.get(*of).and_then(Self::certificate)?.serial_number;
                owner.revoke(nonce, serial, RevocationReason::KeyCompromise)
            }
            ClientRequest::SameKey { of, other } => match other {
                true => {
                    let other: Owner = world.owner(&world.participants().other);
                    other.issue_for_key(nonce, *of as u64 + 1, &[FOREIGN])
                }
                false => owner.issue_for_key(nonce, *of as u64 + 1, &[CERTIFIED]),
            },
            ClientRequest::Grant { for_ms } => {
                let until = for_ms.map(|for_ms| owner.time.plus(for_ms));
                let limits = GrantLimits { until, ..GrantLimits::default() };
                owner.grant(nonce, granted(self.number), world.participants().other.public(), limits)
            }
            ClientRequest::UseGrant { of, records } => {
                let (other, at) = (world.owner(&world.participants().other), granted(*of));
                match records {
                    true => other.set(nonce, self.records_at(at)),
                    false => other.issue_published(nonce, &[at.as_str(), FOREIGN], LEAF_SECONDS_DEFAULT),
                }
            }
            ClientRequest::Reclaim { of, other } => {
                let by = if *other { world.owner(&world.participants().other) } else { owner };
                by.reclaim(nonce, granted(*of))
            }
        })
    }

    /// The same request with an operation that can still happen, if the one that was signed cannot.
    fn signed_anew(&self, world: &impl PlanWorld) -> Option<Request> {
        let operation = self.request.as_ref()?.operation()?;
        if operation.body.expires >= world.client_time() {
            return None;
        }
        match &operation.body.action {
            Action::RevokeCertificate(revoke) => {
                let owner = world.owner(&world.participants().client);
                Some(owner.revoke(self.number as u64 + 1, revoke.serial_number, revoke.reason))
            }
            _ => self.make(world, &[]),
        }
    }

    fn registered(&self) -> DomainName {
        name(&format!("shop-{}.hypermesh", self.number))
    }

    fn records(&self, hot: bool) -> SetRecords {
        self.records_at(if hot { name(HOT) } else { name(&format!("app-{}.demo.hypermesh", self.number)) })
    }

    fn records_at(&self, name: DomainName) -> SetRecords {
        let host = u16::try_from(self.number % 0xffff).unwrap_or_default();
        let address = RecordData::Aaaa(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 1, host));
        let records = RecordSet::new(TTL_SECONDS, vec![address]).expect("one address is a set of records");
        SetRecords { name, record_type: RecordType::Aaaa, records: Some(records) }
    }
}

/// The name that a request grants, by its number.
fn granted(number: usize) -> DomainName {
    name(&format!("host-{number}.demo.hypermesh"))
}

/// Whether an answer holds, if it is one that is asked for with proof.
fn is_proved(world: &impl PlanWorld, request: Option<&Request>, response: &Response) -> bool {
    match (request, response) {
        (Some(Request::Prove(asked)), Response::Prove(proof)) => {
            asked.question.check(proof, &world.participants().genesis).is_ok()
        }
        _ => true,
    }
}

/// The question for a node's trust bundle.
pub(super) const fn bundle_request() -> Request {
    Request::TrustBundle(TrustBundleRequest {})
}

/// Verifies offline what a client got for a certificate.
pub(super) fn verify(
    world: &impl PlanWorld,
    bundle: &TrustBundle,
    issued: &IssuedCertificate,
) -> Result<(), RunFault> {
    let fault = |what: String| Err(RunFault::Unexpected(what));
    let Ok(proof) = CertificateProof::from_pem(&issued.proof_pem) else {
        return fault("the proof beside a certificate is none".to_string());
    };
    let der = &issued.certificate_der;
    // For the one or the other: whether for the right one, the check `policy` says.
    let by_name = [CERTIFIED, FOREIGN].map(|certified| {
        verify_certificate(bundle, der, Some(&proof), Some(&name(certified)), world.client_time())
    });
    match by_name.iter().any(|verification| verification.valid) {
        true => Ok(()),
        false => fault(format!("a certificate does not verify: {:?}", by_name[0].checks.last())),
    }
}
