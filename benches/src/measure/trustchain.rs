//! A TrustChain host of the harness's own, that proves its batches itself.

use super::session::{Session, call, client};
use hypermesh::context::read_key;
use hypermesh::plot::PlotFolder;
use hypermesh_benches::Run;
use hypermesh_core::api::{
    ConsensusRequirements, ConsensusValidationResult, GenesisRequest, MemberRequest, ValidateBatchRequest,
};
use hypermesh_core::base::{Profile, SecretKey};
use hypermesh_core::hypermesh::proof::{Plot, Statement, prove_set, prove_ticket};
use hypermesh_core::state::{Batch, Operation, batch_root};
use std::time::{Duration, Instant};
use stoq::Client;

/// A TrustChain host that proves its own batches: it borrows the first node's membership while that is idle.
pub(super) struct TrustChain<'a> {
    session: &'a Session,
    identity: SecretKey,
    plot: Plot,
    client: Client,
}

impl<'a> TrustChain<'a> {
    pub(super) async fn open(session: &'a Session) -> Result<Self, String> {
        let genesis = call(&session.client, session.peer(0), &GenesisRequest {}).await?;
        let folder = session.folder.join("node-1");
        let identity = read_key(&folder.join("identity.key")).map_err(|error| error.to_string())?;
        let member = identity.public();
        let plot = PlotFolder::new(folder.join("plot"), &genesis.network, genesis.profile, &member);
        let plot = plot.load().map_err(|error| error.to_string())?;
        let client = client(&identity)?;
        Ok(Self { session, identity, plot, client })
    }

    /// A batch with one request for a certificate, with honest proofs under the ticket that stands.
    async fn batch(&self) -> Result<Option<Batch>, String> {
        let member = self.identity.public();
        let state = call(&self.client, self.session.peer(0), &MemberRequest { member }).await?;
        let parameters = Profile::Devnet.proofs();
        let ticket = prove_ticket(&self.plot, &state.beacon.value, &member, &parameters);
        if state.ticket != Some(ticket.digest(&state.beacon.value, &member)) {
            return Ok(None);
        }
        let operations = vec![self.session.issue()?];
        let statement = Statement {
            genesis: self.session.genesis,
            member,
            sequence: state.next_sequence,
            batch_root: batch_root(operations.iter().map(Operation::id)),
            beacon_index: state.beacon.index,
        };
        let beacon = &state.beacon.value;
        let proofs = prove_set(&ticket, false, &statement, beacon, state.beacon.difficulty, &self.identity);
        Ok(Some(Batch {
            genesis: statement.genesis,
            member,
            sequence: statement.sequence,
            beacon_index: statement.beacon_index,
            operations,
            omitted: Vec::new(),
            proofs,
        }))
    }

    /// Has so many batches validated, one at a time.
    pub(super) async fn validate(
        &self,
        requirements: ConsensusRequirements,
        count: usize,
    ) -> Result<Run, String> {
        let mut times = Vec::new();
        let mut number = 0;
        while times.len() < count {
            number += 1;
            // Between a new beacon and its ticket there is nothing to measure, and the node's own ticket may
            // take the number: then again.
            let Some(batch) = self.batch().await? else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let request = ValidateBatchRequest { batch, requirements };
            let start = Instant::now();
            let result = call(&self.client, self.session.peer(0), &request).await?;
            if matches!(result, ConsensusValidationResult::Valid { .. }) {
                times.push(start.elapsed());
            } else if number > 10 * count {
                return Err(format!("no batch was valid: {result:?}"));
            }
        }
        let wall = times.iter().sum();
        Ok(Run::new(times, wall))
    }
}
