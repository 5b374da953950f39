//! Handing a batch to a service of another node, in what is left of its callers' time.
//!
//! A node that does not expose `hypermesh` asks one that does to order its batches, as any TrustChain would. Nothing
//! depends on it: what is not in a block a second later, the node orders over its own links.

use hypermesh_core::api::{ConsensusRequirements, TraceId, ValidateBatchRequest, View};
use hypermesh_core::base::encode;
use hypermesh_core::state::Batch;
use hypermesh_core::trustchain::dns::{RecordData, RecordType, resolve};
use std::time::Duration;
use stoq::{CallOptions, Client, Expect, Links, Peer};

/// A batch on its way to another node's service.
pub(super) struct HandOver {
    pub(super) batch: Box<Batch>,
    /// A request that it is for.
    pub(super) trace: Option<TraceId>,
    /// How long whoever waits for it waits yet.
    pub(super) left: Duration,
}

impl HandOver {
    /// Asks the nodes that expose `hypermesh`, one after the other, until one has had the batch ordered.
    pub(super) async fn carry_out(self, client: Client, servers: Vec<Peer>) {
        let Self { batch, trace, left } = self;
        let sequence = batch.sequence;
        let request = ValidateBatchRequest { batch: *batch, requirements: ConsensusRequirements::Committed };
        let (method, body) = (ValidateBatchRequest::METHOD, encode(&request));
        let options = CallOptions { trace_id: trace.map(|trace| trace.0), ..CallOptions::repeatable(left) };
        for peer in servers {
            let asked = client.call(&peer, method.service, method.name, body.clone(), options.clone());
            match asked.await {
                Ok(_) => return,
                Err(error) => tracing::debug!(%error, addr = %peer.addr, ?sequence, "batch not handed over"),
            }
        }
    }
}

/// The nodes that expose a service, by the SRV records at its name, from the how many-th on.
pub(super) fn servers(view: &View, links: &Links, service: &str, first: usize) -> Vec<Peer> {
    let genesis = view.state.genesis_document();
    let Some(name) = genesis.service_name(service) else { return Vec::new() };
    let found = resolve(&view.state, &name, RecordType::Srv).answers;
    let records = found.iter().flat_map(|answer| &answer.set.data);
    let server = |record: &RecordData| {
        let RecordData::Srv { target: Some(target), .. } = record else { return None };
        let own = |label: &str| genesis.zone.child(label).is_ok_and(|own| own == *target);
        let validator = genesis.validators.iter().find(|validator| own(&validator.name))?;
        let key = validator.member.key;
        let announced = || view.addresses.get(&key).map(|record| record.address);
        let addr = links.reached_at(&key).or_else(announced).unwrap_or(validator.address);
        Some(Peer { addr, expect: Expect::Key(key) })
    };
    let mut servers: Vec<Peer> = records.filter_map(server).collect();
    let start = first.checked_rem(servers.len()).unwrap_or_default();
    servers.rotate_left(start);
    servers
}
