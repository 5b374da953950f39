//! Who may do what: an independent model of the rights, written from the documentation and not from the core's code.
//!
//! It replays every decided block out of its operations and holds what it needs to judge the next: names and their owners,
//! records, instances of services, certificates, the revocation list, which receipts stand. Of the state it reads where it
//! begins, and afterwards only to be compared with it. It uses the core's types, codecs and the reading of certificate
//! requests, and none of its rules. What owners hold in the ledger it is told by the [`super::ledger`] check, which has a
//! model of that.
//!
//! Judged are:
//! - every receipt: what is done must be allowed, all of it; what is refused must be so for a reason that holds (which of
//!   several is named is not laid down), and for a reason that costs nothing if there is one;
//! - every effect that a receipt names, and what stands in the state after the block;
//! - every certificate that is approved, by the bytes that were logged, and every one that is shown;
//! - every answer about records and the owner of a name, and every refusal that a node gives by itself.
//!
//! What is not judged: key generation, repairs and evidence (the validators' word), and whether a batch may be in a block
//! (the check `validity`).

mod aliases;
mod answers;
mod carry_out;
mod certificates;
mod compare;
mod form;
mod model;
mod names;
mod reason;
mod records;
mod root_list;
mod services;
#[cfg(test)]
mod tests;

use super::ledger::{LedgerCheck, OwnerFunds};
use super::{Chain, Decided, ObservedAnswer, Violation};
use hypermesh_core::base::{Height, UnixMillis};
use hypermesh_core::state::{Block, Effect, Operation, Outcome, Receipt, State};
use hypermesh_core::trustchain::ca::{CertificateRequest, CertificateRole, parse_certificate};
use hypermesh_core::trustchain::ct::LogEntry;
use model::{BlockPosition, Model, Objections};
use reason::RefusalReason;

/// All is compared in one of so many blocks.
const COMPARED_EVERY: u64 = 16;

/// Watches the rights.
#[derive(Default)]
pub struct PolicyCheck {
    /// The model, and the height that it is of.
    model: Option<(Height, Model)>,
}

impl PolicyCheck {
    /// Looks at a block that no node had before. `ledger` has looked at it.
    ///
    /// # Errors
    /// If something was done that nobody may do, or refused without a reason, or the state is not what follows.
    pub(super) fn on_block(
        &mut self,
        chain: &Chain,
        height: Height,
        ledger: &LedgerCheck,
    ) -> Result<(), Violation> {
        let Some(decided) = chain.at(height) else { return Ok(()) };
        let (Some(block), Some((at, mut model))) = (&decided.block, self.model.take()) else {
            self.model = Some((height, Model::of(&decided.state)));
            return Ok(());
        };
        if at.next() != height {
            self.model = Some((height, Model::of(&decided.state)));
            return Ok(());
        }
        let outcome = replay(&mut model, decided, block, ledger);
        self.model = Some((height, model));
        outcome.map_err(|what| Violation::new("policy", format!("block {height}: {what}")))
    }

    /// Looks at an answer.
    ///
    /// # Errors
    /// If it shows what is not so, or refuses what is allowed.
    pub(super) fn on_answer(
        &self,
        chain: &Chain,
        observed: &ObservedAnswer<'_>,
        ledger: &LedgerCheck,
    ) -> Result<(), Violation> {
        let outcome = answers::judge(self.model.as_ref(), chain, observed, ledger);
        outcome.map_err(|what| observed.observation.violation("policy", what))
    }

    /// Compares all that is known in the end.
    ///
    /// # Errors
    /// If the newest state is not what follows from all blocks.
    pub(super) fn finish(&self, newest: Option<&State>) -> Result<(), Violation> {
        let Some((height, model)) = &self.model else { return Ok(()) };
        let Some(state) = newest.filter(|state| state.height() == *height) else { return Ok(()) };
        let broken = |what: String| Violation::new("policy", format!("after block {height} {what}"));
        model.compare_all(state).map_err(broken)
    }
}

fn replay(model: &mut Model, decided: &Decided, block: &Block, ledger: &LedgerCheck) -> Result<(), String> {
    let position @ (height, time) = (block.header.height, block.header.time);
    model.pass(time);
    model.await_keys(time, &decided.state);
    let first = decided.state.log().size() - decided.entries.len() as u64;
    let mut receipts = decided.receipts.iter().peekable();
    for operation in block.body.batches.iter().flat_map(|batch| &batch.operations) {
        let id = operation.id();
        let wrong = |what: String| {
            let action = operation.body.action.name();
            format!("operation {id} ({action}, by {}): {what}", operation.body.owner)
        };
        let request =
            form::check(operation).map_err(|what| wrong(format!("it may be in no block: {what}")))?;
        let stands = model.receipts.contains_key(&id);
        let Some(receipt) = receipts.next_if(|receipt| receipt.operation == id) else {
            if stands {
                continue;
            }
            return Err(wrong("it has no receipt".to_string()));
        };
        if stands {
            return Err(wrong("it has a second receipt".to_string()));
        }
        let judged =
            Judged { operation, request: request.as_ref(), owner_funds: ledger.owner_funds(&id), position };
        judged.check(model, receipt).map_err(wrong)?;
        if let Outcome::Done(Effect::CertificateApproved { leaf_index, .. }) = &receipt.outcome {
            let entry = leaf_index.0.checked_sub(first).and_then(|at| usize::try_from(at).ok());
            let entry = entry.and_then(|at| decided.entries.get(at));
            check_bytes(model, operation, entry.map(Vec::as_slice), time).map_err(wrong)?;
        }
    }
    model.fix_list(time);
    model.compare_touched(&decided.state)?;
    if height.0.is_multiple_of(COMPARED_EVERY) { model.compare_all(&decided.state) } else { Ok(()) }
}

/// An operation in a block, and what it is judged by.
struct Judged<'a> {
    operation: &'a Operation,
    request: Option<&'a CertificateRequest>,
    owner_funds: OwnerFunds,
    position: BlockPosition,
}

impl Judged<'_> {
    /// Judges a receipt, and carries out what it says was done.
    fn check(&self, model: &mut Model, receipt: &Receipt) -> Result<(), String> {
        let Self { operation, request, owner_funds, position } = *self;
        let against = model.against(operation, request, owner_funds, position.1);
        match &receipt.outcome {
            Outcome::Refused(refusal) => {
                let reason = RefusalReason::of(refusal);
                against.allows(reason).map_err(|why| format!("it was refused as {reason:?}, and {why}"))?;
                // What nobody pays for is left out of a block by its proposer, so it has no receipt.
                if !against.unpaid.is_empty() {
                    return Err(format!("it is in a block, against {:?}", against.unpaid));
                }
                model.receipts.insert(receipt.operation, operation.body.expires);
                Ok(())
            }
            Outcome::Done(effect) => {
                against.is_nothing().map_err(|reasons| format!("it was done, against {reasons}"))?;
                let expected = model.carry_out(operation, request, owner_funds, position);
                model.receipts.insert(receipt.operation, operation.body.expires);
                match expected.is_some_and(|expected| is_alike(&expected, effect)) {
                    true => Ok(()),
                    false => Err(format!("its receipt says {effect:?}")),
                }
            }
        }
    }
}

impl Objections {
    /// Whether nothing stands against it; if something does, what.
    fn is_nothing(&self) -> Result<(), String> {
        match self.unpaid.is_empty() && self.paid.is_empty() {
            true => Ok(()),
            false => Err(format!("{:?}", self.unpaid.union(&self.paid).collect::<Vec<_>>())),
        }
    }

    /// Whether a refusal may name this reason; if not, why not.
    fn allows(&self, reason: RefusalReason) -> Result<(), String> {
        let among = if self.unpaid.is_empty() { &self.paid } else { &self.unpaid };
        match among.contains(&reason) {
            true => Ok(()),
            false if among.is_empty() => Err("nothing stands against it".to_string()),
            false => Err(format!("what stands against it is {among:?}")),
        }
    }
}

/// Whether a receipt's effect is the expected one. The hash of a certificate's bytes is compared with the bytes elsewhere.
fn is_alike(expected: &Effect, told: &Effect) -> bool {
    let (
        Effect::CertificateApproved { serial, leaf_index, precertificate: _ },
        Effect::CertificateApproved { serial: other, leaf_index: place, precertificate: _ },
    ) = (expected, told)
    else {
        return expected == told;
    };
    (serial, leaf_index) == (other, place)
}

/// Whether the bytes that were logged certify what was asked for, and nothing else.
fn check_bytes(
    model: &Model,
    operation: &Operation,
    entry: Option<&[u8]>,
    time: UnixMillis,
) -> Result<(), String> {
    let entry = entry.and_then(|entry| LogEntry::decode(entry).ok()).ok_or("it is not logged")?;
    let signed = parse_certificate(&unsigned(&entry.tbs)).map_err(|fault| fault.to_string())?;
    let leaf = model.leaves.get(&signed.serial).ok_or("another serial number is logged")?;
    if entry.timestamp != time || leaf.owner != operation.body.owner {
        return Err(format!("it is logged as of {}", entry.timestamp));
    }
    answers::check_certificate(leaf, &signed)
}

/// A certificate with these to-be-signed bytes and a signature of zeros, in DER: only to be taken apart.
fn unsigned(tbs: &[u8]) -> Vec<u8> {
    const ED25519: [u8; 7] = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];
    let content = [tbs, &ED25519, &[0x03, 0x41, 0x00], &[0; 64]].concat();
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    [[0x30, 0x82].as_slice(), &length, &content].concat()
}
