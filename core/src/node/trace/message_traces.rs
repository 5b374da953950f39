//! Trace ids beside a message between validators: which of its parts belongs to which requests.
//!
//! They stand outside everything that is hashed or signed, and nothing that is decided rests on them: a peer that sends
//! false ones makes this node remember false steps, in the room that this peer has, and nothing else.

use crate::api::TraceId;
use alloc::vec::Vec;
use borsh::io::{Error, ErrorKind, Read, Result, Write};
use borsh::{BorshDeserialize, BorshSerialize};

/// The most trace ids beside one message.
pub(in crate::node) const MESSAGE_TRACE_COUNT_MAX: usize = 256;

/// Trace ids of parts of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::node) struct MessageTraces(Vec<TracedPart>);

/// A part of a message, and a request that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(in crate::node) struct TracedPart {
    /// Which part: the number of an operation in its batch, or of a task among those to be signed.
    pub(in crate::node) index: u16,
    /// The request.
    pub(in crate::node) trace: TraceId,
}

impl MessageTraces {
    /// As many of these as a message may bear.
    pub(in crate::node) fn new(parts: impl Iterator<Item = TracedPart>) -> Self {
        Self(parts.take(MESSAGE_TRACE_COUNT_MAX).collect())
    }

    pub(in crate::node) fn parts(&self) -> &[TracedPart] {
        &self.0
    }
}

impl BorshSerialize for MessageTraces {
    fn serialize<W: Write>(&self, writer: &mut W) -> Result<()> {
        self.0.serialize(writer)
    }
}

impl BorshDeserialize for MessageTraces {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        let count = u32::deserialize_reader(reader)?;
        if count as usize > MESSAGE_TRACE_COUNT_MAX {
            return Err(Error::new(ErrorKind::InvalidData, "more trace ids than a message may bear"));
        }
        (0..count).map(|_| TracedPart::deserialize_reader(reader)).collect::<Result<_>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{decode, encode};
    use proptest::prelude::*;

    fn part(index: u16) -> TracedPart {
        TracedPart { index, trace: TraceId([7; 16]) }
    }

    #[test]
    fn trace_ids_beside_a_message_hold_at_their_limit_and_not_one_past_it() {
        let at_limit: Vec<TracedPart> = (0..MESSAGE_TRACE_COUNT_MAX as u16).map(part).collect();
        assert_eq!(
            MessageTraces::new((0..u16::MAX).map(part)),
            MessageTraces(at_limit.clone()),
            "no more are ever sent"
        );
        let bytes = encode(&at_limit);
        assert_eq!(decode(&bytes, bytes.len()), Ok(MessageTraces(at_limit)));
        let past: Vec<TracedPart> = (0..=MESSAGE_TRACE_COUNT_MAX as u16).map(part).collect();
        let bytes = encode(&past);
        assert!(decode::<MessageTraces>(&bytes, bytes.len()).is_err());
    }

    proptest! {
        #[test]
        fn trace_ids_come_back_alike_and_junk_never_panics(
            parts in prop::collection::vec((any::<u16>(), any::<[u8; 16]>()), 0..20),
            junk in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let parts = parts.into_iter().map(|(index, id)| TracedPart { index, trace: TraceId(id) });
            let traces = MessageTraces::new(parts);
            let bytes = encode(&traces);
            prop_assert_eq!(decode::<MessageTraces>(&bytes, bytes.len()), Ok(traces));
            if let Ok(traces) = decode::<MessageTraces>(&junk, junk.len()) {
                prop_assert_eq!(encode(&traces), junk);
            }
        }
    }
}
