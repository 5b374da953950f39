//! Starting: a new mesh from genesis, or a node that was here before from what it kept.

use super::rebuild::{Rebuilt, rebuild};
use super::stored::{HEAD_KEY, MOVEMENTS_KEY, state_writes, stored_proof};
use super::{
    Event, Node, NodeConfig, OpenFault, addresses,
    context::{Context, ContextConfig},
    discontinuity, keys, ordering, output, pool, recall, row_repair, signing, status, submission, sync, twin,
};
use crate::api::{NodeStatus, POSITION_NOT_ATTESTED, View};
use crate::base::{Digest, Height, KeyValue, Now, PublicKey, ReadError, Reader, Table, WriteBatch, encode};
use crate::hypermesh::ordering::{CommitCertificate, Engine, EngineConfig};
use crate::state::{BLOCK_BYTES_MAX, Block, Changes, Genesis, Header, State, Validator};
use crate::trustchain::ct::{self, MerkleTree};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The format of the store that this code reads and writes.
pub(super) const FORMAT: u64 = 7;
const FORMAT_KEY: &[u8] = b"format";
const GENESIS_KEY: &[u8] = b"genesis";
/// How many rows are read at a time.
const ROWS_PER_READ: usize = 4096;

impl Node {
    /// Starts a node, and picks up where it left off.
    ///
    /// # Errors
    /// If what it was given, or what it kept, does not fit together.
    pub fn open(now: Now, config: NodeConfig) -> Result<Self, OpenFault> {
        config.genesis.check()?;
        let NodeConfig { genesis, identity, plot, reveals, entropy, reader, timeouts } = config;
        let genesis_hash = genesis.hash();
        check_place(&genesis, &identity.public(), plot.root(), &reveals.anchor())?;
        let mut outbox = output::Outbox::default();
        let (state, commit) = match stored_head(reader.as_ref(), &genesis_hash)? {
            Some(head) => restored(&genesis, reader.as_ref(), head, &mut outbox)?,
            None => {
                let (state, changes) = State::genesis(Arc::clone(&genesis));
                let _token = outbox.persist(founding_writes(&genesis_hash, &changes));
                (state, None)
            }
        };
        let engine = Engine::new(
            EngineConfig {
                genesis: genesis_hash,
                identity: identity.clone(),
                timeouts,
                identify: Block::identify,
                value_bytes_max: BLOCK_BYTES_MAX,
            },
            state.height().next(),
            state.roster(),
        );
        let addresses = addresses::Addresses::load(reader.as_ref(), &genesis_hash)?;
        let wal = stored_log(reader.as_ref(), &mut outbox)?;
        let view = Arc::new(View {
            status: blank_status(&state, identity.public()),
            state: state.clone(),
            commit: commit.clone(),
            addresses: Arc::clone(addresses.records()),
            counters: Arc::new(BTreeMap::new()),
        });
        let config = ContextConfig { identity, entropy, reader, now, state, commit, view, outbox };
        let cx = Context::new(config);
        let mut node = Self {
            cx,
            ordering: ordering::Ordering::new(engine, reveals),
            pool: pool::Pool::default(),
            submission: submission::Submission::new(plot),
            generation: keys::generation::GenerationPart::default(),
            share_repair: keys::share_repair::ShareRepairPart::default(),
            twin: twin::TwinPart::default(),
            signing: signing::Signing::default(),
            sync: sync::Sync::default(),
            serving: sync::serve::Serving::default(),
            recall: recall::Recall::default(),
            continuity: discontinuity::Continuity::default(),
            row_repair: row_repair::RowRepair::default(),
            addresses,
            readiness: status::readiness::Readiness::default(),
        };
        node.begin(wal)?;
        Ok(node)
    }

    fn begin(&mut self, wal: Vec<Vec<u8>>) -> Result<(), OpenFault> {
        self.cx.begin_counting();
        let totals = self.cx.state.totals();
        self.cx.count("trustchain", "certificates_total", totals.certificate_count);
        self.cx.count("trustchain", "names_total", totals.name_count);
        self.signing.load(&mut self.cx)?;
        // First of all, so that nothing begins a height before the log of votes has been heeded.
        self.recall.begin(&mut self.cx, &wal);
        self.ordering.begin(&mut self.cx, wal);
        self.cx.watch_quorum();
        self.readiness.note_progress(&mut self.cx);
        self.ordering.count_reveals(&mut self.cx);
        self.generation.proceed(&mut self.cx);
        self.share_repair.proceed(&mut self.cx);
        self.submission.renew_ticket(&mut self.cx);
        self.cx.publish();
        self.finish();
        Ok(())
    }

    /// Publishes a new view of the last committed state.
    pub(super) fn publish_view(&mut self) {
        let mut status = blank_status(&self.cx.state, self.cx.identity.public());
        status.connected = self.cx.linked() as u64;
        status.unreachable = self.cx.unreachable();
        status.committee = self.committee_status();
        status.standstill = self.readiness.stall(&self.cx);
        status.not_ready = self.unmet();
        status.ready = status.not_ready.is_empty();
        status.behind = self.cx.behind();
        status.voting = self.voting_status();
        let totals = self.cx.state.totals();
        status.certificates = totals.certificate_count;
        status.names = totals.name_count;
        self.cx.view = Arc::new(View {
            state: self.cx.state.clone(),
            commit: self.cx.commit.clone(),
            addresses: Arc::clone(self.addresses.records()),
            status,
            counters: Arc::new(self.cx.counters.clone()),
        });
    }
}

pub(super) fn blank_status(state: &State, node: PublicKey) -> NodeStatus {
    let genesis = state.genesis_document();
    NodeStatus {
        network: genesis.network.clone(),
        genesis: state.genesis_hash(),
        profile: genesis.profile.to_string(),
        node,
        name: state.get::<Validator>(&node).map(|row| row.name).unwrap_or_default(),
        height: state.height(),
        time: state.time(),
        validators: state.validators().count() as u64,
        connected: 0,
        quorum: state.validators().quorum() as u64,
        behind: 0,
        voting: String::new(),
        committee: String::new(),
        unreachable: Vec::new(),
        age_ms: 0,
        ahead_ms: 0,
        standstill: None,
        ready: false,
        not_ready: Vec::new(),
        certificates: 0,
        names: 0,
        log_size: state.log().size(),
        beacon: state.beacon().index,
        position: POSITION_NOT_ATTESTED.to_string(),
    }
}

fn check_place(
    genesis: &Genesis,
    node: &PublicKey,
    plot_root: Digest,
    anchor: &Digest,
) -> Result<(), OpenFault> {
    let validator = genesis.validators.iter().find(|validator| validator.member.key == *node);
    let validator = validator.ok_or(OpenFault::NotValidator)?;
    if validator.member.plot_root != plot_root {
        return Err(OpenFault::OtherPlot);
    }
    if validator.reveal_anchor != *anchor {
        return Err(OpenFault::OtherReveals);
    }
    Ok(())
}

/// The last stored height, if there is a store; zero if it holds genesis alone.
fn stored_head(reader: &dyn Reader, genesis: &Digest) -> Result<Option<Height>, OpenFault> {
    let Some(format) = reader.get(Table::Meta, FORMAT_KEY)? else { return Ok(None) };
    let damaged = OpenFault::Damaged { what: "format" };
    let found = u64::from_be_bytes(format.as_slice().try_into().map_err(|_| damaged)?);
    if found != FORMAT {
        return Err(OpenFault::Format { found, expected: FORMAT });
    }
    let stored = reader.get(Table::Meta, GENESIS_KEY)?.unwrap_or_default();
    if stored != genesis.0 {
        let found = Digest(stored.try_into().map_err(|_| OpenFault::Damaged { what: "genesis hash" })?);
        return Err(OpenFault::OtherMesh { found: found.to_string(), expected: genesis.to_string() });
    }
    let head = reader.get(Table::Meta, HEAD_KEY)?.unwrap_or_default();
    let head = head.as_slice().try_into().map_err(|_| OpenFault::Damaged { what: "head" })?;
    Ok(Some(Height(u64::from_be_bytes(head))))
}

fn founding_writes(genesis: &Digest, changes: &Changes) -> WriteBatch {
    let mut batch = WriteBatch::default();
    batch.put(Table::Meta, FORMAT_KEY, FORMAT.to_be_bytes());
    batch.put(Table::Meta, GENESIS_KEY, genesis.0);
    batch.put(Table::Meta, HEAD_KEY, 0_u64.to_be_bytes());
    state_writes(&mut batch, changes);
    batch
}

/// The state as it was stored; made anew from the blocks if it is damaged.
fn restored(
    genesis: &Arc<Genesis>,
    reader: &dyn Reader,
    head: Height,
    outbox: &mut output::Outbox,
) -> Result<(State, Option<CommitCertificate>), OpenFault> {
    let damage = match restore(Arc::clone(genesis), reader, head) {
        Err(fault @ (OpenFault::Damaged { .. } | OpenFault::Read(ReadError::Damaged { .. }))) => fault,
        other => return other,
    };
    outbox.event(Event::StoreFault { reason: alloc::format!("{damage} (it is made anew from the blocks)") });
    let Rebuilt { state, commit, writes } = rebuild(genesis, reader, head)?;
    let token = outbox.persist(writes);
    let what = alloc::format!("the state, from {} of {head} blocks", state.height());
    outbox.after(token, super::Output::Event(Event::Repaired { what }));
    Ok((state, commit))
}

/// The log of votes. One that cannot be read counts as one whose entries are damaged: the node abstains.
fn stored_log(reader: &dyn Reader, outbox: &mut output::Outbox) -> Result<Vec<Vec<u8>>, OpenFault> {
    match read_all(reader, Table::Wal) {
        Ok(rows) => Ok(rows.into_iter().map(|(_, entry)| entry).collect()),
        Err(fault @ ReadError::Damaged { .. }) => {
            outbox.event(Event::StoreFault { reason: fault.to_string() });
            Ok(alloc::vec![Vec::new()])
        }
        Err(fault) => Err(fault.into()),
    }
}

fn restore(
    genesis: Arc<Genesis>,
    reader: &dyn Reader,
    head: Height,
) -> Result<(State, Option<CommitCertificate>), OpenFault> {
    let (header, commit) = match head {
        Height::GENESIS => (None, None),
        _ => {
            let proof = stored_proof(reader, head)?;
            let (header, commit) = proof.ok_or(OpenFault::Damaged { what: "last commit certificate" })?;
            (Some(header), Some(commit))
        }
    };
    if reader.get(Table::Meta, MOVEMENTS_KEY)?.is_some() {
        return Err(OpenFault::Damaged { what: "movements of the ledger" });
    }
    let mut log = MerkleTree::new();
    for (_, entry) in read_all(reader, Table::LogEntries)? {
        log.push(ct::leaf_hash(&entry));
    }
    let rows = read_all(reader, Table::State)?;
    let expected =
        header.as_ref().map(|header: &Header| (header.state_root, header.log_size, header.log_root));
    let expected = expected.unwrap_or_else(|| {
        let founded = State::genesis(Arc::clone(&genesis)).0;
        (founded.root(), founded.log().size(), founded.log().root())
    });
    // Nothing is decoded before its root is known to be right: damage is found here, not in the middle of a read.
    if (log.size(), log.root()) != (expected.1, expected.2) {
        return Err(OpenFault::Damaged { what: "certificate log" });
    }
    let state = State::restore(genesis, header, rows, log);
    if state.root() != expected.0 {
        return Err(OpenFault::Damaged { what: "state" });
    }
    Ok((state, commit))
}

fn read_all(reader: &dyn Reader, table: Table) -> Result<Vec<KeyValue>, ReadError> {
    let mut rows: Vec<KeyValue> = Vec::new();
    loop {
        let start = rows.last().map(|(key, _)| [key.as_slice(), &[0]].concat()).unwrap_or_default();
        let page = reader.range(table, &start, ROWS_PER_READ)?;
        let more = page.len() == ROWS_PER_READ;
        rows.extend(page);
        if !more {
            return Ok(rows);
        }
    }
}

/// The member row of this node: genesis lists it.
impl Node {
    /// Writes that make a decided block durable, and clear the log of the height that it ends.
    pub(super) fn block_writes(
        &self,
        header: &Header,
        value: &[u8],
        certificate: &CommitCertificate,
    ) -> WriteBatch {
        let mut batch = WriteBatch::default();
        let key = header.height.0.to_be_bytes();
        batch.put(Table::Blocks, key, value);
        batch.put(Table::Commits, key, encode(&(header, certificate)));
        batch.put(Table::Meta, HEAD_KEY, key);
        batch.clear(Table::Wal);
        batch
    }
}
