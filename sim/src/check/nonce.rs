//! Signature shares: each nonce is answered once, and only bytes that follow from committed state are signed.
//!
//! A request names the nonce of each signer and the digest of the bytes; a share names the request. So what was asked is
//! noted when it reaches a signer, and each share that an honest node sends is held against it: it must answer a request
//! that came, under a nonce that no share was given under before, for bytes that are derived here once more, from the
//! chain. Shares that a coordinator gives itself never leave the node and are not seen; nor are revocation lists and
//! log entries from before this chain begins.

use super::{Chain, Observation, Violation};
use borsh::{BorshDeserialize, BorshSerialize};
use hypermesh_core::base::{Digest, Height, PublicKey, Signature, Table, decode, encode};
use hypermesh_core::hypermesh::committee::{
    Commitment, NonceId, ShareRequest, SignedShare, SignerIncarnation, message_digest,
};
use hypermesh_core::node::MESSAGE_BYTES_MAX;
use hypermesh_core::state::{Certificate, ConsensusProof, State};
use hypermesh_core::trustchain::ca::{SerialNumber, with_proof};
use hypermesh_core::trustchain::ct::{Checkpoint, LogEntry, TreeHead, leaf_hash};
use std::collections::{BTreeMap, BTreeSet};

/// The first bytes of the messages that are looked at.
const SHARES: u8 = 9;
const SIGNED_SHARES: u8 = 10;

/// What is signed, as it stands in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
enum Task {
    Root,
    Issuing(u32),
    Leaf(SerialNumber),
    Checkpoint(u64),
    RevocationList(u64),
    RootRevocationList(u64),
}

/// With trace ids of the tasks, at which nothing here looks.
type ShareRequests = (Height, Vec<(Task, ShareRequest)>, Vec<(u16, [u8; 16])>);
type SharesSigned = (Vec<SignedShare>, Vec<(u64, Signature)>);

/// A nonce's commitment.
type Points = [u8; Commitment::POINT_BYTES];

struct NonceUse {
    task: Task,
    message: Digest,
    nonce: (SignerIncarnation, NonceId),
    /// The nonce's commitment: two nonces with one commitment are the same, whatever their numbers.
    points: Points,
}

/// Watches requests for shares, and shares.
#[derive(Default)]
pub struct NonceCheck {
    /// What each signer was asked for, by session.
    asked: BTreeMap<(PublicKey, Digest), NonceUse>,
    spent: BTreeSet<(PublicKey, SignerIncarnation, NonceId)>,
    /// The commitments of the same, each signer's.
    revealed: BTreeSet<(PublicKey, Points)>,
    derived: BTreeMap<Task, Digest>,
    lists: BTreeMap<u64, Digest>,
}

impl NonceCheck {
    /// Looks at a block that no node had before: it may have fixed a revocation list.
    pub(super) fn on_block(&mut self, state: &State) {
        let Some(number) = state.revocation_list_number() else { return };
        if let (false, Some(bytes)) = (self.lists.contains_key(&number), state.revocation_list_tbs()) {
            self.lists.insert(number, message_digest(&bytes));
        }
    }

    /// Looks at a message that reaches a node.
    pub(super) fn on_deliver(&mut self, signer: PublicKey, message: &[u8]) {
        let Some((&SHARES, rest)) = message.split_first() else { return };
        let Ok((_, requests, _)) = decode::<ShareRequests>(rest, MESSAGE_BYTES_MAX) else { return };
        for (task, request) in requests {
            let Some(named) = request.commitments.get(&signer) else { continue };
            let asked = NonceUse {
                task,
                message: request.message,
                nonce: (named.incarnation, named.id),
                points: named.points,
            };
            self.asked.insert((signer, request.session()), asked);
        }
    }

    /// Looks at something that an honest node sends.
    ///
    /// # Errors
    /// If it gives a share that it must not.
    pub(super) fn on_send(
        &mut self,
        chain: &Chain,
        observation: &Observation<'_>,
        message: &[u8],
    ) -> Result<(), Violation> {
        let Some((&SIGNED_SHARES, rest)) = message.split_first() else { return Ok(()) };
        let Ok((shares, _)) = decode::<SharesSigned>(rest, MESSAGE_BYTES_MAX) else { return Ok(()) };
        for share in shares.into_iter().filter(|share| share.signer == observation.node) {
            self.on_share(chain, observation, &share)
                .map_err(|what| observation.violation("nonces", what))?;
        }
        Ok(())
    }

    fn on_share(
        &mut self,
        chain: &Chain,
        observation: &Observation<'_>,
        share: &SignedShare,
    ) -> Result<(), String> {
        let asked = self.asked.get(&(share.signer, share.session));
        let asked = asked.ok_or("gives a share that nobody asked for")?;
        let (incarnation, id) = asked.nonce;
        let fresh = self.revealed.insert((share.signer, asked.points));
        if !self.spent.insert((share.signer, incarnation, id)) || !fresh {
            return Err(format!("gives a second share under nonce {id:?} of {incarnation:?}"));
        }
        let (task, message) = (asked.task, asked.message);
        let derived = match self.derived.get(&task) {
            Some(digest) => Some(*digest),
            None => self.derive(chain, observation, task)?,
        };
        // Nothing to hold it against: it is from before this chain begins.
        let Some(derived) = derived else { return Ok(()) };
        self.derived.insert(task, derived);
        match derived == message {
            true => Ok(()),
            false => Err(format!("gives a share for {task:?} on other bytes than the state has")),
        }
    }

    /// The digest of the bytes of a task; `None` if what they are made of is older than this chain.
    fn derive(
        &self,
        chain: &Chain,
        observation: &Observation<'_>,
        task: Task,
    ) -> Result<Option<Digest>, String> {
        let Some(state) = chain.newest() else { return Ok(None) };
        let unknown = || format!("gives a share for {task:?}, which no block made");
        let bytes = match task {
            Task::Root => state.root_tbs().ok_or_else(unknown)?,
            Task::Issuing(number) => state.issuing_tbs(number).ok_or_else(unknown)?,
            Task::RootRevocationList(number) => state.root_list_tbs(number).ok_or_else(unknown)?,
            Task::Checkpoint(size) => {
                let root = state.log().root_at(size).map_err(|_| unknown())?;
                let origin = state.genesis_document().log_origin();
                Checkpoint { origin, head: TreeHead { size, root } }.body().into_bytes()
            }
            Task::RevocationList(number) => return Ok(self.lists.get(&number).copied()),
            Task::Leaf(serial) => {
                let certificate = state.get::<Certificate>(&serial).ok_or_else(unknown)?;
                let Some(decided) = chain.at(certificate.height) else { return Ok(None) };
                let key = certificate.leaf_index.0.to_be_bytes();
                let entry = observation.disk.written(Table::LogEntries, &key).unwrap_or_default();
                if state.log().leaf_hash(certificate.leaf_index) != Some(leaf_hash(&entry)) {
                    return Ok(None);
                }
                leaf_bytes(state, decided.state.head().cloned(), &certificate, &entry).ok_or_else(unknown)?
            }
        };
        Ok(Some(message_digest(&bytes)))
    }
}

fn leaf_bytes(
    state: &State,
    header: Option<hypermesh_core::state::Header>,
    certificate: &Certificate,
    entry: &[u8],
) -> Option<Vec<u8>> {
    let (header, leaf_index) = (header?, certificate.leaf_index);
    let inclusion = state.log().inclusion_proof(leaf_index, header.log_size).ok()?;
    let proof = ConsensusProof { header, leaf_index, inclusion };
    with_proof(&LogEntry::decode(entry).ok()?.tbs, &encode(&proof)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_util::{issue, world_with};
    use hypermesh_core::base::SecretKey;
    use hypermesh_core::hypermesh::committee::{KeyPurpose, NamedCommitment};

    fn request(signer: PublicKey, task: Task, message: Digest, id: u64) -> (Vec<u8>, Digest) {
        // Number 9 hides the nonce of number 1.
        let points = [u8::try_from(id % 8).unwrap(); Commitment::POINT_BYTES];
        let named = NamedCommitment { incarnation: SignerIncarnation([1; 16]), id: NonceId(id), points };
        let commitments = BTreeMap::from([(signer, named)]);
        let committee = Digest([u8::try_from(id).unwrap(); 32]);
        let request = ShareRequest { committee, purpose: KeyPurpose::Log, message, commitments };
        let session = request.session();
        let requests: ShareRequests = (Height(1), vec![(task, request)], Vec::new());
        ([&[SHARES], encode(&requests).as_slice()].concat(), session)
    }

    fn share(signer: PublicKey, session: Digest) -> Vec<u8> {
        let share = SignedShare { session, signer, share: [2; 32], signature: Signature([0; 64]) };
        let signed: SharesSigned = (vec![share], Vec::new());
        [&[SIGNED_SHARES], encode(&signed).as_slice()].concat()
    }

    #[test]
    fn it_fires_on_a_nonce_that_serves_twice_on_other_bytes_and_on_what_nobody_asked_for() {
        let (world, _) = world_with(|world| vec![issue(world, 1)]);
        let chain = world.checks().chain();
        let signer: PublicKey = SecretKey::from_seed([1; 32]).public();
        let observation =
            Observation { at: world.now(), place: 0, node: signer, disk: world.disk(0).unwrap() };
        let state = chain.newest().unwrap();
        let head = state.log().head();
        let body = Checkpoint { origin: state.genesis_document().log_origin(), head }.body();
        let (task, good) = (Task::Checkpoint(head.size), message_digest(body.as_bytes()));
        let mut check = NonceCheck::default();
        let mut say = |message: Digest, task: Task, id| {
            let (asked, session) = request(signer, task, message, id);
            check.on_deliver(signer, &asked);
            check.on_send(chain, &observation, &share(signer, session))
        };
        assert_eq!(say(good, task, 1), Ok(()));
        assert!(say(good, task, 1).unwrap_err().what.contains("second share"));
        assert!(say(good, task, 9).unwrap_err().what.contains("second share"));
        assert!(say(Digest([3; 32]), task, 2).unwrap_err().what.contains("other bytes"));
        let unknown = SerialNumber::from_operation(&Digest([9; 32]));
        assert!(say(good, Task::Leaf(unknown), 3).unwrap_err().what.contains("no block"));
        assert!(say(good, Task::Checkpoint(u64::MAX), 4).unwrap_err().what.contains("no block"));
        let unasked = check.on_send(chain, &observation, &share(signer, Digest([5; 32])));
        assert!(unasked.unwrap_err().what.contains("nobody asked"));
    }
}
