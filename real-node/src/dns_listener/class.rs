//! What kind of an answer a response is, for limits that differ by it; and the response that is sent in place of one
//! past its limit.

/// What responses are limited by besides their client's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateClass {
    /// Has records. Counted for each name: a resolver asks for many, a flood for few.
    Positive,
    /// There is such a name, and it has no such records.
    NoData,
    /// There is no such name.
    NxDomain,
    /// Anything with another code.
    Error,
    /// Names the servers of a zone below.
    Referral,
    /// Every response, besides its own class.
    All,
}

impl RateClass {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Positive, Self::NoData, Self::NxDomain, Self::Error, Self::Referral, Self::All];

    /// What it is called in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::NoData => "nodata",
            Self::NxDomain => "nxdomain",
            Self::Error => "error",
            Self::Referral => "referral",
            Self::All => "all",
        }
    }

    /// The class of a response, by its header (RFC 1035 §4.1.1; RFC 2308 §2.2 on telling a referral).
    pub(super) fn of(response: &[u8]) -> Self {
        let Some([_, _, flags, code, _, _, answers @ .., n0, n1, _, _]) =
            response.first_chunk::<HEADER_BYTES>()
        else {
            return Self::Error;
        };
        match code & CODE {
            NXDOMAIN => Self::NxDomain,
            NOERROR if *answers != [0, 0] => Self::Positive,
            NOERROR if flags & (AUTHORITATIVE | TRUNCATION) == 0 && (*n0, *n1) != (0, 0) => Self::Referral,
            // Cut short, it has records that did not fit.
            NOERROR if flags & TRUNCATION != 0 => Self::Positive,
            NOERROR => Self::NoData,
            _ => Self::Error,
        }
    }
}

/// The name that a response is about, as it stands in it, if it says so. The longest has 255 bytes.
pub(super) fn question_name(response: &[u8]) -> &[u8] {
    let end = question_end(response).unwrap_or(HEADER_BYTES + TYPE_AND_CLASS_BYTES);
    response.get(HEADER_BYTES..end - TYPE_AND_CLASS_BYTES).unwrap_or_default()
}

/// The response with its question alone, and the sign that there is more to be had over TCP.
pub(super) fn truncated(mut response: Vec<u8>) -> Vec<u8> {
    let end = question_end(&response);
    response.truncate(end.unwrap_or(HEADER_BYTES));
    let questions = u8::from(end.is_some());
    if let Some(header) = response.first_chunk_mut::<HEADER_BYTES>() {
        header[2] |= TRUNCATION;
        header[4..].copy_from_slice(&[0, questions, 0, 0, 0, 0, 0, 0]);
    }
    response
}

/// Where the one question of a response of ours ends; it is the first name, so nothing in it is compressed.
fn question_end(response: &[u8]) -> Option<usize> {
    if response.get(4..6) != Some(&[0, 1]) {
        return None;
    }
    let mut at = HEADER_BYTES;
    loop {
        match usize::from(*response.get(at)?) {
            0 => break,
            length @ 1..64 => at += 1 + length,
            _ => return None,
        }
    }
    let end = at + 1 + TYPE_AND_CLASS_BYTES;
    (end <= response.len()).then_some(end)
}

/// Bytes of a message's header.
const HEADER_BYTES: usize = 12;
/// Bytes of a question behind its name.
const TYPE_AND_CLASS_BYTES: usize = 4;
/// The bit AA in the header's third byte.
const AUTHORITATIVE: u8 = 4;
/// The bit TC beside it.
const TRUNCATION: u8 = 2;
/// The response code in the fourth byte.
const CODE: u8 = 15;
const NOERROR: u8 = 0;
const NXDOMAIN: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_response_is_classed_by_its_header() {
        let classed = |flags: u8, code: u8, answers: u8, authority: u8| {
            RateClass::of(&[0, 7, 0x80 | flags, code, 0, 1, 0, answers, 0, authority, 0, 1])
        };
        assert_eq!(classed(AUTHORITATIVE, 0, 1, 0), RateClass::Positive);
        assert_eq!(classed(AUTHORITATIVE, 0, 0, 1), RateClass::NoData);
        assert_eq!(classed(AUTHORITATIVE | TRUNCATION, 0, 0, 0), RateClass::Positive);
        assert_eq!(classed(0, 0, 0, 2), RateClass::Referral);
        assert_eq!(classed(0, 0, 0, 0), RateClass::NoData);
        assert_eq!(classed(AUTHORITATIVE, 3, 0, 1), RateClass::NxDomain);
        assert_eq!(
            classed(AUTHORITATIVE, 3, 1, 1),
            RateClass::NxDomain,
            "an alias to a name that is not there"
        );
        for code in [1, 2, 4, 5, 0x80 | 5] {
            assert_eq!(classed(0, code, 0, 0), RateClass::Error);
        }
        assert_eq!(RateClass::of(&[0; 11]), RateClass::Error);
    }

    #[test]
    fn a_responses_name_is_found_where_there_is_one() {
        let response =
            [&[0, 7, 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x03web\0", &[0, 28, 0, 1, 9]].concat();
        assert_eq!(question_name(&response), b"\x03web\0");
        for cut in 0..response.len() - 1 {
            assert_eq!(question_name(&response[..cut]), b"");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_truncating_never_makes_longer(response in prop::collection::vec(any::<u8>(), 0..80)) {
            let length = response.len();
            let _class = RateClass::of(&response);
            prop_assert!(question_name(&response).len() <= length);
            prop_assert!(truncated(response).len() <= length);
        }
    }
}
