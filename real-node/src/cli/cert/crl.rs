//! `hypermesh cert crl`: the revocation lists of the mesh's authorities, fetched and checked.

use super::super::Global;
use crate::client::{MeshClient, session};
use crate::failure::{Exit, Failure};
use crate::file::{self, Access};
use crate::moment;
use crate::output::Output;
use clap::{Args, ValueEnum};
use hypermesh_core::api::{PublishedList, PublishedLists, RevocationListRequest};
use hypermesh_core::trust::{CheckedList, ListRefusal, TrustBundle};
use hypermesh_core::trustchain::ca::{PemLabel, RevocationList, pem};
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tokio::time::Instant;

/// Where the revocation lists go, and how.
#[derive(Debug, Args)]
pub struct CrlArgs {
    /// Write DER instead of PEM. A DER file holds one list: of the issuing key, unless --authority is root
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

/// What `--json` prints: the issuing key's list, and in it the root key's; `null` or nothing for one that is not signed.
#[derive(Serialize)]
struct CrlReport<'a> {
    #[serde(flatten)]
    issuing: Option<&'a RevocationList>,
    root: Option<&'a RevocationList>,
}

/// Prints or writes the newest revocation lists, once they are checked against the context's mesh. Of lists that are wanted and
/// not all there, none is written: verifiers that want a list for each certificate would refuse everything.
pub(super) fn run(args: &CrlArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let authority = authority(args)?;
    let newest = session(global, "fetching the revocation lists", async |client| {
        let bundle = client.trust_bundle().await?;
        fetch(client, &bundle, authority).await
    })?;
    if let Some(why) = newest.behind() {
        output.tell(why);
    }
    let mut lists = Vec::new();
    for (of, list) in [(Authority::Issuing, &newest.issuing), (Authority::Root, &newest.root)] {
        if authority.includes(of) {
            lists.push(list.as_ref().map_err(Clone::clone)?);
        }
    }
    let report = CrlReport {
        issuing: newest.issuing.as_ref().ok().map(Fetched::list),
        root: newest.root.as_ref().ok().map(Fetched::list),
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
            let message = "a DER file holds one list: choose --authority issuing or --authority root, or \
                write PEM";
            Err(Failure::new(Exit::Usage, message))
        }
        (Some(authority), _) => Ok(authority),
        (None, true) => Ok(Authority::Issuing),
        (None, false) => Ok(Authority::Both),
    }
}

impl Authority {
    /// Whether this one's list is among those.
    fn includes(self, of: Self) -> bool {
        self == Self::Both || self == of
    }
}

/// A list that was got.
#[derive(Debug)]
pub(super) struct Fetched {
    /// As it was signed.
    der: Vec<u8>,
    /// Checked against a trust bundle.
    pub(super) checked: CheckedList,
    key: &'static str,
}

impl Fetched {
    fn list(&self) -> &RevocationList {
        self.checked.list()
    }

    fn in_words(&self) -> String {
        let RevocationList { number, next_update, entries, .. } = self.list();
        let (key, revoked, until) = (self.key, entries.len(), moment::text(*next_update));
        format!("revocation list {number} of the {key} key, {revoked} revoked, until {until}")
    }
}

/// The newest revocation lists that were got, or why there is none, and how they stand to what the mesh says.
#[derive(Debug)]
pub(super) struct Newest {
    /// The issuing key's.
    pub(super) issuing: Result<Fetched, Failure>,
    /// The root key's.
    root: Result<Fetched, Failure>,
    /// The number of the issuing key's newest list that a block has fixed, as far as more validators say so than may lie.
    announced: u64,
}

impl Newest {
    /// That it is not the newest, if it is not.
    pub(super) fn behind(&self) -> Option<String> {
        let number = self.issuing.as_ref().ok()?.list().number;
        (number < self.announced).then(|| {
            format!(
                "the newest revocation list received is number {number}, and the mesh has announced {}",
                self.announced
            )
        })
    }
}

/// What is done for each authority's list.
struct ListKind {
    authority: Authority,
    key: &'static str,
    /// The list in an answer, and the number of the newest that a block has fixed.
    of: fn(&PublishedLists) -> (Option<&PublishedList>, u64),
    verify: fn(&TrustBundle, &[u8]) -> ListResult,
    /// Asks for a list with at least this number.
    request: fn(u64) -> RevocationListRequest,
}

const ISSUING: ListKind = ListKind {
    authority: Authority::Issuing,
    key: "issuing",
    of: |lists| (lists.issuing.as_ref(), lists.newest),
    verify: TrustBundle::verify_revocation_list,
    request: |number| RevocationListRequest { at_least: Some(number), root_at_least: None },
};

const ROOT: ListKind = ListKind {
    authority: Authority::Root,
    key: "root",
    of: |lists| (lists.root.as_ref(), lists.root_newest),
    verify: TrustBundle::verify_root_revocation_list,
    request: |number| RevocationListRequest { at_least: None, root_at_least: Some(number) },
};

/// The mesh's newest revocation lists, checked against a trust bundle: the newest that a quorum of validators has, so that
/// one that lies or lags cannot hide a revocation. Only what is wanted is waited for.
pub(super) async fn fetch(
    client: &MeshClient,
    bundle: &TrustBundle,
    authority: Authority,
) -> Result<Newest, Failure> {
    let quorum = bundle.genesis.validator_set().quorum();
    let liars_max = bundle.genesis.validators.len() - quorum;
    let ask = async |request: RevocationListRequest, within| -> Vec<PublishedLists> {
        client.call_validators(&request, quorum, within).await
    };
    // Where a quorum does not answer, the first question takes all of it: then what is missing has to be named in time.
    let until = Instant::now() + client.timeout();
    let left = || until.saturating_duration_since(Instant::now());
    let any = RevocationListRequest { at_least: None, root_at_least: None };
    let mut answers = ask(any, left()).await;
    if answers.is_empty() {
        let message = "no validator returned revocation lists: check that the mesh runs";
        return Err(Failure::new(Exit::Unreachable, message));
    }
    // Whoever has seen a newer one fixed says so; whether that is true, the list itself will tell.
    let mut newest_numbers: Vec<u64> = answers.iter().map(|lists| lists.newest).collect();
    newest_numbers.sort_unstable_by_key(|number| core::cmp::Reverse(*number));
    let announced = newest_numbers.get(liars_max).copied().unwrap_or_default();
    for kind in [ISSUING, ROOT].into_iter().filter(|kind| authority.includes(kind.authority)) {
        let newest = answers.iter().map(|lists| (kind.of)(lists).1).max().unwrap_or_default();
        let (number, within) = match newest_of(&answers, &kind, |der| (kind.verify)(bundle, der)) {
            Ok(list) if list.list().number < newest => (newest, left().min(SIGNED_WITHIN)),
            Ok(_) => continue,
            Err(_) => (FIRST_NUMBER, left()),
        };
        answers.extend(ask((kind.request)(number), within).await);
    }
    let newest = |kind: &ListKind| newest_of(&answers, kind, |der| (kind.verify)(bundle, der));
    Ok(Newest { issuing: newest(&ISSUING), root: newest(&ROOT), announced })
}

/// The newest list of an authority that holds, or why there is none.
fn newest_of(
    answers: &[PublishedLists],
    kind: &ListKind,
    verify: impl Fn(&[u8]) -> ListResult,
) -> Result<Fetched, Failure> {
    let ListKind { key, of, .. } = *kind;
    let (mut newest, mut refused) = (None::<Fetched>, None);
    for PublishedList { crl_der, .. } in answers.iter().filter_map(|lists| of(lists).0) {
        match verify(crl_der) {
            Ok(checked)
                if newest.as_ref().is_none_or(|newest| newest.list().number <= checked.list().number) =>
            {
                newest = Some(Fetched { der: crl_der.clone(), checked, key });
            }
            Ok(_) => {}
            Err(refusal) => refused = Some(refusal),
        }
    }
    newest.ok_or_else(|| match refused {
        Some(refusal) => {
            let message = format!(
                "the revocation list of the {key} key that validators returned is not valid: \
                    {refusal}"
            );
            Failure::new(Exit::NotValid, message)
        }
        None => Failure::new(Exit::NotFound, not_signed(kind)),
    })
}

fn not_signed(ListKind { authority, key, .. }: &ListKind) -> String {
    let other = if *authority == Authority::Root { ISSUING.key } else { ROOT.key };
    format!(
        "the revocation list of the {key} key is not signed yet: validators sign it when a quorum of them \
        runs. Run hypermesh health and try again, or fetch only the list of the {other} key with \
        --authority {other}"
    )
}

type ListResult = Result<CheckedList, ListRefusal>;

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
    issuing.ok_or_else(|| invalid(&"the file has no revocation list of the issuing key"))
}

/// How long a list that a block has fixed is given to be signed, before the one before it has to do.
const SIGNED_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);
/// The number of an authority's first list.
const FIRST_NUMBER: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::UnixMillis;

    fn lists(issuing: Option<&[u8]>, root: Option<&[u8]>) -> PublishedLists {
        let list = |der: &[u8]| PublishedList {
            number: 1,
            this_update: UnixMillis(0),
            next_update: UnixMillis(1),
            crl_der: der.to_vec(),
        };
        PublishedLists { issuing: issuing.map(list), root: root.map(list), newest: 1, root_newest: 1 }
    }

    #[test]
    fn a_list_that_nobody_gave_is_not_there_and_one_that_does_not_hold_is_not_valid_and_each_is_named() {
        let refuse = |_: &[u8]| Err(ListRefusal::Signature { key: "issuing" });
        let answers = [lists(Some(b"no list"), None), lists(None, None)];
        let issuing = newest_of(&answers, &ISSUING, refuse).unwrap_err();
        assert_eq!(issuing.exit, Exit::NotValid);
        assert!(issuing.message.contains("revocation list of the issuing key"), "{issuing}");
        let root = newest_of(&answers, &ROOT, refuse).unwrap_err();
        assert_eq!(root.exit, Exit::NotFound);
        assert!(root.message.contains("revocation list of the root key is not signed yet"), "{root}");
        assert!(root.message.contains("--authority issuing"), "{root}");
    }
}
