//! `hypermesh log …`: checkpoints and proofs of the certificate log.

mod proof;

use super::{Global, trust};
use crate::client::{MeshClient, session};
use crate::failure::{Exit, Failure};
use crate::file::{self, Access};
use crate::output::Output;
use clap::{ArgGroup, Args, Subcommand};
use hypermesh_core::api::{
    CertificateRequestBySerial, CheckpointNote, CheckpointRequest, ConsistencyRequest, InclusionRequest,
    LogEntryRequest,
};
use hypermesh_core::base::LeafIndex;
use hypermesh_core::trust::{CheckedCheckpoint, TrustBundle};
use hypermesh_core::trustchain::ca::SerialNumber;
use hypermesh_core::trustchain::ct::{
    CHECKPOINT_BYTES_MAX, Cosigned, SignedCheckpoint, TreeHead, empty_root,
};
use proof::{ConsistencyProof, InclusionProof, LogProofFile, verify_log_proof, verify_note};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What `hypermesh log` can do.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Fetch a signed checkpoint of the log and show which validators cosigned it
    Checkpoint {
        /// Where to write the note; standard output if not given
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The trust bundle to check it against; fetched from the mesh if not given
        #[arg(long, value_name = "FILE")]
        trust: Option<PathBuf>,
    },
    /// Fetch a proof: that a certificate is in the log, or that the log only grew
    Prove(ProveArgs),
    /// Verify a proof or a checkpoint
    Verify {
        /// The file that `log prove` or `log checkpoint` wrote
        file: PathBuf,
        /// The trust bundle to check it against, offline; fetched from the mesh if not given
        #[arg(long, value_name = "FILE")]
        trust: Option<PathBuf>,
    },
}

/// What to prove.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["serial", "index", "consistency"]))]
pub struct ProveArgs {
    /// That the certificate with this serial number is in the log
    #[arg(long, value_name = "SERIAL")]
    pub serial: Option<SerialNumber>,
    /// That the log has this entry
    #[arg(long, value_name = "INDEX")]
    pub index: Option<u64>,
    /// That the log at one size begins with the log at another; a size or a file with a checkpoint each
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"])]
    pub consistency: Option<Vec<String>>,
    /// Where to write the proof; standard output if not given
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// A checkpoint and who vouches for it.
#[derive(Serialize)]
struct CheckpointReport {
    #[serde(flatten)]
    note: CheckpointNote,
    cosigned: Vec<Cosigned>,
}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: LogCommand, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        LogCommand::Checkpoint { out, trust } => checkpoint(out.as_deref(), trust.as_deref(), global, output),
        LogCommand::Prove(args) => prove(&args, global, output),
        LogCommand::Verify { file, trust } => verify(&file, trust.as_deref(), global, output),
    }
}

fn checkpoint(
    out: Option<&Path>,
    trust_file: Option<&Path>,
    global: &Global,
    output: Output,
) -> Result<(), Failure> {
    let given = trust_file.map(trust::read).transpose()?;
    let (note, checked) = session(global, "waiting for a checkpoint to be signed", async |client| {
        let bundle = match given {
            Some(bundle) => bundle,
            None => client.trust_bundle().await?,
        };
        signed_checkpoint(client, &bundle).await
    })?;
    let names: Vec<&str> = checked.cosigned.iter().map(|cosigned| cosigned.name.as_str()).collect();
    let summary = format!("log of {} entries, cosigned by {}", note.size, names.join(", "));
    if let Some(path) = out {
        file::write(path, note.note.as_bytes(), Access::Public)?;
    }
    output.tell(summary);
    if out.is_some() && !output.json {
        return Ok(());
    }
    let report = CheckpointReport { note, cosigned: checked.cosigned };
    output.print(&report, |report| report.note.note.clone())
}

/// A checkpoint of the log as it stands, checked.
async fn signed_checkpoint(
    client: &MeshClient,
    bundle: &TrustBundle,
) -> Result<(CheckpointNote, CheckedCheckpoint), Failure> {
    let note = client.call(&CheckpointRequest {}).await?;
    let refused = |reason: &dyn std::fmt::Display| {
        Failure::new(Exit::NotValid, format!("the node returned an invalid checkpoint: {reason}"))
    };
    let checked = bundle.verify_checkpoint(&note.note).map_err(|refusal| refused(&refusal))?;
    if checked.head != (TreeHead { size: note.size, root: note.root }) {
        return Err(refused(&"the size or root of its note differs from the checkpoint's"));
    }
    Ok((note, checked))
}

fn prove(args: &ProveArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let (proof, bundle) = session(global, "waiting for the proof", async |client| {
        let bundle = client.trust_bundle().await?;
        let proof = match (&args.serial, args.index, args.consistency.as_deref()) {
            (Some(serial), _, _) => {
                let request = CertificateRequestBySerial { serial_number: *serial };
                prove_inclusion(client, client.call(&request).await?.leaf_index, &bundle).await?
            }
            (_, Some(index), _) => prove_inclusion(client, LeafIndex(index), &bundle).await?,
            (_, _, Some([old, new])) => prove_consistency(client, old, new, &bundle).await?,
            _ => {
                return Err(Failure::new(
                    Exit::Usage,
                    "expected what to prove: --serial, --index or --consistency",
                ));
            }
        };
        Ok((proof, bundle))
    })?;
    let report = verify_log_proof(&proof, &bundle);
    if let Some(reason) = report.failure() {
        return Err(Failure::new(Exit::NotValid, format!("the node returned an invalid proof: {reason}")));
    }
    output.tell(report.text().trim_end());
    let Some(path) = &args.out else {
        return Output { json: true }.print(&proof, |_| String::new());
    };
    let text = serde_json::to_string_pretty(&proof)
        .map_err(|error| Failure::new(Exit::Failed, format!("proof: {error}")))?;
    file::write(path, format!("{text}\n").as_bytes(), Access::Public)?;
    if output.json { output.print(&report, |_| String::new()) } else { Ok(()) }
}

async fn prove_inclusion(
    client: &MeshClient,
    index: LeafIndex,
    bundle: &TrustBundle,
) -> Result<LogProofFile, Failure> {
    let entry = client.call(&LogEntryRequest { index }).await?.entry;
    let (note, _) = signed_checkpoint(client, bundle).await?;
    let proof = client.call(&InclusionRequest { index, size: Some(note.size) }).await?;
    Ok(LogProofFile::Inclusion(InclusionProof {
        index,
        entry,
        size: proof.size,
        root: proof.root,
        path: proof.path,
        checkpoint: note.note,
    }))
}

async fn prove_consistency(
    client: &MeshClient,
    old: &str,
    new: &str,
    bundle: &TrustBundle,
) -> Result<LogProofFile, Failure> {
    let (old, new) = (head_at(client, old).await?, head_at(client, new).await?);
    if old.size > new.size {
        let message = format!("a log of {} entries is not a prefix of one of {}", old.size, new.size);
        return Err(Failure::new(Exit::Usage, message));
    }
    let (note, _) = signed_checkpoint(client, bundle).await?;
    let proof = client.call(&ConsistencyRequest { old: old.size, new: Some(new.size) }).await?;
    let to_checkpoint = ConsistencyRequest { old: new.size, new: Some(note.size) };
    let to_checkpoint = client.call(&to_checkpoint).await?;
    Ok(LogProofFile::Consistency(ConsistencyProof {
        old,
        new,
        path: proof.path,
        path_to_checkpoint: to_checkpoint.path,
        checkpoint: note.note,
    }))
}

/// The log at a size, or as a checkpoint in a file has it. What the mesh says of a size is proved afterwards.
async fn head_at(client: &MeshClient, text: &str) -> Result<TreeHead, Failure> {
    let Ok(size) = text.parse::<u64>() else {
        let path = Path::new(text);
        let note = file::read_text(path, CHECKPOINT_BYTES_MAX)?;
        let signed = SignedCheckpoint::from_note(&note)
            .map_err(|fault| Failure::new(Exit::Input, format!("{text}: {fault}")))?;
        return Ok(signed.checkpoint.head);
    };
    if size == 0 {
        return Ok(TreeHead { size, root: empty_root() });
    }
    let request = InclusionRequest { index: LeafIndex(0), size: Some(size) };
    let proof = client.call(&request).await?;
    Ok(TreeHead { size, root: proof.root })
}

fn verify(path: &Path, trust_file: Option<&Path>, global: &Global, output: Output) -> Result<(), Failure> {
    let text = file::read_text(path, PROOF_TEXT_BYTES_MAX)?;
    let bundle = match trust_file {
        Some(trust_file) => trust::read(trust_file)?,
        None => session(global, "fetching the trust bundle", async |client| client.trust_bundle().await)?,
    };
    let report = match text.trim_start().starts_with('{') {
        true => {
            let proof: LogProofFile = serde_json::from_str(&text)
                .map_err(|error| Failure::new(Exit::Input, format!("{}: {error}", path.display())))?;
            verify_log_proof(&proof, &bundle)
        }
        false => verify_note(&text, &bundle),
    };
    output.print(&report, |report| report.text())?;
    match report.failure() {
        None => Ok(()),
        Some(reason) => Err(Failure::new(Exit::NotValid, format!("{}: {reason}", path.display()))),
    }
}

/// The longest proof file: a log entry and a checkpoint, as JSON.
const PROOF_TEXT_BYTES_MAX: usize = 4 * CHECKPOINT_BYTES_MAX;
