//! Whatever others verify too, they accept: every signature on root, issuing certificate, leaf, revocation list and
//! checkpoint holds by the rule of RFC 8032 as other implementations check it.
//!
//! What a node keeps is looked at when it writes it, so that nothing is missed because nobody asked for it; what it shows,
//! when it answers. Cosignatures are kept in memory alone: they are looked at in the notes that are shown, by
//! [`super::CheckpointCheck`].

use super::shown::Shown;
use super::{Chain, Observation, ObservedAnswer, Violation};
use hypermesh_core::api::PublishedList;
use hypermesh_core::base::{PublicKey, Signature, Table, Write, WriteBatch};
use hypermesh_core::hypermesh::committee::KeyPurpose;
use hypermesh_core::state::State;
use hypermesh_core::trustchain::ca::{PemLabel, from_pem, parse_certificate, parse_crl};
use hypermesh_core::trustchain::ct::{Checkpoint, TreeHead};

const CHECK: &str = "signatures";
/// The keys of what nodes keep.
const TASK: &[u8] = b"task/";
const LIST: &[u8] = b"revocation list";
const ROOT: u8 = 0;
const ISSUING: u8 = 1;
const LEAF: u8 = 2;
const CHECKPOINT: u8 = 3;
const ROOT_LIST: u8 = 5;

/// Looks at what a node writes.
///
/// # Errors
/// If it keeps a signature that others refuse.
pub(super) fn on_persist(
    chain: &Chain,
    observation: &Observation<'_>,
    batch: &WriteBatch,
) -> Result<(), Violation> {
    let Some(state) = chain.newest() else { return Ok(()) };
    for write in batch.writes() {
        let Write::Put { table: Table::Signed, key, value } = write else { continue };
        check_row(state, key, value).map_err(|what| observation.violation(CHECK, what))?;
    }
    Ok(())
}

/// Checks a row of signed things. A leaf's bytes cannot be told from its signature: it is checked when it is shown.
fn check_row(state: &State, key: &[u8], value: &[u8]) -> Result<(), String> {
    if key == LIST {
        return check_list(state, value, KeyPurpose::Issuing);
    }
    let Some((kind, number)) = key.strip_prefix(TASK).and_then(<[u8]>::split_first) else { return Ok(()) };
    let (purpose, bytes) = match *kind {
        ROOT => (KeyPurpose::Root, state.root_tbs()),
        ISSUING => {
            let number = number.try_into().map(u32::from_le_bytes).unwrap_or_default();
            (KeyPurpose::Root, state.issuing_tbs(number))
        }
        ROOT_LIST => {
            let number = number.try_into().map(u64::from_le_bytes).unwrap_or_default();
            (KeyPurpose::Root, state.root_list_tbs(number))
        }
        CHECKPOINT => {
            let size = number.try_into().map(u64::from_le_bytes).unwrap_or_default();
            let origin = state.genesis_document().log_origin();
            let root = state.log().root_at(size).ok();
            let body = |root| Checkpoint { origin, head: TreeHead { size, root } }.body().into_bytes();
            (KeyPurpose::Log, root.map(body))
        }
        LEAF => return Ok(()),
        other => return Err(format!("keeps a signature of kind {other}, which this check does not know")),
    };
    // What no block has decided yet is looked at when it is shown.
    let Some(bytes) = bytes else { return Ok(()) };
    let signature = Signature(value.try_into().map_err(|_| "keeps a signature that is none".to_string())?);
    let held = key_of(state, purpose)?.verify_strict(&bytes, &signature);
    held.map(|_| ()).map_err(|_| format!("keeps a signature by the {purpose} key that others refuse"))
}

fn key_of(state: &State, purpose: KeyPurpose) -> Result<PublicKey, String> {
    let key = state.committee().and_then(|committee| committee.keys.public(purpose));
    key.ok_or_else(|| "keeps a signature before there are keys".to_string())
}

fn check_list(state: &State, der: &[u8], purpose: KeyPurpose) -> Result<(), String> {
    let list = parse_crl(der).map_err(|fault| fault.to_string())?;
    let signed = list.signed_by(&key_of(state, purpose)?);
    signed
        .map(|_| ())
        .map_err(|_| format!("has a revocation list under the {purpose} key that others refuse"))
}

fn check_certificate(state: &State, der: &[u8], purpose: KeyPurpose) -> Result<(), String> {
    let certificate = parse_certificate(der).map_err(|fault| fault.to_string())?;
    let signed = certificate.signed_by(&key_of(state, purpose)?);
    signed.map(|_| ()).map_err(|_| format!("shows a certificate under the {purpose} key that others refuse"))
}

fn check_pem(state: &State, text: &str) -> Result<(), String> {
    let der = from_pem(PemLabel::Certificate, text).map_err(|fault| fault.to_string())?;
    check_certificate(state, &der, KeyPurpose::Root)
}

/// Looks at an answer.
///
/// # Errors
/// If it shows a signature that others refuse.
pub(super) fn on_answer(chain: &Chain, observed: &ObservedAnswer<'_>) -> Result<(), Violation> {
    let (Ok(response), Some(state)) = (observed.response, chain.newest()) else { return Ok(()) };
    let outcome = match Shown::by(response) {
        Shown::Certificate(issued) => check_certificate(state, &issued.certificate_der, KeyPurpose::Issuing)
            .and_then(|()| check_pem(state, &issued.chain_pem))
            .and_then(|()| check_pem(state, &issued.root_pem)),
        Shown::RevocationLists(lists) => {
            let check = |list: &Option<PublishedList>, key| {
                list.as_ref().map_or(Ok(()), |list| check_list(state, &list.crl_der, key))
            };
            check(&lists.issuing, KeyPurpose::Issuing).and_then(|()| check(&lists.root, KeyPurpose::Root))
        }
        Shown::Bundle(bundle) => bundle.check().map_err(|fault| fault.to_string()),
        // The log's signature and the cosignatures: by CheckpointCheck.
        Shown::Checkpoint(_)
        | Shown::Status(_)
        | Shown::List(_)
        | Shown::Records(_)
        | Shown::Proof(_)
        | Shown::Nothing => Ok(()),
    };
    outcome.map_err(|what| observed.observation.violation(CHECK, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_util::{issue, world_with};
    use crate::world::{StolenKeys, World};
    use hypermesh_core::api::{
        CheckpointRequest, IssuedCertificate, PublishedLists, Request, Response, RevocationListRequest,
        TrustBundleRequest,
    };
    use hypermesh_core::trust::TrustBundle;
    use hypermesh_core::trustchain::ca::pem;

    struct Documents {
        world: World,
        issued: IssuedCertificate,
        lists: PublishedLists,
        bundle: TrustBundle,
    }

    fn documents() -> Documents {
        let (world, responses) = world_with(|world| {
            vec![
                issue(world, 1),
                Request::GetRevocationList(RevocationListRequest {
                    at_least: Some(1),
                    root_at_least: Some(1),
                }),
                Request::TrustBundle(TrustBundleRequest {}),
                Request::LogCheckpoint(CheckpointRequest {}),
            ]
        });
        let mut responses = responses.into_iter();
        let (
            Some(Response::IssueCertificate(issued)),
            Some(Response::GetRevocationList(lists)),
            Some(Response::TrustBundle(bundle)),
        ) = (responses.next(), responses.next(), responses.next())
        else {
            panic!("other responses")
        };
        Documents { world, issued, lists, bundle }
    }

    /// The same, with a signature that holds by ZIP-215 alone.
    fn twist(world: &World, purpose: KeyPurpose, tbs: &[u8], der: &mut [u8]) {
        let stolen_keys = StolenKeys::take((0..4).map(|place| world.disk(place).unwrap()));
        let key = key_of(world.checks().chain().newest().unwrap(), purpose).unwrap();
        let place = der.len() - 64;
        der[place..].copy_from_slice(&stolen_keys.twisted(purpose, &key, tbs).unwrap().0);
    }

    fn verdict(world: &World, response: Response) -> Result<(), Violation> {
        let (view, node) =
            (world.view(0).unwrap(), world.participants().validators[0].member.identity.public());
        let observation = Observation { at: world.now(), place: 0, node, disk: world.disk(0).unwrap() };
        let request = Request::TrustBundle(TrustBundleRequest {});
        let response = Ok(response);
        let (wall, asked) = (world.wall(), world.now());
        let observed =
            ObservedAnswer { observation, request: &request, asked, response: &response, view: &view, wall };
        on_answer(world.checks().chain(), &observed)
    }

    #[test]
    fn it_fires_on_a_certificate_a_list_and_a_root_that_only_zip_215_accepts() {
        let Documents { world, issued, lists, bundle } = documents();
        assert_eq!(verdict(&world, Response::IssueCertificate(issued.clone())), Ok(()));
        assert_eq!(verdict(&world, Response::GetRevocationList(lists.clone())), Ok(()));
        assert_eq!(verdict(&world, Response::TrustBundle(bundle.clone())), Ok(()));

        let mut leaf = issued.clone();
        let tbs = parse_certificate(&leaf.certificate_der).unwrap().tbs;
        twist(&world, KeyPurpose::Issuing, &tbs, &mut leaf.certificate_der);
        assert!(verdict(&world, Response::IssueCertificate(leaf)).unwrap_err().what.contains("refuse"));

        let mut root = bundle.root_der.clone();
        let tbs = parse_certificate(&root).unwrap().tbs;
        twist(&world, KeyPurpose::Root, &tbs, &mut root);
        let rooted = IssuedCertificate { root_pem: pem(PemLabel::Certificate, &root), ..issued };
        assert!(verdict(&world, Response::IssueCertificate(rooted)).unwrap_err().what.contains("refuse"));
        let twisted = TrustBundle { root_der: root, ..bundle };
        assert_eq!(verdict(&world, Response::TrustBundle(twisted)).unwrap_err().check, CHECK);

        let of = |lists: &PublishedLists| (lists.issuing.clone().unwrap(), lists.root.clone().unwrap());
        let (mut issuing, mut root) = of(&lists);
        let tbs = parse_crl(&issuing.crl_der).unwrap().tbs;
        twist(&world, KeyPurpose::Issuing, &tbs, &mut issuing.crl_der);
        let twisted = PublishedLists { issuing: Some(issuing), ..lists.clone() };
        assert!(verdict(&world, Response::GetRevocationList(twisted)).unwrap_err().what.contains("refuse"));

        let tbs = parse_crl(&root.crl_der).unwrap().tbs;
        twist(&world, KeyPurpose::Root, &tbs, &mut root.crl_der);
        let twisted = PublishedLists { root: Some(root), ..lists.clone() };
        assert!(verdict(&world, Response::GetRevocationList(twisted)).unwrap_err().what.contains("refuse"));
        let swapped = PublishedLists { root: lists.issuing.clone(), ..lists };
        assert!(verdict(&world, Response::GetRevocationList(swapped)).unwrap_err().what.contains("refuse"));
    }

    #[test]
    fn it_fires_when_a_node_keeps_what_only_zip_215_accepts() {
        let Documents { world, lists, bundle, .. } = documents();
        let list = lists.issuing.unwrap();
        let state = world.checks().chain().newest().unwrap();
        let root = parse_certificate(&bundle.root_der).unwrap();
        let key = [TASK, &[ROOT]].concat();
        assert_eq!(check_row(state, &key, &root.signature.0), Ok(()));
        let mut twisted = bundle.root_der.clone();
        twist(&world, KeyPurpose::Root, &root.tbs, &mut twisted);
        let bytes = &twisted[twisted.len() - 64..];
        assert!(check_row(state, &key, bytes).unwrap_err().contains("others refuse"));

        assert_eq!(check_row(state, LIST, &list.crl_der), Ok(()));
        let mut twisted = list.clone();
        twist(&world, KeyPurpose::Issuing, &parse_crl(&list.crl_der).unwrap().tbs, &mut twisted.crl_der);
        assert!(check_row(state, LIST, &twisted.crl_der).unwrap_err().contains("others refuse"));

        let size = state.log().size();
        let key = [TASK, &[CHECKPOINT], size.to_le_bytes().as_slice()].concat();
        assert!(check_row(state, &key, &[7; 64]).unwrap_err().contains("log key"));
        let unknown = [TASK, &[u8::MAX]].concat();
        assert!(check_row(state, &unknown, &[7; 64]).unwrap_err().contains("does not know"));
        let mut batch = WriteBatch::default();
        batch.put(Table::Signed, key, [7; 64]);
        let node = world.participants().validators[0].member.identity.public();
        let observation = Observation { at: world.now(), place: 0, node, disk: world.disk(0).unwrap() };
        assert_eq!(on_persist(world.checks().chain(), &observation, &batch).unwrap_err().check, CHECK);
    }
}
