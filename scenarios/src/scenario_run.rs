//! What scenarios have in common: a mesh that is ready, owners who ask, answers that are checked.

use hypermesh_core::api::{
    ApiFault, CertificateRequestBySerial, CertificateState, DnsRequest, FaultKind, IssuedCertificate,
    PublishedList, Request, Response, RevocationListRequest, TrustBundleRequest, ValidateCertificateRequest,
    read,
};
use hypermesh_core::base::{SecretKey, UnixMillis};
use hypermesh_core::node::{Event, RequestId};
use hypermesh_core::state::{Receipt, SetRecords};
use hypermesh_core::trust::{CertificateProof, CheckedList, ListRefusal, TrustBundle, verify_certificate};
use hypermesh_core::trustchain::ca::{RevocationList, SerialNumber};
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType};
use hypermesh_sim::world::{Disk, NodeIndex, Owner, Random, RunFault, World, name};
use std::time::Duration;

/// How long a mesh may take to generate its keys, and anything else that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// After how long, and how often, a node that is not sure is asked again.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(500);
const ASKED_AGAIN_MAX: usize = 20;
/// The name that the client asks certificates for.
pub(crate) const NAME: &str = "web.demo.hypermesh";

/// A world, and what a scenario does in it.
pub(crate) struct ScenarioRun {
    pub(crate) world: World,
    pub(crate) random: Random,
    nonce: u64,
    bundle: Option<TrustBundle>,
}

/// How long issuances took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timed {
    pub(crate) mean: Duration,
    pub(crate) slowest: Duration,
}

/// Whether a node has told something like this.
pub(crate) fn tells(world: &World, place: NodeIndex, like: impl Fn(&Event) -> bool) -> bool {
    world.events().iter().any(|(_, at, event)| *at == place && like(event))
}

/// A request that was sent, and can be sent again.
#[derive(Clone)]
pub(crate) struct PendingRequest {
    pub(crate) id: RequestId,
    pub(crate) request: Request,
}

impl ScenarioRun {
    pub(crate) const fn new(world: World, random: Random) -> Self {
        Self { world, random, nonce: 0, bundle: None }
    }

    /// Lets the mesh generate its keys and fetches the trust bundle.
    pub(crate) fn begin(&mut self) -> Result<(), RunFault> {
        self.wait("all nodes ready", World::is_ready)?;
        for place in 0..self.world.participants().validators.len() {
            self.fetch_bundle(place)?;
        }
        Ok(())
    }

    /// Lets the nodes that run come to the same height and checks what can only be checked then.
    pub(crate) fn end(&mut self) -> Result<(), RunFault> {
        self.wait("the nodes at one height", |world| {
            let mut heights = world.views().map(|view| view.state.height());
            let first = heights.next();
            heights.all(|height| Some(height) == first)
        })?;
        self.world.finish()
    }

    /// Stops all nodes between two blocks, when all of them have the last.
    pub(crate) fn stop_in_step(&mut self) -> Result<(), RunFault> {
        let heads = |world: &World| {
            let mut heads = (0..4).map(|place| world.disk(place).map(Disk::durable_digest));
            let first = heads.next();
            heads.all(|head| Some(head) == first)
        };
        self.wait("the disks at one height", heads)?;
        (0..4).for_each(|place| self.world.crash(place));
        Ok(())
    }

    /// Runs until something is so.
    pub(crate) fn wait(&mut self, what: &str, is_so: impl FnMut(&World) -> bool) -> Result<(), RunFault> {
        self.world.run_until(what, PATIENCE, is_so)
    }

    /// Stops all nodes for so long, and starts them again: a way through idle years that takes no time.
    pub(crate) fn sleep(&mut self, duration: Duration) -> Result<(), RunFault> {
        // What is under way becomes durable.
        self.world.run_for(Duration::from_secs(1))?;
        let places = 0..self.world.participants().validators.len();
        places.clone().for_each(|place| self.world.crash(place));
        self.world.run_for(duration)?;
        for place in places {
            self.world.start(place)?;
        }
        self.wait("all nodes ready", World::is_ready)
    }

    /// Sleeps until the true clock says so; not at all if it does.
    pub(crate) fn sleep_until(&mut self, moment: UnixMillis) -> Result<(), RunFault> {
        match moment.since(self.world.wall()) {
            0 => Ok(()),
            left => self.sleep(Duration::from_millis(left)),
        }
    }

    /// Fetches a node's trust bundle, and goes by it from now on.
    pub(crate) fn fetch_bundle(&mut self, place: NodeIndex) -> Result<TrustBundle, RunFault> {
        let asked = self.ask(place, Request::TrustBundle(TrustBundleRequest {}));
        let bundle = match self.answer(&asked)? {
            Ok(Response::TrustBundle(bundle)) => bundle,
            other => return Err(unexpected("a trust bundle", &other)),
        };
        let fault = |fault| format!("the trust bundle of node-{} anchors nothing: {fault}", place + 1);
        bundle.check().map_err(|reason| RunFault::Unexpected(fault(reason)))?;
        self.bundle = Some(bundle.clone());
        Ok(bundle)
    }

    /// A node's revocation list with at least this number, checked against the trust bundle.
    pub(crate) fn revocation_list(
        &mut self,
        place: NodeIndex,
        at_least: Option<u64>,
    ) -> Result<RevocationList, RunFault> {
        let request = RevocationListRequest { at_least: at_least.or(Some(1)), root_at_least: None };
        let asked = self.ask(place, Request::GetRevocationList(request));
        let (issuing, _) = self.published_lists(&asked)?;
        let checked = self.checked_list(place, issuing, TrustBundle::verify_revocation_list)?;
        let fault = |what: String| RunFault::Unexpected(format!("the list of node-{}: {what}", place + 1));
        if checked.has_run_out(self.world.wall()) || checked.list().number < at_least.unwrap_or_default() {
            return Err(fault(format!("number {} is an old one", checked.list().number)));
        }
        Ok(checked.list().clone())
    }

    /// A node's revocation list of the root key, checked against the trust bundle.
    pub(crate) fn root_list(&mut self, place: NodeIndex) -> Result<RevocationList, RunFault> {
        let request = RevocationListRequest { at_least: None, root_at_least: Some(1) };
        let asked = self.ask(place, Request::GetRevocationList(request));
        let (_, root) = self.published_lists(&asked)?;
        let root = self.checked_list(place, root, TrustBundle::verify_root_revocation_list)?;
        ensure(!root.has_run_out(self.world.wall()), "the root key's list has run out")?;
        Ok(root.list().clone())
    }

    /// The lists of both authorities in an answer, the issuing key's first.
    fn published_lists(
        &mut self,
        asked: &PendingRequest,
    ) -> Result<(Option<PublishedList>, Option<PublishedList>), RunFault> {
        match self.answer(asked)? {
            Ok(Response::GetRevocationList(lists)) => Ok((lists.issuing, lists.root)),
            other => Err(unexpected("revocation lists", &other)),
        }
    }

    /// A list that a node gave, once it is checked against the trust bundle.
    fn checked_list(
        &self,
        place: NodeIndex,
        list: Option<PublishedList>,
        verify: fn(&TrustBundle, &[u8]) -> Result<CheckedList, ListRefusal>,
    ) -> Result<CheckedList, RunFault> {
        let fault = |what: String| RunFault::Unexpected(format!("the lists of node-{}: {what}", place + 1));
        let bundle = self.bundle.as_ref().ok_or_else(|| fault("there is no trust bundle yet".to_string()))?;
        let list = list.ok_or_else(|| fault("the one that was asked for is missing".to_string()))?;
        verify(bundle, &list.crl_der).map_err(|refusal| fault(refusal.to_string()))
    }

    /// What a node says of a certificate.
    pub(crate) fn status(&mut self, place: NodeIndex, der: &[u8]) -> Result<CertificateState, RunFault> {
        let request = ValidateCertificateRequest { certificate_der: der.to_vec() };
        let view = self.world.view(place);
        let view = view.ok_or_else(|| RunFault::Unexpected(format!("node-{} is down", place + 1)))?;
        match read(&view, &Request::ValidateCertificate(request), self.world.wall()) {
            Some(Ok(Response::ValidateCertificate(state))) => Ok(state),
            _ => Err(RunFault::Unexpected("a node has no opinion on a certificate".to_string())),
        }
    }

    // --- asking ---

    /// The client, who owns `demo.hypermesh`.
    pub(crate) fn client(&self) -> Owner {
        self.owner(&self.world.participants().client)
    }

    pub(crate) fn owner(&self, key: &SecretKey) -> Owner {
        self.world.owner(key)
    }

    /// A number that was not drawn before.
    pub(crate) const fn nonce(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }

    /// A node, by chance.
    pub(crate) fn any_place(&mut self) -> NodeIndex {
        let count = self.world.participants().validators.len();
        usize::try_from(self.random.below(count as u64)).unwrap_or_default()
    }

    pub(crate) fn ask(&mut self, place: NodeIndex, request: Request) -> PendingRequest {
        let id = self.world.request(place, request.clone());
        PendingRequest { id, request }
    }

    /// Whether a node that is not linked with a quorum has said so by now. Any other answer is wrong.
    pub(crate) fn was_refused_for_want_of_quorum(&self, asked: &PendingRequest) -> Result<bool, RunFault> {
        match self.world.answer(asked.id).map(|answer| &answer.response) {
            None => Ok(false),
            Some(Err(fault)) if fault.message.contains("quorum") => Ok(true),
            Some(_) => Err(RunFault::Unexpected("an operation was answered without a quorum".to_string())),
        }
    }

    /// Asks a node again once it is linked with a quorum.
    pub(crate) fn ask_again(
        &mut self,
        place: NodeIndex,
        asked: PendingRequest,
    ) -> Result<PendingRequest, RunFault> {
        self.wait("a quorum linked", |world| {
            world.view(place).is_some_and(|view| view.status.connected >= view.status.quorum)
        })?;
        Ok(self.ask(place, asked.request))
    }

    /// Asks a node for a certificate.
    pub(crate) fn ask_certificate(&mut self, place: NodeIndex) -> PendingRequest {
        let nonce = self.nonce();
        let request = self.client().issue(nonce, &[NAME]);
        self.ask(place, request)
    }

    /// Asks each of these in turn for a certificate, a block for each, and says how long that took.
    pub(crate) fn issue_in_turn(&mut self, places: &[NodeIndex], count: u64) -> Result<Timed, RunFault> {
        let mut timed = Timed::default();
        let began = self.world.now();
        for place in (0..count).zip(places.iter().cycle()).map(|(_, place)| *place) {
            let asked_at = self.world.now();
            self.issue(place)?;
            timed.slowest = timed.slowest.max(self.world.now().since(asked_at));
        }
        timed.mean =
            self.world.now().since(began).checked_div(u32::try_from(count).unwrap_or(1)).unwrap_or_default();
        Ok(timed)
    }

    /// Whether a node resolves the client's name.
    pub(crate) fn resolves(&mut self, place: NodeIndex) -> Result<bool, RunFault> {
        let name = name(NAME);
        let asked = self.ask(place, Request::ResolveDns(DnsRequest { name, record_type: RecordType::Tlsa }));
        Ok(matches!(self.answer(&asked)?, Ok(Response::ResolveDns(_))))
    }

    /// Waits until every node that runs has what one of them has answered.
    pub(crate) fn settle(&mut self) -> Result<(), RunFault> {
        let highest = self.world.views().map(|view| view.state.height()).max();
        self.wait("all nodes at the height of the highest", |world| {
            world.views().all(|view| Some(view.state.height()) >= highest)
        })
    }

    /// Sets the records of a name of the client's at a node, and waits until all nodes have them.
    pub(crate) fn set_records(
        &mut self,
        place: NodeIndex,
        host: &str,
        ttl_seconds: u32,
        data: Vec<RecordData>,
    ) -> Result<(), RunFault> {
        let records = RecordSet::new(ttl_seconds, data);
        let records = records.map_err(|fault| RunFault::Unexpected(format!("no set of records: {fault}")))?;
        let record_type = records.record_type().unwrap_or(RecordType::Aaaa);
        let nonce = self.nonce();
        let set = SetRecords { name: name(host), record_type, records: Some(records) };
        let asked = self.ask(place, self.client().set(nonce, set));
        self.receipt(&asked)?;
        self.settle()
    }

    /// The records that a node gives of a name; none if it gives none.
    pub(crate) fn look_up(
        &mut self,
        place: NodeIndex,
        host: &str,
        record_type: RecordType,
    ) -> Result<Vec<RecordData>, RunFault> {
        let request = DnsRequest { name: name(host), record_type };
        let asked = self.ask(place, Request::ResolveDns(request));
        match self.answer(&asked)? {
            Ok(Response::ResolveDns(answer)) => {
                Ok(answer.answers.last().map(|named| named.set.data.clone()).unwrap_or_default())
            }
            other => Err(unexpected("records", &other)),
        }
    }

    /// How often a node has told something like this.
    pub(crate) fn told(&self, place: NodeIndex, like: impl Fn(&Event) -> bool) -> usize {
        self.world.events().iter().filter(|(_, at, event)| *at == place && like(event)).count()
    }

    /// Puts a line into what the runner prints with `--trace`.
    pub(crate) fn note(&mut self, what: &str) {
        self.world.say(what);
    }

    // --- answers ---

    pub(crate) fn answer(&mut self, asked: &PendingRequest) -> Result<Result<Response, ApiFault>, RunFault> {
        self.wait("an answer", |world| world.answer(asked.id).is_some())?;
        let answer = self.world.answer(asked.id).map(|answer| answer.response.clone());
        answer.ok_or_else(|| RunFault::Unexpected("an answer that came is gone".to_string()))
    }

    /// The certificate that was asked for, verified offline.
    pub(crate) fn certificate(&mut self, asked: &PendingRequest) -> Result<IssuedCertificate, RunFault> {
        match self.answer(asked)? {
            Ok(Response::IssueCertificate(issued) | Response::GetCertificate(issued)) => {
                self.verify(&issued).map(|()| issued)
            }
            other => Err(unexpected("a certificate", &other)),
        }
    }

    /// Asks a node for a certificate and waits for it.
    pub(crate) fn issue(&mut self, place: NodeIndex) -> Result<IssuedCertificate, RunFault> {
        let asked = self.ask_certificate(place);
        self.certificate(&asked)
    }

    /// Asks a node for a certificate that was issued.
    pub(crate) fn fetch(
        &mut self,
        place: NodeIndex,
        serial: SerialNumber,
    ) -> Result<IssuedCertificate, RunFault> {
        let request = CertificateRequestBySerial { serial_number: serial };
        let asked = self.ask(place, Request::GetCertificate(request));
        self.certificate(&asked)
    }

    /// The receipt of an operation that is no certificate.
    pub(crate) fn receipt(&mut self, asked: &PendingRequest) -> Result<Receipt, RunFault> {
        match self.answer(asked)? {
            Ok(Response::Operation(receipt)) => Ok(receipt),
            other => Err(unexpected("a receipt", &other)),
        }
    }

    /// The refusal of an operation.
    pub(crate) fn refusal(&mut self, asked: &PendingRequest) -> Result<ApiFault, RunFault> {
        match self.answer(asked)? {
            Err(fault) => Ok(fault),
            other => Err(unexpected("a refusal", &other)),
        }
    }

    /// What a node refuses for good: as long as it says that it is not sure, it is asked again.
    pub(crate) fn refusal_for_good(
        &mut self,
        place: NodeIndex,
        asked: PendingRequest,
    ) -> Result<ApiFault, RunFault> {
        let mut fault = self.refusal(&asked)?;
        for _ in 0..ASKED_AGAIN_MAX {
            if fault.kind != FaultKind::Unavailable {
                break;
            }
            self.world.run_for(ASKED_AGAIN_AFTER)?;
            let again = self.ask(place, asked.request.clone());
            fault = self.refusal(&again)?;
        }
        Ok(fault)
    }

    fn verify(&self, issued: &IssuedCertificate) -> Result<(), RunFault> {
        let fault = |what: String| Err(RunFault::Unexpected(what));
        let Some(bundle) = &self.bundle else { return fault("there is no trust bundle yet".to_string()) };
        let Ok(proof) = CertificateProof::from_pem(&issued.proof_pem) else {
            return fault("the proof beside a certificate is none".to_string());
        };
        let (der, time) = (&issued.certificate_der, self.world.client_time());
        let verification = verify_certificate(bundle, der, Some(&proof), Some(&name(NAME)), time);
        if verification.valid {
            return Ok(());
        }
        fault(format!("a certificate does not verify: {:?}", verification.checks.last()))
    }
}

fn unexpected(wanted: &str, got: &Result<Response, ApiFault>) -> RunFault {
    let got = match got {
        Ok(response) => format!("another response: {} bytes", response.encode().len()),
        Err(fault) => fault.to_string(),
    };
    RunFault::Unexpected(format!("{wanted} was expected, and this came: {got}"))
}

/// Fails a scenario unless something holds.
pub(crate) fn ensure(holds: bool, otherwise: &str) -> Result<(), RunFault> {
    if holds { Ok(()) } else { Err(RunFault::Unexpected(otherwise.to_string())) }
}
