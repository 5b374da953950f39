//! What the data of one record may hold.

use super::{
    CAA_TAG_BYTES_MAX, CHARACTER_STRING_BYTES_MAX, Octets, RECORD_BYTES_MAX, RecordData, SVCB_VALUES_MAX,
    SvcbParameters,
};

/// What is wrong with the data of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordDataFault {
    /// Too much of it.
    #[error("the record takes {bytes} bytes, at most {RECORD_BYTES_MAX} are allowed")]
    TooLong {
        /// How many bytes it takes on the wire.
        bytes: usize,
    },
    /// A TXT record without strings.
    #[error("a TXT record needs at least one string, which may be empty")]
    NoStrings,
    /// A string that is too long.
    #[error("a string of {bytes} bytes, at most {CHARACTER_STRING_BYTES_MAX} are allowed: split it")]
    StringTooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A field of a TLSA record that has no meaning.
    #[error("TLSA needs a usage from 0 to 3, a selector of 0 or 1 and a matching type from 0 to 2")]
    TlsaField,
    /// TLSA data whose length its matching type does not have.
    #[error(
        "TLSA data has {bytes} bytes, which its matching type does not: 1 has 32, 2 has 64, 0 at least 1"
    )]
    TlsaData {
        /// How long it is.
        bytes: usize,
    },
    /// A CAA tag that is not lower-case letters and digits.
    #[error("a CAA tag has 1 to {CAA_TAG_BYTES_MAX} lower-case letters and digits, such as issue")]
    CaaTag,
    /// An alias with parameters.
    #[error("an SVCB or HTTPS record of priority 0 is an alias and has no parameters")]
    SvcbAlias,
    /// A parameter with too many values.
    #[error("a parameter of an SVCB or HTTPS record has more than {SVCB_VALUES_MAX} values")]
    SvcbValues,
    /// An ALPN identifier that is empty, too long or not plain.
    #[error("an ALPN identifier is visible ASCII without quote, comma and backslash, such as h3 or stoq/1")]
    SvcbAlpn,
    /// `no-default-alpn` by itself.
    #[error("no-default-alpn requires alpn")]
    SvcbNoDefaultAlpn,
    /// `mandatory` out of order, with repetitions, or with a parameter that is not there.
    #[error("mandatory lists each parameter once, in order, and only such as the record has")]
    SvcbMandatory,
    /// "No mail" with a preference.
    #[error(
        "an MX record without a mail server means that the name takes no mail, and is written \"0 .\" (RFC \
        7505 §3)"
    )]
    NullMx,
    /// A field of an SSHFP record that has no meaning.
    #[error("SSHFP needs an algorithm above 0 and a fingerprint type of 1, SHA-1, or 2, SHA-256")]
    SshfpField,
    /// A fingerprint whose length its type does not have.
    #[error("the SSHFP fingerprint has {bytes} bytes, which its type does not: 1 has 20, 2 has 32")]
    SshfpFingerprint {
        /// How long it is.
        bytes: usize,
    },
    /// Flags of a NAPTR record that are no letters or digits.
    #[error("NAPTR flags are letters and digits, such as \"S\", \"A\", \"U\", or none")]
    NaptrFlags,
    /// A NAPTR record that says twice what a name becomes.
    #[error(
        "a NAPTR record has a regular expression or a replacement, not both (RFC 3403 §4.1): leave one as \"\" or ."
    )]
    NaptrRewrite,
}

impl RecordData {
    /// Whether the data has a meaning and keeps to the bounds.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self) -> Result<(), RecordDataFault> {
        let bytes = self.wire_bytes();
        if bytes > RECORD_BYTES_MAX {
            return Err(RecordDataFault::TooLong { bytes });
        }
        match self {
            Self::Txt(strings) if strings.is_empty() => Err(RecordDataFault::NoStrings),
            Self::Txt(strings) => check_strings(strings),
            Self::Tlsa { usage, selector, matching, data } => {
                check_tlsa(*usage, *selector, *matching, data.len())
            }
            Self::Caa { tag, .. } => {
                let plain = tag.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
                let usable = plain && (1..=CAA_TAG_BYTES_MAX).contains(&tag.len());
                if usable { Ok(()) } else { Err(RecordDataFault::CaaTag) }
            }
            Self::Svcb { priority, parameters, .. } | Self::Https { priority, parameters, .. } => {
                check_binding(*priority, parameters)
            }
            Self::Mx { preference: 1.., exchange: None } => Err(RecordDataFault::NullMx),
            Self::Sshfp { algorithm, fingerprint_type, fingerprint } => {
                check_sshfp(*algorithm, *fingerprint_type, fingerprint.len())
            }
            Self::Naptr { flags, services, regexp, replacement, .. } => {
                check_strings([flags, services, regexp])?;
                if !flags.0.iter().all(u8::is_ascii_alphanumeric) {
                    return Err(RecordDataFault::NaptrFlags);
                }
                let twice = !regexp.0.is_empty() && replacement.is_some();
                if twice { Err(RecordDataFault::NaptrRewrite) } else { Ok(()) }
            }
            Self::A(_) | Self::Aaaa(_) | Self::Srv { .. } | Self::Mx { .. } => Ok(()),
            Self::Cname(_) | Self::Ptr(_) | Self::Ns(_) | Self::Soa(_) | Self::Unknown { .. } => Ok(()),
        }
    }
}

fn check_strings<'a>(strings: impl IntoIterator<Item = &'a Octets>) -> Result<(), RecordDataFault> {
    match strings.into_iter().find(|string| string.0.len() > CHARACTER_STRING_BYTES_MAX) {
        Some(string) => Err(RecordDataFault::StringTooLong { bytes: string.0.len() }),
        None => Ok(()),
    }
}

const fn check_tlsa(usage: u8, selector: u8, matching: u8, bytes: usize) -> Result<(), RecordDataFault> {
    if usage > 3 || selector > 1 {
        return Err(RecordDataFault::TlsaField);
    }
    match (matching, bytes) {
        (0, 1..) | (1, 32) | (2, 64) => Ok(()),
        (0..=2, _) => Err(RecordDataFault::TlsaData { bytes }),
        _ => Err(RecordDataFault::TlsaField),
    }
}

fn check_binding(priority: u16, parameters: &SvcbParameters) -> Result<(), RecordDataFault> {
    match priority {
        0 if *parameters == SvcbParameters::default() => Ok(()),
        0 => Err(RecordDataFault::SvcbAlias),
        _ => parameters.check(),
    }
}

/// By RFC 4255 §3.1 and RFC 6594 §3.
const fn check_sshfp(algorithm: u8, fingerprint_type: u8, bytes: usize) -> Result<(), RecordDataFault> {
    match (algorithm, fingerprint_type, bytes) {
        (1.., 1, 20) | (1.., 2, 32) => Ok(()),
        (1.., 1 | 2, _) => Err(RecordDataFault::SshfpFingerprint { bytes }),
        _ => Err(RecordDataFault::SshfpField),
    }
}
