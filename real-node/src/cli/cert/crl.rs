//! `hypermesh cert crl`: the revocation lists of the mesh's authorities, fetched and checked.

use super::super::Global;
use crate::client::{MeshClient, session};
use crate::failure::{Exit, Failure};
use crate::file::{self, Access};
use crate::moment;
use crate::output::Output;
use clap::{Args, ValueEnum};
use hypermesh_core::api::{PublishedList, RevocationListRequest};
use hypermesh_core::trust::{CheckedList, ListRefusal, TrustBundle};
use hypermesh_core::trustchain::ca::{PemLabel, RevocationList, pem};
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Where the revocation lists go, and how.
#[derive(Debug, Args)]
pub struct CrlArgs {
    /// As DER, not PEM. A DER file holds one list: the issuing key's, unless --authority says root
    #[arg(long, conflicts_with = "pem")]
    pub der: bool,
    /// As PEM, which is the default
    #[arg(long)]
    pub pem: bool,
    /// Whose list: the issuing key's, which names revoked certificates; the root key's, which is empty; or both, which is what
    /// most servers and clients want in one file, and the default for PEM
    #[arg(long, value_name = "WHOSE")]
    pub authority: Option<Authority>,
    /// Where to; standard output if not given
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Whose revocation list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Authority {
    /// Of both authorities, the issuing key's first.
    Both,
    /// The issuing key's.
    Issuing,
    /// The root key's.
    Root,
}

/// What `--json` prints: the issuing key's list, and in it the root key's.
#[derive(Serialize)]
struct CrlReport<'a> {
    #[serde(flatten)]
    issuing: &'a RevocationList,
    root: &'a RevocationList,
}

/// Prints or writes the newest revocation lists, once they are checked against the context's mesh.
pub(super) fn run(args: &CrlArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let authority = authority(args)?;
    let newest = session(global, "fetching the revocation lists", async |client| {
        let bundle = client.trust_bundle().await?;
        fetch(client, &bundle).await
    })?;
    if let Some(why) = newest.behind() {
        output.tell(why);
    }
    let Newest { issuing, root, .. } = &newest;
    let report = CrlReport { issuing: issuing.checked.list(), root: root.checked.list() };
    let lists: &[&Fetched] = match authority {
        Authority::Both => &[issuing, root],
        Authority::Issuing => &[issuing],
        Authority::Root => &[root],
    };
    let bytes = |list: &&Fetched| match args.der {
        true => list.der.clone(),
        false => pem(PemLabel::RevocationList, &list.der).into_bytes(),
    };
    let bytes: Vec<u8> = lists.iter().flat_map(bytes).collect();
    let Some(path) = &args.out else {
        if output.json {
            return output.print(&report, |_| String::new());
        }
        return output.write(&bytes).map(|_read_on| ());
    };
    file::write(path, &bytes, Access::Public)?;
    for list in lists {
        output.tell(format_args!("{}: {}", path.display(), list.in_words()));
    }
    if output.json { output.print(&report, |_| String::new()) } else { Ok(()) }
}

fn authority(args: &CrlArgs) -> Result<Authority, Failure> {
    match (args.authority, args.der) {
        (Some(Authority::Both), true) => {
            let message = "a DER file holds one list: choose --authority issuing or root, or write PEM";
            Err(Failure::new(Exit::Usage, message))
        }
        (Some(authority), _) => Ok(authority),
        (None, true) => Ok(Authority::Issuing),
        (None, false) => Ok(Authority::Both),
    }
}

/// A list that was got.
pub(super) struct Fetched {
    /// As it was signed.
    der: Vec<u8>,
    /// Checked against a trust bundle.
    pub(super) checked: CheckedList,
    key: &'static str,
}

impl Fetched {
    fn number(&self) -> u64 {
        self.checked.list().number
    }

    fn in_words(&self) -> String {
        let RevocationList { number, next_update, entries, .. } = self.checked.list();
        let (key, revoked, until) = (self.key, entries.len(), moment::text(*next_update));
        format!("revocation list {number} of the {key} key, {revoked} revoked, until {until}")
    }
}

/// The newest revocation lists that were got, and how they stand to what the mesh says.
pub(super) struct Newest {
    /// The issuing key's.
    pub(super) issuing: Fetched,
    /// The root key's.
    root: Fetched,
    /// The number of the issuing key's newest list that a block has fixed, as far as more validators say so than may lie.
    announced: u64,
}

impl Newest {
    /// That it is not the newest, if it is not.
    pub(super) fn behind(&self) -> Option<String> {
        let number = self.issuing.number();
        (number < self.announced).then(|| {
            format!(
                "the newest revocation list that was got is {number}, and the mesh has announced {}",
                self.announced
            )
        })
    }
}

/// The mesh's newest revocation lists, checked against a trust bundle: the newest that a quorum of validators has, so that
/// one that lies or lags cannot hide a revocation.
pub(super) async fn fetch(client: &MeshClient, bundle: &TrustBundle) -> Result<Newest, Failure> {
    let quorum = bundle.genesis.validator_set().quorum();
    let liars_max = bundle.genesis.validators.len() - quorum;
    let ask = async |at_least, within| -> Vec<PublishedList> {
        client.call_validators(&RevocationListRequest { at_least }, quorum, within).await
    };
    let mut lists = ask(None, client.timeout()).await;
    // Whoever has seen a newer one fixed says so; whether that is true, the list itself will tell.
    let mut said: Vec<u64> = lists.iter().map(|list| list.newest).collect();
    said.sort_unstable_by_key(|number| core::cmp::Reverse(*number));
    let newest = said.first().copied().unwrap_or_default();
    let announced = said.get(liars_max).copied().unwrap_or_default();
    let is_behind = newest_of(&lists, bundle).is_none_or(|(issuing, _)| issuing.number() < newest);
    if is_behind && newest > 0 {
        lists.extend(ask(Some(newest), SIGNED_WITHIN).await);
    }
    let nothing = || {
        let message = "no validator gave revocation lists that hold: check that the mesh runs";
        Failure::new(Exit::Unreachable, message)
    };
    let (issuing, root) = newest_of(&lists, bundle).ok_or_else(nothing)?;
    Ok(Newest { issuing, root, announced })
}

/// The newest list of each authority that the bundle anchors.
fn newest_of(lists: &[PublishedList], bundle: &TrustBundle) -> Option<(Fetched, Fetched)> {
    let of = |key, der: fn(&PublishedList) -> &Vec<u8>, verify: fn(&TrustBundle, &[u8]) -> Verdict| {
        let checked = lists.iter().filter_map(|list| {
            Some(Fetched { der: der(list).clone(), checked: verify(bundle, der(list)).ok()?, key })
        });
        checked.max_by_key(Fetched::number)
    };
    let issuing = of("issuing", |list| &list.crl_der, TrustBundle::verify_revocation_list)?;
    let root = of("root", |list| &list.root_crl_der, TrustBundle::verify_root_revocation_list)?;
    Some((issuing, root))
}

type Verdict = Result<CheckedList, ListRefusal>;

/// The issuing key's revocation list in a file, DER, or PEM with the root key's beside it, checked against a trust bundle.
pub(super) fn read(path: &Path, bundle: &TrustBundle) -> Result<CheckedList, Failure> {
    let invalid = |reason: &dyn std::fmt::Display| {
        Failure::new(Exit::NotValid, format!("{} is not valid: {reason}", path.display()))
    };
    let bytes = file::read(path, PemLabel::RevocationList.text_bytes_max())?;
    let is_text = std::str::from_utf8(&bytes).is_ok_and(|text| text.contains("-----BEGIN "));
    if !is_text {
        return bundle.verify_revocation_list(&bytes).map_err(|refusal| invalid(&refusal));
    }
    let mut issuing: Option<CheckedList> = None;
    for block in CertificateRevocationListDer::pem_slice_iter(&bytes) {
        let der = block.map_err(|fault| invalid(&fault))?;
        match bundle.verify_revocation_list(&der) {
            Ok(list) if issuing.as_ref().is_none_or(|found| found.list().number < list.list().number) => {
                issuing = Some(list);
            }
            Ok(_) => {}
            // The root key's list says nothing of a leaf certificate.
            Err(ListRefusal::Issuer { .. }) if bundle.verify_root_revocation_list(&der).is_ok() => {}
            Err(refusal) => return Err(invalid(&refusal)),
        }
    }
    issuing.ok_or_else(|| invalid(&"it holds no revocation list of the issuing key"))
}

/// How long a list that a block has fixed is given to be signed, before the one before it has to do.
const SIGNED_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);
