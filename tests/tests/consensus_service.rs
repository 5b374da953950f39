//! The user's own tests: a HyperMesh consensus service is started, and a TrustChain client with a member's key
//! asks it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_core::api::{
    ConsensusRequirements, ConsensusValidationResult, MemberRequest, MemberState, ValidateBatchRequest,
    ValidateProofsRequest,
};
use hypermesh_core::base::Profile;
use hypermesh_core::hypermesh::proof::{
    FourProofSet, Plot, ProofKind, Statement, Ticket, prove_set, prove_ticket, prove_time, time_challenge,
};
use hypermesh_core::state::{Batch, Operation, batch_root};
use hypermesh_sim::world::{Member, Owner};
use hypermesh_tests::{LocalMesh, call, client, wall};
use std::sync::Arc;
use stoq::Client;

/// A TrustChain host: a member that does not validate.
struct TrustChain<'a> {
    mesh: &'a LocalMesh,
    client: Client,
    member: Member,
}

/// How the prover goes wrong, and is honest in all the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    Proof(ProofKind),
}

impl<'a> TrustChain<'a> {
    fn new(mesh: &'a LocalMesh) -> Self {
        let member = mesh.participants.member.clone();
        Self { mesh, client: client(member.identity.clone()), member }
    }

    async fn state(&self) -> MemberState {
        let request = MemberRequest { member: self.member.identity.public() };
        call(&self.client, &self.mesh.peer(0), &request).await.unwrap()
    }

    fn operation(&self, nonce: u64, name: &str) -> Operation {
        let owner =
            Owner::new(self.mesh.participants.client.clone(), self.mesh.participants.genesis_hash(), wall());
        match owner.issue(nonce, &[name]) {
            hypermesh_core::api::Request::IssueCertificate(request) => request.operation,
            other => panic!("asked for {other:?}"),
        }
    }

    fn statement(&self, state: &MemberState, operations: &[Operation]) -> Statement {
        Statement {
            genesis: self.mesh.participants.genesis_hash(),
            member: self.member.identity.public(),
            sequence: state.next_sequence,
            batch_root: batch_root(operations.iter().map(Operation::id)),
            beacon_index: state.beacon.index,
        }
    }

    /// Proves honestly, but for the one proof that is to be wrong.
    fn prove(&self, state: &MemberState, statement: &Statement, wrong: Wrong) -> FourProofSet {
        let parameters = Profile::Sim.proofs();
        let (beacon, key) = (state.beacon.value, self.member.identity.public());
        let plot = match wrong {
            Wrong::Proof(ProofKind::Space) => Arc::new(damaged(&self.member.plot)),
            _ => self.member.plot.clone(),
        };
        let honest = prove_ticket(&plot, &beacon, &key, &parameters);
        let ticket = match wrong {
            Wrong::Proof(ProofKind::Time) => {
                let elsewhere = time_challenge(&self.mesh.participants.genesis_hash(), &key);
                Ticket { time: prove_time(&elsewhere, &parameters.time), ..honest }
            }
            _ => honest,
        };
        let difficulty = match wrong {
            Wrong::Proof(ProofKind::Work) => 16,
            _ => state.beacon.difficulty,
        };
        let mut set = prove_set(&ticket, true, statement, &beacon, difficulty, &self.member.identity);
        if wrong == Wrong::Proof(ProofKind::Stake) {
            set.stake_proof.signature.0[9] ^= 1;
        }
        set
    }

    async fn validate(&self, wrong: Wrong, requirements: ConsensusRequirements) -> ConsensusValidationResult {
        let state = self.state().await;
        let operations = vec![self.operation(1, "service.demo.hypermesh")];
        let statement = self.statement(&state, &operations);
        let batch = Batch {
            genesis: statement.genesis,
            member: statement.member,
            sequence: statement.sequence,
            beacon_index: statement.beacon_index,
            proofs: self.prove(&state, &statement, wrong),
            operations,
            omitted: Vec::new(),
        };
        let request = ValidateBatchRequest { batch, requirements };
        call(&self.client, &self.mesh.peer(0), &request).await.unwrap()
    }
}

/// A plot whose labels are not what they should be.
fn damaged(plot: &Plot) -> Plot {
    let mut labels = plot.labels().to_vec();
    labels.iter_mut().for_each(|label| label[0] ^= 1);
    Plot::from_labels(Profile::Sim.proofs().space, labels).unwrap()
}

const KINDS: [ProofKind; 4] = [ProofKind::Space, ProofKind::Stake, ProofKind::Work, ProofKind::Time];

#[tokio::test(flavor = "multi_thread")]
async fn a_trustchain_client_is_told_what_consensus_thinks() {
    let mut mesh = LocalMesh::start().await;
    let trustchain = TrustChain::new(&mesh);

    for wrong in KINDS {
        match trustchain.validate(Wrong::Proof(wrong), ConsensusRequirements::Checked).await {
            ConsensusValidationResult::Invalid { failed_proofs, reason } => {
                assert_eq!(failed_proofs, [wrong], "{reason}");
            }
            other => panic!("a batch with a wrong proof of {wrong:?} is {other:?}"),
        }
    }
    for wrong in KINDS {
        let result = trustchain.validate(Wrong::Proof(wrong), ConsensusRequirements::Committed).await;
        assert!(
            matches!(&result, ConsensusValidationResult::Invalid { failed_proofs, .. } if failed_proofs == &[wrong])
        );
    }
    let checked = trustchain.validate(Wrong::Nothing, ConsensusRequirements::Checked).await;
    let ConsensusValidationResult::Valid { proof_hash, height: None, .. } = checked else {
        panic!("an honest batch is {checked:?}")
    };
    let committed = trustchain.validate(Wrong::Nothing, ConsensusRequirements::Committed).await;
    match committed {
        ConsensusValidationResult::Valid { proof_hash: hash, height: Some(_), receipts } => {
            // The batch was signed anew for another operation time, so only its form is the same.
            assert_ne!(hash.0, [0; 32]);
            assert_eq!(receipts.len(), 1);
        }
        other => panic!("an honest batch is {other:?}"),
    }
    assert_ne!(proof_hash.0, [0; 32]);

    // Each validation asked twice: for the member's state, and for the verdict.
    let metrics = trustchain.client.metrics();
    assert_eq!(metrics.total_requests, 2 * (4 + 4 + 1 + 1));
    mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_single_broken_proof_is_named() {
    let mut mesh = LocalMesh::start().await;
    let trustchain = TrustChain::new(&mesh);
    let state = trustchain.state().await;
    assert_eq!(state.position, "not attested");
    let statement = trustchain.statement(&state, &[trustchain.operation(2, "proofs.demo.hypermesh")]);
    for wrong in [Wrong::Nothing].into_iter().chain(KINDS.map(Wrong::Proof)) {
        let proofs = trustchain.prove(&state, &statement, wrong);
        let request = ValidateProofsRequest { statement, proofs };
        let result = call(&trustchain.client, &mesh.peer(1), &request).await.unwrap();
        match (wrong, result) {
            (Wrong::Nothing, ConsensusValidationResult::Valid { .. }) => {}
            (Wrong::Proof(kind), ConsensusValidationResult::Invalid { failed_proofs, .. }) => {
                assert_eq!(failed_proofs, [kind]);
            }
            (wrong, result) => panic!("{wrong:?} gives {result:?}"),
        }
    }
    let metrics = trustchain.client.metrics();
    assert_eq!(metrics.total_requests, 1 + 5);
    mesh.stop().await;
}
