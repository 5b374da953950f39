//! Checkpoints: the log's size and root as a signed note that other tools read.
//!
//! The formats are C2SP's: `tlog-checkpoint` for the text, `signed-note` around it, `tlog-cosignature` for the
//! validators' lines. The committee's log key signs the text as it is; a validator signs it with the time at
//! which it saw the log in that state. This module checks signatures under keys that it is given, by the rule that other
//! tools use; whose the keys are, and how many are enough, is for the caller.

use super::tree::TreeHead;
use crate::base::{Digest, PublicKey, Signature, StrictSignature};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{borrow::ToOwned, format};
use base64::{Engine, prelude::BASE64_STANDARD};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use signed_note::Note;

/// The longest signed checkpoint.
pub const CHECKPOINT_BYTES_MAX: usize = 65_536;
/// The most signatures on a checkpoint; what the note format's own library takes.
pub const SIGNATURE_COUNT_MAX: usize = 100;
/// The longest name of a log or a cosigner.
pub const KEY_NAME_BYTES_MAX: usize = 255;

/// Signature types of `signed-note`: they go into the key's identifier.
const ED25519: u8 = 0x01;
const COSIGNATURE_V1: u8 = 0x04;

/// What a checkpoint says: which log, how many entries, which root.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The log's name, as in `hypermesh.devnet/log`. It is also the name of the log's key.
    pub origin: String,
    /// Size and root.
    pub head: TreeHead,
}

/// A line under a note: who signed, with which key, and the signature's bytes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct NoteSignature {
    name: String,
    key_id: u32,
    bytes: Vec<u8>,
}

/// A checkpoint with the signatures that were collected for it, none of them checked until [`Self::verify`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SignedCheckpoint {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// The lines under it, the log's first.
    pub signatures: Vec<NoteSignature>,
}

/// A validator that may cosign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigner {
    /// The name of its key, as in `node-1.hypermesh`.
    pub name: String,
    /// Its key.
    pub key: PublicKey,
}

/// A cosignature that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cosigned {
    /// Whose.
    pub name: String,
    /// When it saw the log in this state, in seconds since 1970.
    pub timestamp_seconds: u64,
}

/// A checkpoint that is malformed or does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointFault {
    /// More than [`CHECKPOINT_BYTES_MAX`].
    #[error("the checkpoint has {bytes} bytes, at most {CHECKPOINT_BYTES_MAX} are allowed")]
    TooLong {
        /// How many there were.
        bytes: usize,
    },
    /// More than [`SIGNATURE_COUNT_MAX`].
    #[error("the checkpoint has {count} signatures, at most {SIGNATURE_COUNT_MAX} are allowed")]
    TooManySignatures {
        /// How many there were.
        count: usize,
    },
    /// A name that a key may not have.
    #[error(
        "invalid key name {name:?}: use 1 to {KEY_NAME_BYTES_MAX} characters without spaces and plus \
        signs"
    )]
    KeyName {
        /// The name.
        name: String,
    },
    /// Not a checkpoint in a signed note.
    #[error("not a signed checkpoint: expected origin, size and root, a blank line, and signatures")]
    Malformed,
    /// The log's own signature is missing.
    #[error("the checkpoint is not signed by the key of log {origin}")]
    Unsigned {
        /// The log's name.
        origin: String,
    },
    /// A signature under a known key that does not hold.
    #[error("the signature of {name} does not verify: the checkpoint was altered, or {name} lied")]
    Signature {
        /// Whose.
        name: String,
    },
}

impl Checkpoint {
    /// The text that is signed: origin, size and root in base64, each with a newline (C2SP tlog-checkpoint).
    #[must_use]
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.head.size, BASE64_STANDARD.encode(self.head.root.0))
    }

    /// What a validator signs: that it saw this at that time (C2SP tlog-cosignature).
    #[must_use]
    pub fn cosignature_message(&self, timestamp_seconds: u64) -> String {
        format!("cosignature/v1\ntime {timestamp_seconds}\n{}", self.body())
    }

    /// The checkpoint with this text. Extension lines are refused: this log writes none.
    fn from_body(body: &str) -> Result<Self, CheckpointFault> {
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointFault::Malformed);
        };
        check_key_name(origin)?;
        let root = BASE64_STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok());
        let head = TreeHead {
            size: size.parse().map_err(|_| CheckpointFault::Malformed)?,
            root: Digest(root.ok_or(CheckpointFault::Malformed)?),
        };
        let checkpoint = Self { origin: origin.to_owned(), head };
        // One checkpoint has one text: no leading zeros, no plus sign before the size.
        if checkpoint.body() == body { Ok(checkpoint) } else { Err(CheckpointFault::Malformed) }
    }
}

impl NoteSignature {
    /// The log's line: the committee's signature over [`Checkpoint::body`], by the key under which it was verified.
    ///
    /// # Errors
    /// If the origin cannot name a key.
    pub fn by_log(origin: &str, signature: &StrictSignature) -> Result<Self, CheckpointFault> {
        check_key_name(origin)?;
        let key_id = key_id(origin, ED25519, &signature.key());
        Ok(Self { name: origin.to_owned(), key_id, bytes: signature.signature().0.to_vec() })
    }

    /// A validator's line: its signature over [`Checkpoint::cosignature_message`] of this time, by the key under which it
    /// was verified.
    ///
    /// # Errors
    /// If the cosigner's name cannot name a key.
    pub fn by_cosigner(
        name: &str,
        timestamp_seconds: u64,
        signature: &StrictSignature,
    ) -> Result<Self, CheckpointFault> {
        check_key_name(name)?;
        let key_id = key_id(name, COSIGNATURE_V1, &signature.key());
        let bytes = [&timestamp_seconds.to_be_bytes()[..], &signature.signature().0].concat();
        Ok(Self { name: name.to_owned(), key_id, bytes })
    }

    /// Whose line it claims to be.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn is_by(&self, name: &str, key_id: u32) -> bool {
        self.name == name && self.key_id == key_id
    }
}

impl SignedCheckpoint {
    /// The signed note. Parses back to the same value.
    ///
    /// # Errors
    /// If a name cannot name a key, or there are no or too many signatures.
    pub fn to_note(&self) -> Result<String, CheckpointFault> {
        let count = self.signatures.len();
        if count > SIGNATURE_COUNT_MAX {
            return Err(CheckpointFault::TooManySignatures { count });
        }
        check_key_name(&self.checkpoint.origin)?;
        if count == 0 {
            return Err(CheckpointFault::Unsigned { origin: self.checkpoint.origin.clone() });
        }
        let mut lines = Vec::with_capacity(count);
        for signature in &self.signatures {
            check_key_name(&signature.name)?;
            let line = signed_note::Signature::new(
                signature.name.clone(),
                signature.key_id,
                signature.bytes.clone(),
            );
            lines.push(line.map_err(|_| CheckpointFault::Malformed)?);
        }
        let note =
            Note::new(self.checkpoint.body().as_bytes(), &lines).map_err(|_| CheckpointFault::Malformed)?;
        let text = String::from_utf8(note.to_bytes()).map_err(|_| CheckpointFault::Malformed)?;
        check_length(&text)?;
        Ok(text)
    }

    /// The checkpoint and its signatures, none of them checked.
    ///
    /// # Errors
    /// If the text is too long, has too many signatures, or is not a checkpoint in a signed note.
    pub fn from_note(text: &str) -> Result<Self, CheckpointFault> {
        check_length(text)?;
        // The library checks the whole note, but hands out its lines only to verifiers of its own.
        Note::from_bytes(text.as_bytes()).map_err(|_| CheckpointFault::Malformed)?;
        let (body, lines) = text.rsplit_once("\n\n").ok_or(CheckpointFault::Malformed)?;
        let checkpoint = Checkpoint::from_body(&format!("{body}\n"))?;
        let parse = |line: &str| {
            let line = signed_note::Signature::from_bytes(line.as_bytes());
            line.map_err(|_| CheckpointFault::Malformed).map(|line| NoteSignature {
                name: line.name().to_owned(),
                key_id: line.id(),
                bytes: line.signature().to_vec(),
            })
        };
        let signatures = lines.lines().map(parse).collect::<Result<_, _>>()?;
        let signed = Self { checkpoint, signatures };
        if signed.to_note()? == text { Ok(signed) } else { Err(CheckpointFault::Malformed) }
    }

    /// Checks the log's signature and every known validator's, and says who cosigned. Lines by unknown keys are
    /// passed over, as `signed-note` asks; a line by a known key that does not hold condemns the note.
    ///
    /// # Errors
    /// If the log did not sign, or a known key's signature does not hold.
    pub fn verify(
        &self,
        log_key: &PublicKey,
        cosigners: &[Cosigner],
    ) -> Result<Vec<Cosigned>, CheckpointFault> {
        let origin = &self.checkpoint.origin;
        let body = self.checkpoint.body();
        let log_key_id = key_id(origin, ED25519, log_key);
        let mut lines = self.signatures.iter().filter(|line| line.is_by(origin, log_key_id)).peekable();
        if lines.peek().is_none() {
            return Err(CheckpointFault::Unsigned { origin: origin.clone() });
        }
        for line in lines {
            check(log_key, origin, body.as_bytes(), &line.bytes)?;
        }
        let mut cosigned = Vec::new();
        for cosigner in cosigners {
            let key_id = key_id(&cosigner.name, COSIGNATURE_V1, &cosigner.key);
            let mut newest = None;
            for line in self.signatures.iter().filter(|line| line.is_by(&cosigner.name, key_id)) {
                newest = newest.max(Some(self.check_cosignature(cosigner, &line.bytes)?));
            }
            let name = cosigner.name.clone();
            cosigned.extend(newest.map(|timestamp_seconds| Cosigned { name, timestamp_seconds }));
        }
        Ok(cosigned)
    }

    fn check_cosignature(&self, cosigner: &Cosigner, bytes: &[u8]) -> Result<u64, CheckpointFault> {
        let fault = || CheckpointFault::Signature { name: cosigner.name.clone() };
        let (timestamp, signature) = bytes.split_first_chunk().ok_or_else(fault)?;
        let timestamp_seconds = u64::from_be_bytes(*timestamp);
        let message = self.checkpoint.cosignature_message(timestamp_seconds);
        check(&cosigner.key, &cosigner.name, message.as_bytes(), signature)?;
        Ok(timestamp_seconds)
    }
}

/// The log's key in the form that other tools take: name, identifier, type and key.
///
/// # Errors
/// If the origin cannot name a key.
pub fn log_verifier_key(origin: &str, key: &PublicKey) -> Result<String, CheckpointFault> {
    verifier_key(origin, ED25519, key)
}

/// A validator's key in the form that other tools take.
///
/// # Errors
/// If the cosigner's name cannot name a key.
pub fn cosigner_verifier_key(cosigner: &Cosigner) -> Result<String, CheckpointFault> {
    verifier_key(&cosigner.name, COSIGNATURE_V1, &cosigner.key)
}

fn verifier_key(name: &str, kind: u8, key: &PublicKey) -> Result<String, CheckpointFault> {
    check_key_name(name)?;
    let encoded = BASE64_STANDARD.encode(typed(kind, key));
    Ok(format!("{name}+{:08x}+{encoded}", key_id(name, kind, key)))
}

fn key_id(name: &str, kind: u8, key: &PublicKey) -> u32 {
    signed_note::key_id(name, &typed(kind, key))
}

fn typed(kind: u8, key: &PublicKey) -> Vec<u8> {
    [&[kind][..], &key.0].concat()
}

fn check(key: &PublicKey, name: &str, message: &[u8], signature: &[u8]) -> Result<(), CheckpointFault> {
    let fault = || CheckpointFault::Signature { name: name.to_string() };
    let signature = Signature(signature.try_into().map_err(|_| fault())?);
    key.verify_strict(message, &signature).map(|_| ()).map_err(|_| fault())
}

fn check_key_name(name: &str) -> Result<(), CheckpointFault> {
    let fits = name.len() <= KEY_NAME_BYTES_MAX && !name.chars().any(char::is_control);
    if fits && signed_note::is_key_name_valid(name) {
        return Ok(());
    }
    Err(CheckpointFault::KeyName { name: name.to_owned() })
}

const fn check_length(text: &str) -> Result<(), CheckpointFault> {
    if text.len() > CHECKPOINT_BYTES_MAX {
        return Err(CheckpointFault::TooLong { bytes: text.len() });
    }
    Ok(())
}
