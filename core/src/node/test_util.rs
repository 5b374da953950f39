//! A node, and the context of its parts, for tests: of a mesh with its keys, in one process.

use super::context::{Context, ContextConfig};
use super::message::Message;
use super::open::blank_status;
use super::output::Outbox;
use super::{Event, Node, NodeConfig, Output};
use crate::api::View;
use crate::base::{KeyValue, Mono, Now, PublicKey, ReadError, Reader, Table, encode};
use crate::hypermesh::RevealChain;
use crate::hypermesh::ordering::Timeouts;
use crate::state::tests::test_util::{Mesh, Seeded, genesis, plot_of};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::OnceLock;

const REVEALS: u32 = 64;
const SEED: [u8; 32] = [9; 32];

/// A store that holds what it was given.
#[derive(Clone, Default)]
pub(super) struct Rows(pub(super) BTreeMap<(Table, Vec<u8>), Vec<u8>>);

impl Reader for Rows {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.0.get(&(table, key.to_vec())).cloned())
    }

    fn range(&self, table: Table, start: &[u8], rows_max: usize) -> Result<Vec<KeyValue>, ReadError> {
        let rows = self.0.range((table, start.to_vec())..).take_while(|((of, _), _)| *of == table);
        Ok(rows.take(rows_max).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }
}

/// A mesh with its keys, whose first validator's chain of reveals a node can have.
pub(super) fn mesh() -> Mesh {
    static MESH: OnceLock<Mesh> = OnceLock::new();
    let make = || {
        let mut genesis = genesis();
        genesis.validators[0].reveal_anchor = RevealChain::with_count(&SEED, REVEALS).anchor();
        let mut mesh = Mesh::of(genesis);
        mesh.generate_keys();
        mesh
    };
    MESH.get_or_init(make).clone()
}

pub(super) fn now(mesh: &Mesh) -> Now {
    Now { mono: Mono::default(), wall: mesh.state.time().plus(10) }
}

/// The first validator's store: the mesh's blocks and state, and these signed things.
pub(super) fn stored(mesh: &Mesh, signed: &[(Vec<u8>, Vec<u8>)]) -> Rows {
    let mut rows = Rows::default();
    let mut put = |table, key: &[u8], value: Vec<u8>| rows.0.insert((table, key.to_vec()), value);
    let height = mesh.state.height();
    put(Table::Meta, b"format", crate::node::open::FORMAT.to_be_bytes().to_vec());
    put(Table::Meta, b"genesis", mesh.genesis_hash().0.to_vec());
    put(Table::Meta, b"head", height.0.to_be_bytes().to_vec());
    for block in &mesh.blocks {
        let at = block.header.height;
        put(Table::Blocks, &at.0.to_be_bytes(), block.to_bytes());
        let proof = encode(&(&block.header, mesh.commit(at).unwrap()));
        put(Table::Commits, &at.0.to_be_bytes(), proof);
    }
    for (key, value) in &mesh.rows {
        put(Table::State, key, value.clone());
    }
    for (index, entry) in (0_u64..).zip(&mesh.entries) {
        put(Table::LogEntries, &index.to_be_bytes(), entry.clone());
    }
    for (key, value) in signed {
        put(Table::Signed, key, value.clone());
    }
    rows
}

pub(super) fn opened(mesh: &Mesh, signed: &[(Vec<u8>, Vec<u8>)]) -> Node {
    opened_from(mesh, stored(mesh, signed))
}

pub(super) fn opened_from(mesh: &Mesh, rows: Rows) -> Node {
    let identity = mesh.validators[0].clone();
    let config = NodeConfig {
        genesis: Arc::clone(&mesh.genesis),
        plot: Arc::new(plot_of(&identity.public())),
        identity,
        reveals: RevealChain::with_count(&SEED, REVEALS),
        entropy: Box::new(Seeded::new(3)),
        reader: Box::new(rows),
        timeouts: Timeouts::default(),
    };
    Node::open(now(mesh), config).unwrap()
}

/// What a part of the first validator's is handed, when the mesh stands as it does. All others are linked.
pub(super) fn context(mesh: &Mesh) -> Context {
    let (identity, state, commit) =
        (mesh.validators[0].clone(), mesh.state.clone(), mesh.commit(mesh.state.height()));
    let view = Arc::new(View {
        status: blank_status(&state, identity.public()),
        state: state.clone(),
        commit: commit.clone(),
        addresses: Arc::default(),
        counters: Arc::default(),
    });
    let (entropy, reader) = (Box::new(Seeded::new(3)), Box::new(stored(mesh, &[])));
    let outbox = Outbox::default();
    let mut cx = Context::new(ContextConfig {
        identity,
        entropy,
        reader,
        now: now(mesh),
        state,
        commit,
        view,
        outbox,
    });
    cx.connected = cx.peers().collect();
    cx
}

/// Lets time pass.
pub(super) const fn pass(cx: &mut Context, milliseconds: u64) {
    cx.now.mono.0 += milliseconds * 1000;
    cx.now.wall = cx.now.wall.plus(milliseconds);
}

/// The messages that were sent since this was last asked, and to whom.
pub(super) fn sent(cx: &mut Context) -> Vec<(PublicKey, Message)> {
    let outputs = core::iter::from_fn(|| cx.outbox.pop());
    let message = |output| match output {
        Output::Send { to, message, .. } => Some((to, Message::decode(&message).unwrap())),
        _ => None,
    };
    outputs.filter_map(message).collect()
}

/// The events that were reported since this was last asked.
pub(super) fn reported(cx: &mut Context) -> Vec<Event> {
    let outputs = core::iter::from_fn(|| cx.outbox.pop());
    outputs.filter_map(|output| if let Output::Event(event) = output { Some(event) } else { None }).collect()
}
