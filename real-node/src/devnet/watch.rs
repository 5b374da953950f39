//! How the nodes of a devnet are, as they themselves say.

use super::DevnetFolder;
use crate::context::Bootstrap;
use crate::failure::{Exit, Failure};
use crate::probe::Probe;
use hypermesh_core::api::NodeStatus;
use hypermesh_core::state::Genesis;
use std::time::Duration;

/// A node that runs answers in milliseconds.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

/// Asks the nodes how they are.
pub(super) struct Watch {
    probe: Probe,
    names: Vec<String>,
    nodes: Vec<Bootstrap>,
}

/// How the nodes were at one moment, in order of their numbers.
#[derive(Clone, Debug)]
pub(super) struct Nodes(Vec<NodeView>);

/// How one of them was.
#[derive(Clone, Debug)]
pub(super) struct NodeView {
    /// Its name.
    pub(super) name: String,
    /// What it said, if it answered.
    pub(super) status: Option<NodeStatus>,
}

impl Watch {
    pub(super) fn new(folder: &DevnetFolder, genesis: &Genesis) -> Result<Self, Failure> {
        let mut names = Vec::new();
        let mut nodes = Vec::new();
        for number in folder.numbers() {
            let name = folder.name(number);
            let known = genesis.validators.iter().find(|validator| validator.name == name);
            let validator = known.ok_or_else(|| {
                let file = folder.genesis();
                Failure::new(Exit::Input, format!("{}: no validator {name} in genesis", file.display()))
            })?;
            nodes.push(Bootstrap { address: validator.address.into(), key: validator.member.key });
            names.push(name);
        }
        Ok(Self { probe: Probe::new()?, names, nodes })
    }

    pub(super) async fn look(&self) -> Nodes {
        let answers = self.probe.status_of_all(&self.nodes, STATUS_TIMEOUT).await;
        let named = self.names.iter().cloned().zip(answers);
        Nodes(named.map(|(name, answer)| NodeView { name, status: answer.ok() }).collect())
    }

    pub(super) async fn close(self) {
        self.probe.close().await;
    }
}

impl Nodes {
    pub(super) fn iter(&self) -> impl Iterator<Item = &NodeView> {
        self.0.iter()
    }

    /// What the mesh is not ready for yet; `None` if every node is.
    pub(super) fn waiting_for(&self) -> Option<String> {
        let silent = self.names(|node| node.status.is_none());
        if !silent.is_empty() {
            return Some(format!("{} to answer", silent.join(", ")));
        }
        let statuses = || self.iter().filter_map(|node| Some((node, node.status.as_ref()?)));
        if let Some((node, status)) = statuses().find(|(_, status)| status.connected < status.validators) {
            let (linked, all) = (status.connected, status.validators);
            return Some(format!(
                "the nodes to find each other ({} is linked with {linked} of {all})",
                node.name
            ));
        }
        let (node, status) = statuses().find(|(_, status)| !status.ready)?;
        let lacks: Vec<String> = status.not_ready.iter().map(ToString::to_string).collect();
        Some(format!("{} to be ready (height {}; {})", node.name, status.height, lacks.join("; ")))
    }

    /// What the node that is furthest said.
    pub(super) fn furthest(&self) -> Option<&NodeStatus> {
        self.iter().filter_map(|node| node.status.as_ref()).max_by_key(|status| status.height)
    }

    fn names(&self, which: impl Fn(&NodeView) -> bool) -> Vec<&str> {
        self.iter().filter(|node| which(node)).map(|node| node.name.as_str()).collect()
    }
}
