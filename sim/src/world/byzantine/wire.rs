//! Silence, garbage, and lies to those who catch up.

use super::{Liar, LiarContext, Lie, Tampering, message};
use hypermesh_core::base::{Height, decode};
use hypermesh_core::hypermesh::ordering::CommitCertificate;
use hypermesh_core::node::MESSAGE_BYTES_MAX;

/// Decided blocks with their certificates, from a height on.
pub(super) type Blocks = (Height, Vec<(Vec<u8>, CommitCertificate)>);

/// The first bytes of messages.
const HEIGHT: u8 = 3;
const BLOCKS: u8 = 5;
/// The most bytes of garbage, but for the few times when it is more than a message may have.
const GARBAGE_BYTES_MAX: u64 = 300;
/// How often a liar sends more bytes than a message may have.
const OVERSIZE_COUNT_MAX: u32 = 2;

impl Liar {
    /// Says nothing, or what is no message.
    pub(super) fn speak(&mut self, context: &mut LiarContext<'_>) -> Tampering {
        match self.lie {
            Lie::Silence => Tampering::Nothing,
            Lie::SelectiveSilence if context.is_other_half() => Tampering::Nothing,
            Lie::Garbage if context.random.per_mille(50) => Tampering::Both(self.garbage(context)),
            _ => Tampering::Honestly,
        }
    }

    fn garbage(&mut self, context: &mut LiarContext<'_>) -> Vec<u8> {
        if self.done < OVERSIZE_COUNT_MAX && context.random.per_mille(50) {
            self.done += 1;
            return vec![0; MESSAGE_BYTES_MAX + 1];
        }
        let length = context.random.below(GARBAGE_BYTES_MAX);
        // Half of it begins as messages do.
        let first = context.random.below(36);
        let rest = (0..length).map(|_| context.random.below(256)).collect::<Vec<_>>();
        core::iter::once(first).chain(rest).filter_map(|byte| u8::try_from(byte).ok()).collect()
    }
}

/// What becomes of blocks and heights that others want to know.
pub(super) fn serve(lie: Lie, kind: u8, rest: &[u8]) -> Tampering {
    match (lie, kind) {
        (Lie::NoBlocks, BLOCKS) => Tampering::Nothing,
        (Lie::FalseHeights, HEIGHT) => Tampering::Instead(message(HEIGHT, &Height(u64::MAX))),
        (Lie::RubbishBlocks, BLOCKS) => rubbish(rest).map_or(Tampering::Honestly, Tampering::Instead),
        _ => Tampering::Honestly,
    }
}

/// Blocks of which the last has too few signatures: the bad one follows good ones, if there are any.
fn rubbish(rest: &[u8]) -> Option<Vec<u8>> {
    let (first, mut blocks): Blocks = decode(rest, MESSAGE_BYTES_MAX).ok()?;
    let (_, certificate) = blocks.last_mut()?;
    certificate.signatures.pop();
    certificate.signatures.pop();
    Some(message(BLOCKS, &(first, blocks)))
}

/// A message that serves this block, as if it had been decided.
#[must_use]
pub fn serve_block(height: Height, block: Vec<u8>, certificate: CommitCertificate) -> Vec<u8> {
    let blocks: Blocks = (height, vec![(block, certificate)]);
    message(BLOCKS, &blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::{Digest, SecretKey, Signature};
    use hypermesh_core::hypermesh::ordering::{CommitSignature, Round};

    #[test]
    fn a_liar_spoils_the_last_certificate_it_serves_claims_the_highest_height_or_says_nothing() {
        let identity = SecretKey::from_seed([3; 32]);
        let signature = CommitSignature { validator: identity.public(), signature: Signature([0; 64]) };
        let certificate = CommitCertificate {
            height: Height(4),
            round: Round(0),
            value_id: Digest([1; 32]),
            signatures: vec![signature; 3],
        };
        let served = serve_block(Height(4), vec![1, 2], certificate);
        let told = rubbish(&served[1..]).unwrap();
        let (first, blocks): Blocks = decode(&told[1..], MESSAGE_BYTES_MAX).unwrap();
        assert_eq!((first, blocks.len(), blocks[0].1.signatures.len()), (Height(4), 1, 1));
        assert_eq!(serve(Lie::NoBlocks, BLOCKS, &served[1..]), Tampering::Nothing);
        let claim = message(HEIGHT, &Height(4));
        let highest = Tampering::Instead(message(HEIGHT, &Height(u64::MAX)));
        assert_eq!(serve(Lie::FalseHeights, HEIGHT, &claim[1..]), highest);
        assert_eq!(serve(Lie::FalseHeights, BLOCKS, &served[1..]), Tampering::Honestly);
    }
}
