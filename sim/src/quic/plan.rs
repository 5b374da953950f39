//! A run as a list of steps: what a seed is tried on.

use super::{Options, QuicWorld};
use crate::world::{Place, RunFault, name};
use hypermesh_core::api::{IssuedCertificate, Request, Response, TrustBundleRequest};
use hypermesh_core::base::{Digest, Mono};
use hypermesh_core::trust::{CertificateProof, verify_certificate};
use std::time::Duration;

/// Longer than any single step takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to happen in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How the world is.
    pub options: Options,
    /// What happens in it, one after another.
    pub steps: Vec<Step>,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Wait until every node that is not down can issue.
    AwaitReady,
    /// Ask a node for a certificate, wait for it, and verify it offline with what another node says to trust.
    Issue {
        /// Which node is asked.
        place: Place,
        /// Which node is asked what to trust.
        bundle: Place,
    },
    /// A node stops without warning.
    Crash {
        /// Which.
        place: Place,
    },
    /// A node that is down starts.
    Start {
        /// Which.
        place: Place,
    },
    /// Datagrams pass only between nodes on one side from now on.
    Partition {
        /// Each node's side, by its place.
        sides: Vec<u8>,
    },
    /// The partition ends.
    Heal,
    /// So many datagrams of a thousand are lost from now on.
    Lose {
        /// How many.
        per_mille: u64,
    },
    /// Time passes.
    Pass {
        /// How much.
        duration: Duration,
    },
    /// Wait until all nodes that run are at the height of the highest.
    AwaitSameHeight,
}

impl Plan {
    /// The standard short run: a mesh begins, a node dies and comes back, one is cut off and comes back, and
    /// certificates are issued all the while.
    #[must_use]
    pub fn standard(keep_lines: bool) -> Self {
        let steps = vec![
            Step::AwaitReady,
            Step::Issue { place: 0, bundle: 1 },
            Step::Crash { place: 2 },
            Step::Issue { place: 1, bundle: 3 },
            Step::Start { place: 2 },
            Step::AwaitReady,
            Step::Issue { place: 2, bundle: 0 },
            Step::Partition { sides: vec![0, 0, 0, 1] },
            Step::Issue { place: 0, bundle: 3 },
            Step::Heal,
            Step::AwaitSameHeight,
            Step::Issue { place: 3, bundle: 2 },
        ];
        Self { options: Options { keep_lines, ..Options::default() }, steps }
    }
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The hash of every datagram (when, from where, to where, how long, which bytes), of everything that the
    /// nodes told, and of every answer.
    pub trace: Digest,
    /// How many things happened: what the hash is over.
    pub happenings: u64,
    /// How many of them are datagrams.
    pub datagrams: u64,
    /// How long it took, in the world's time.
    pub simulated: Mono,
    /// What happened, a line each, if that was asked for.
    pub lines: Vec<String>,
    /// Why it failed, if it did.
    pub fault: Option<RunFault>,
}

/// Runs a plan in a world out of a seed.
#[must_use]
pub fn run(seed: u64, plan: &Plan) -> Report {
    let mut world = QuicWorld::new(seed, plan.options);
    let steps = (1..).zip(&plan.steps).try_for_each(|(number, step)| world.carry_out(number, step));
    let outcome = steps.and_then(|()| world.finish());
    Report {
        seed,
        trace: world.trace(),
        happenings: world.happenings(),
        datagrams: world.datagrams(),
        simulated: world.now(),
        lines: world.lines(),
        fault: outcome.err(),
    }
}

impl QuicWorld {
    fn carry_out(&mut self, number: u64, step: &Step) -> Result<(), RunFault> {
        match step {
            Step::AwaitReady => self.run_until("all nodes ready", PATIENCE, Self::is_ready)?,
            Step::Issue { place, bundle } => self.issue(number, *place, *bundle).map(drop)?,
            Step::Crash { place } => self.crash(*place),
            Step::Start { place } => self.start(*place),
            Step::Partition { sides } => self.partition(sides),
            Step::Heal => self.heal(),
            Step::Lose { per_mille } => self.lose(*per_mille),
            Step::Pass { duration } => self.run_for(*duration)?,
            Step::AwaitSameHeight => {
                let highest = self.views().map(|view| view.state.height()).max();
                self.run_until("all nodes at one height", PATIENCE, |world| {
                    world.views().all(|view| Some(view.state.height()) >= highest)
                })?;
            }
        }
        Ok(())
    }

    /// Asks a node, and waits for the answer.
    ///
    /// # Errors
    /// If none comes, or the node refuses, or a promise is broken on the way.
    pub fn ask(&mut self, place: Place, request: Request) -> Result<Response, RunFault> {
        let id = self.request(place, request);
        self.run_until("an answer", PATIENCE, |world| world.answer(id).is_some())?;
        let answer = self.answer(id).map(|answer| answer.response);
        let refused = |error| RunFault::Unexpected(format!("node-{} did not answer: {error}", place + 1));
        answer.unwrap_or(Err(stoq::CallError::DeadlineExceeded)).map_err(refused)
    }

    /// Asks a node for a certificate whose name and key follow from a number, and verifies it offline with
    /// what another node says to trust.
    ///
    /// # Errors
    /// If it is not issued, or does not verify.
    pub fn issue(&mut self, number: u64, place: Place, bundle: Place) -> Result<IssuedCertificate, RunFault> {
        let subject = format!("web-{number}.demo.hypermesh");
        let request = self.owner(&self.cast().client).issue(number, &[&subject]);
        let Response::IssueCertificate(issued) = self.ask(place, request)? else {
            return Err(RunFault::Unexpected("an answer to another question".to_string()));
        };
        let request = Request::TrustBundle(TrustBundleRequest {});
        let Response::TrustBundle(bundle) = self.ask(bundle, request)? else {
            return Err(RunFault::Unexpected("an answer to another question".to_string()));
        };
        let unreadable = |fault| RunFault::Unexpected(format!("the proof cannot be read: {fault}"));
        let proof = CertificateProof::from_pem(&issued.proof_pem).map_err(unreadable)?;
        let expected = name(&subject);
        let (certificate, now) = (&issued.certificate_der, self.wall());
        let verification = verify_certificate(&bundle, certificate, Some(&proof), Some(&expected), now);
        if !verification.valid {
            return Err(RunFault::Unexpected(format!("the certificate does not verify: {verification:?}")));
        }
        Ok(issued)
    }
}
