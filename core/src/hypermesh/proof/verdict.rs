//! Judging a set against what the state says, the cheapest check first.
//!
//! The order: sizes; look-ups (stake, plot, ticket, deadline); work; space; signature; time. So a set of
//! rubbish costs its sender a connection and the judge a microsecond.
//!
//! Each proof is judged for its own fault. Work and signature bind the ticket by its digest, not by its
//! truth: a member that answers wrongly from its plot and then works and signs in earnest fails in the space
//! proof and in no other. (Whoever changes somebody else's ticket in transit changes the transcript as well,
//! and so breaks work and signature with it.)
//!
//! Not judged here: whether the member may use this sequence number, whether the beacon is recent enough, and
//! whether each operation's owner has the rights it uses. That is for the state.

use super::fault::{FailedProof, ProofFault, ProofKind, ProofRejection};
use super::parameters::ProofParameters;
use super::set::{FourProofSet, SpaceProof, Statement, TimeProof, transcript_end, work_subject};
use super::space::verify_answer;
use super::stake::check_stake;
use super::time::{time_challenge, verify_time};
use crate::base::{Digest, Entropy, MicroCaesar, Signature, verify_batch};
use alloc::vec::Vec;

/// What the state says about the member and the beacon of a [`Statement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// How hard the proofs must be.
    pub parameters: ProofParameters,
    /// The beacon's value.
    pub beacon: Digest,
    /// The root of the member's plot, if it has a proven one.
    pub plot_root: Option<Digest>,
    /// What the member has at stake.
    pub stake: MicroCaesar,
    /// What a member must have at stake.
    pub stake_minimum: MicroCaesar,
    /// The hashes that a batch must be expected to take under this beacon.
    pub difficulty: u64,
    /// The digest of the ticket recorded for the member and this beacon. It was verified against the plot
    /// root that stood then: the state forgets it when the member's plot changes.
    pub ticket: Option<Digest>,
    /// Whether a ticket for this beacon may still be put on chain.
    pub ticket_open: bool,
}

/// Whether to go on when a proof has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diligence {
    /// No: one fault is enough to refuse. For traffic.
    StopAtFirst,
    /// Yes: name every proof that fails. For answering a person.
    NameAll,
}

/// A set with what it is for and what it is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// The set.
    pub set: &'a FourProofSet,
    /// What it is for.
    pub statement: &'a Statement,
    /// What the state says.
    pub expectation: &'a Expectation,
}

impl FourProofSet {
    /// Judges all four proofs. Gives the proof hash, by which the set is known in either form.
    ///
    /// # Errors
    /// With the proofs that fail: the first, or all of them, as `diligence` asks.
    pub fn verify(
        &self,
        statement: &Statement,
        expectation: &Expectation,
        diligence: Diligence,
    ) -> Result<Digest, ProofRejection> {
        let mut judge = Judge::new(Submission { set: self, statement, expectation }, diligence);
        let transcript = judge.all_but_signature_and_time()?;
        judge.signature(&transcript)?;
        judge.time()?;
        judge.verdict().map(|()| transcript)
    }

    /// Judges all but the signature, and gives what must be signed (the proof hash) and the signature, for
    /// checking in a batch.
    ///
    /// # Errors
    /// With the proofs that fail, the signature aside.
    pub fn verify_but_signature(
        &self,
        statement: &Statement,
        expectation: &Expectation,
        diligence: Diligence,
    ) -> Result<(Digest, Signature), ProofRejection> {
        let mut judge = Judge::new(Submission { set: self, statement, expectation }, diligence);
        let transcript = judge.all_but_signature_and_time()?;
        judge.time()?;
        judge.verdict().map(|()| (transcript, self.stake_proof.signature))
    }
}

/// Judges many sets, with their signatures checked together. The verdicts are in the order of the sets and
/// the same that [`FourProofSet::verify`] gives; entropy only keeps signers from preparing for the batch.
#[must_use]
pub fn verify_many(
    submissions: &[Submission<'_>],
    diligence: Diligence,
    entropy: &mut dyn Entropy,
) -> Vec<Result<Digest, ProofRejection>> {
    let verdict = |one: &Submission<'_>| match one.set.verify_but_signature(
        one.statement,
        one.expectation,
        diligence,
    ) {
        Ok((transcript, _)) => Ok(transcript),
        // The signature may be wrong as well, and then it is named as well.
        Err(_) if diligence == Diligence::NameAll => {
            one.set.verify(one.statement, one.expectation, diligence)
        }
        Err(rejection) => Err(rejection),
    };
    let mut verdicts: Vec<_> = submissions.iter().map(verdict).collect();
    let signed = submissions.iter().zip(&verdicts).filter_map(|(one, verdict)| {
        let transcript = verdict.as_ref().ok()?;
        Some((one.statement.member, transcript, one.set.stake_proof.signature))
    });
    if verify_batch(signed, entropy).is_err() {
        for (one, verdict) in submissions.iter().zip(&mut verdicts) {
            check_signature(one, verdict);
        }
    }
    verdicts
}

/// Turns a verdict whose signature does not hold.
fn check_signature(submission: &Submission<'_>, verdict: &mut Result<Digest, ProofRejection>) {
    let Ok(transcript) = verdict else { return };
    let stake = &submission.set.stake_proof;
    if let Err(reason) = stake.verify(&submission.statement.member, transcript) {
        *verdict = Err(ProofRejection { failed: [FailedProof { proof: ProofKind::Stake, reason }].into() });
    }
}

/// One judgement under way.
struct Judge<'a> {
    set: &'a FourProofSet,
    statement: &'a Statement,
    expectation: &'a Expectation,
    diligence: Diligence,
    /// Whether the set carries, in full, the very ticket that is recorded: then it was verified before.
    carries_recorded: bool,
    failed: Vec<FailedProof>,
}

impl<'a> Judge<'a> {
    const fn new(submission: Submission<'a>, diligence: Diligence) -> Self {
        let Submission { set, statement, expectation } = submission;
        Self { set, statement, expectation, diligence, carries_recorded: false, failed: Vec::new() }
    }

    /// Everything up to the space proof. Gives what must be signed.
    fn all_but_signature_and_time(&mut self) -> Result<Digest, ProofRejection> {
        self.sizes()?;
        let ticket = self.ticket();
        self.look_ups()?;
        let beacon = &self.expectation.beacon;
        let subject = work_subject(self.statement, beacon, &ticket);
        let work = self.set.work_proof.verify(&subject, self.expectation.difficulty);
        self.note(ProofKind::Work, work)?;
        self.space()?;
        Ok(transcript_end(&subject, &self.set.work_proof))
    }

    fn sizes(&mut self) -> Result<(), ProofRejection> {
        let parameters = &self.expectation.parameters;
        if let SpaceProof::Full(answer) = &self.set.space_proof {
            self.note(ProofKind::Space, answer.check_counts(&parameters.space))?;
        }
        if let TimeProof::Full(steps) = &self.set.time_proof {
            self.note(ProofKind::Time, steps.check_counts(&parameters.time))?;
        }
        Ok(())
    }

    /// The ticket that enters the transcript: the one that is carried, or the one that is named. Should two
    /// different ones be named, the recorded one if it is among them, so that only the other name is wrong.
    fn ticket(&mut self) -> Digest {
        let recorded = self.expectation.ticket;
        match (&self.set.space_proof, &self.set.time_proof) {
            (SpaceProof::Ticket(_), TimeProof::Ticket(named)) if recorded == Some(*named) => *named,
            (SpaceProof::Ticket(named), _) | (SpaceProof::Full(_), TimeProof::Ticket(named)) => *named,
            (SpaceProof::Full(_), TimeProof::Full(_)) => {
                let carried = self.set.ticket(&self.expectation.beacon, &self.statement.member);
                self.carries_recorded = carried == recorded;
                carried.expect("both of its proofs are carried")
            }
        }
    }

    fn look_ups(&mut self) -> Result<(), ProofRejection> {
        let Expectation { stake, stake_minimum, ticket, .. } = *self.expectation;
        self.note(ProofKind::Stake, check_stake(stake, stake_minimum))?;
        let recorded = |named: &Digest| ticket == Some(*named);
        let (space, time) = match (&self.set.space_proof, &self.set.time_proof) {
            (SpaceProof::Ticket(space), TimeProof::Ticket(time)) => {
                (named_ticket(recorded(space)), named_ticket(recorded(time)))
            }
            (SpaceProof::Ticket(space), TimeProof::Full(_)) => {
                (named_ticket(recorded(space)), beside_a_named_ticket(recorded(space)))
            }
            (SpaceProof::Full(_), TimeProof::Ticket(time)) => {
                (beside_a_named_ticket(recorded(time)), named_ticket(recorded(time)))
            }
            (SpaceProof::Full(_), TimeProof::Full(_)) => (self.deadline(), Ok(())),
        };
        let plot = self.expectation.plot_root.map(|_| ()).ok_or(ProofFault::NoPlot);
        self.note(ProofKind::Space, plot)?;
        self.note(ProofKind::Space, space)?;
        self.note(ProofKind::Time, time)
    }

    /// A late ticket is a fault of the space proof: its steps are as good as ever, but its answer shows
    /// nothing once there was time to make the plot anew.
    const fn deadline(&self) -> Result<(), ProofFault> {
        if self.expectation.ticket_open || self.carries_recorded {
            return Ok(());
        }
        Err(ProofFault::TooLate)
    }

    fn space(&mut self) -> Result<(), ProofRejection> {
        let (SpaceProof::Full(answer), Some(root)) = (&self.set.space_proof, &self.expectation.plot_root)
        else {
            return Ok(());
        };
        if self.carries_recorded || self.has_failed(ProofKind::Space) {
            return Ok(());
        }
        let Expectation { parameters, beacon, .. } = self.expectation;
        let verdict = verify_answer(&parameters.space, root, beacon, &self.statement.member, answer);
        self.note(ProofKind::Space, verdict)
    }

    fn signature(&mut self, transcript: &Digest) -> Result<(), ProofRejection> {
        if self.has_failed(ProofKind::Stake) {
            return Ok(());
        }
        let verdict = self.set.stake_proof.verify(&self.statement.member, transcript);
        self.note(ProofKind::Stake, verdict)
    }

    fn time(&mut self) -> Result<(), ProofRejection> {
        let TimeProof::Full(steps) = &self.set.time_proof else { return Ok(()) };
        if self.carries_recorded || self.has_failed(ProofKind::Time) {
            return Ok(());
        }
        let challenge = time_challenge(&self.expectation.beacon, &self.statement.member);
        let verdict = verify_time(&challenge, &self.expectation.parameters.time, steps);
        self.note(ProofKind::Time, verdict)
    }

    fn has_failed(&self, proof: ProofKind) -> bool {
        self.failed.iter().any(|failed| failed.proof == proof)
    }

    /// Takes note of a check: `Err` if it ends the judgement. A proof is named once, for its first fault.
    fn note(&mut self, proof: ProofKind, check: Result<(), ProofFault>) -> Result<(), ProofRejection> {
        let Err(reason) = check else { return Ok(()) };
        if !self.has_failed(proof) {
            self.failed.push(FailedProof { proof, reason });
        }
        match self.diligence {
            Diligence::StopAtFirst => self.verdict(),
            Diligence::NameAll => Ok(()),
        }
    }

    fn verdict(&mut self) -> Result<(), ProofRejection> {
        if self.failed.is_empty() {
            return Ok(());
        }
        self.failed.sort_unstable_by_key(|failed| failed.proof);
        Err(ProofRejection { failed: core::mem::take(&mut self.failed) })
    }
}

/// One half of a ticket that is named.
const fn named_ticket(recorded: bool) -> Result<(), ProofFault> {
    if recorded { Ok(()) } else { Err(ProofFault::UnknownTicket) }
}

/// One half of a ticket that is given in full while the other is named. If the name is known there is no need
/// for it; if it is not, the name is at fault.
const fn beside_a_named_ticket(recorded: bool) -> Result<(), ProofFault> {
    if recorded { Err(ProofFault::RepeatsTicket) } else { Ok(()) }
}
