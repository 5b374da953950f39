//! The types of records: those whose fields are known here, and all others by their number (RFC 3597).

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use borsh::io::{Error, ErrorKind, Read, Result as IoResult, Write};
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// The type of a record. Stored and encoded as its registered number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum RecordType {
    /// An IPv4 address (RFC 1035 §3.4.1).
    A,
    /// An IPv6 address (RFC 3596).
    Aaaa,
    /// Where a service runs (RFC 2782).
    Srv,
    /// Where a service runs and how to speak with it (RFC 9460).
    Svcb,
    /// Text (RFC 1035 §3.3.14).
    Txt,
    /// The key or certificate of a TLS server (RFC 6698).
    Tlsa,
    /// The name that this one is an alias of (RFC 1035 §3.3.1).
    Cname,
    /// Who may issue certificates (RFC 8659).
    Caa,
    /// The name of an address (RFC 1035 §3.3.12).
    Ptr,
    /// The start of a zone (RFC 1035 §3.3.13).
    Soa,
    /// A name server of a zone (RFC 1035 §3.3.11).
    Ns,
    /// Where mail goes (RFC 1035 §3.3.9, RFC 7505).
    Mx,
    /// Where and how a web server is reached (RFC 9460 §9).
    Https,
    /// The fingerprint of an SSH host's key (RFC 4255).
    Sshfp,
    /// A rule that rewrites a name (RFC 3403).
    Naptr,
    /// Any other type: its data are bytes here (RFC 3597).
    Unknown(UnknownType),
}

/// The number of a type that has no variant of its own in [`RecordType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnknownType(u16);

/// The types with fields of their own, their registered numbers and their mnemonics.
const KNOWN: [(RecordType, u16, &str); 15] = [
    (RecordType::A, 1, "A"),
    (RecordType::Aaaa, 28, "AAAA"),
    (RecordType::Srv, 33, "SRV"),
    (RecordType::Svcb, 64, "SVCB"),
    (RecordType::Txt, 16, "TXT"),
    (RecordType::Tlsa, 52, "TLSA"),
    (RecordType::Cname, 5, "CNAME"),
    (RecordType::Caa, 257, "CAA"),
    (RecordType::Ptr, 12, "PTR"),
    (RecordType::Soa, 6, "SOA"),
    (RecordType::Ns, 2, "NS"),
    (RecordType::Mx, 15, "MX"),
    (RecordType::Https, 65, "HTTPS"),
    (RecordType::Sshfp, 44, "SSHFP"),
    (RecordType::Naptr, 35, "NAPTR"),
];

/// Why nobody sets records of a type, at any name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsettableType {
    /// Not the type of a record that a zone can have (RFC 6895 §3.1).
    #[error(
        "{record_type} is not a record type of zone data: it is reserved, or only for queries (RFC 6895 §3.1)"
    )]
    Meta {
        /// The type.
        record_type: RecordType,
    },
    /// A delegation to other servers.
    #[error(
        "{record_type} records delegate a name to other servers, and the mesh answers for every name in its zones itself: \
         set the records of the names below it here"
    )]
    Delegation {
        /// The type.
        record_type: RecordType,
    },
    /// What a zone says of itself.
    #[error(
        "{record_type} records describe a zone or its signatures: the mesh makes them itself, or does not \
        support them"
    )]
    OfTheZone {
        /// The type.
        record_type: RecordType,
    },
    /// A record that answers for all names below its own.
    #[error(
        "{record_type} records answer for every name below theirs, and those may have other owners: set a CNAME record at \
         each name"
    )]
    Below {
        /// The type.
        record_type: RecordType,
    },
    /// Data with names that servers compress, or that must not be in a zone file.
    #[error(
        "{record_type} records are obsolete, and their data is not plain bytes to resolvers (RFC 3597 §4): it cannot be set in \
         the form of unknown types"
    )]
    Obsolete {
        /// The type.
        record_type: RecordType,
    },
}

impl RecordType {
    /// Every type with fields of its own.
    pub const ALL: [Self; KNOWN.len()] = {
        let mut all = [Self::A; KNOWN.len()];
        let mut index = 0;
        while index < KNOWN.len() {
            all[index] = KNOWN[index].0;
            index += 1;
        }
        all
    };

    /// The type with this registered number.
    #[must_use]
    pub fn from_number(number: u16) -> Self {
        let known = KNOWN.into_iter().find(|(_, own, _)| *own == number);
        known.map_or(Self::Unknown(UnknownType(number)), |(record_type, ..)| record_type)
    }

    /// Its registered number.
    #[must_use]
    pub fn number(self) -> u16 {
        if let Self::Unknown(UnknownType(number)) = self {
            return number;
        }
        let known = KNOWN.into_iter().find(|(record_type, ..)| *record_type == self);
        known.map(|(_, number, _)| number).expect("every type but the unknown ones is in the table")
    }

    /// Whether an owner may set records of this type somewhere.
    ///
    /// # Errors
    /// With the reason why nobody may.
    pub fn check_settable(self) -> Result<(), UnsettableType> {
        let record_type = self;
        match self.number() {
            // 41 is OPT; 128 to 255 are meta-types and query types.
            0 | 41 | 128..=255 | u16::MAX => Err(UnsettableType::Meta { record_type }),
            // NS and DS.
            2 | 43 => Err(UnsettableType::Delegation { record_type }),
            // SOA; SIG, KEY, NXT, RRSIG, NSEC, DNSKEY, NSEC3, NSEC3PARAM, CDS, CDNSKEY, TA, DLV; CSYNC and ZONEMD.
            6 | 24 | 25 | 30 | 46..=48 | 50 | 51 | 59 | 60 | 62 | 63 | 32_768 | 32_769 => {
                Err(UnsettableType::OfTheZone { record_type })
            }
            // DNAME.
            39 => Err(UnsettableType::Below { record_type }),
            // MD, MF, MB, MG, MR, NULL, MINFO; RP, AFSDB, RT, PX, A6.
            3 | 4 | 7..=10 | 14 | 17 | 18 | 21 | 26 | 38 => Err(UnsettableType::Obsolete { record_type }),
            _ => Ok(()),
        }
    }
}

impl UnknownType {
    /// This type among all.
    #[must_use]
    pub const fn record_type(self) -> RecordType {
        RecordType::Unknown(self)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match KNOWN.into_iter().find(|(record_type, ..)| record_type == self) {
            Some((.., name)) => formatter.pad(name),
            None => formatter.pad(&alloc::format!("TYPE{}", self.number())),
        }
    }
}

impl fmt::Display for UnknownType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record_type().fmt(formatter)
    }
}

/// A text that names no record type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown record type {found:?}: expected {}, or TYPE and a number, such as TYPE65280", known_names())]
pub struct UnknownRecordType {
    /// What was given.
    pub found: String,
}

fn known_names() -> String {
    KNOWN.map(|(.., name)| name).join(", ")
}

impl FromStr for RecordType {
    type Err = UnknownRecordType;

    /// In upper or lower case; `TYPE28` is AAAA (RFC 3597 §5).
    fn from_str(text: &str) -> Result<Self, UnknownRecordType> {
        let known = KNOWN.into_iter().find(|(.., name)| name.eq_ignore_ascii_case(text));
        let found =
            known.map(|(record_type, ..)| record_type).or_else(|| Some(Self::from_number(number_in(text)?)));
        found.ok_or_else(|| UnknownRecordType { found: text.to_owned() })
    }
}

/// The number in `TYPE65280`, without leading zeros.
fn number_in(text: &str) -> Option<u16> {
    let (prefix, digits) = text.split_at_checked("TYPE".len())?;
    let number: u16 = digits.parse().ok()?;
    let canonical = prefix.eq_ignore_ascii_case("TYPE") && number.to_string() == digits;
    canonical.then_some(number)
}

impl TryFrom<String> for RecordType {
    type Error = UnknownRecordType;

    fn try_from(text: String) -> Result<Self, UnknownRecordType> {
        text.parse()
    }
}

impl From<RecordType> for String {
    fn from(record_type: RecordType) -> Self {
        record_type.to_string()
    }
}

impl TryFrom<String> for UnknownType {
    type Error = UnknownRecordType;

    fn try_from(text: String) -> Result<Self, UnknownRecordType> {
        match text.parse()? {
            RecordType::Unknown(unknown) => Ok(unknown),
            _ => Err(UnknownRecordType { found: text }),
        }
    }
}

impl From<UnknownType> for String {
    fn from(unknown: UnknownType) -> Self {
        unknown.to_string()
    }
}

impl BorshSerialize for RecordType {
    fn serialize<W: Write>(&self, writer: &mut W) -> IoResult<()> {
        BorshSerialize::serialize(&self.number(), writer)
    }
}

impl BorshDeserialize for RecordType {
    fn deserialize_reader<R: Read>(reader: &mut R) -> IoResult<Self> {
        u16::deserialize_reader(reader).map(Self::from_number)
    }
}

impl BorshSerialize for UnknownType {
    fn serialize<W: Write>(&self, writer: &mut W) -> IoResult<()> {
        BorshSerialize::serialize(&self.0, writer)
    }
}

impl BorshDeserialize for UnknownType {
    fn deserialize_reader<R: Read>(reader: &mut R) -> IoResult<Self> {
        match RecordType::deserialize_reader(reader)? {
            RecordType::Unknown(unknown) => Ok(unknown),
            _ => Err(Error::new(ErrorKind::InvalidData, "a type with fields of its own")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn every_type_is_found_by_its_name_in_either_case_and_by_its_number() {
        for record_type in RecordType::ALL {
            let name = record_type.to_string();
            assert_eq!(name.parse(), Ok(record_type));
            assert_eq!(name.to_lowercase().parse(), Ok(record_type));
            let number = record_type.number();
            assert_eq!(alloc::format!("TYPE{number}").parse(), Ok(record_type));
            // An independent list of the registered numbers.
            assert_eq!(hickory_proto::rr::RecordType::from(number).to_string(), name);
        }
        for number in 0..=u16::MAX {
            let record_type = RecordType::from_number(number);
            assert_eq!((record_type.number(), record_type.to_string().parse()), (number, Ok(record_type)));
        }
        assert_eq!("type65280".parse(), Ok(RecordType::Unknown(UnknownType(65280))));
        for text in ["HINFO", "TYPE", "TYPE065280", "TYPE65536", "TYPE+1", "TYP", "TYPÉ1", ""] {
            assert!(text.parse::<RecordType>().is_err(), "{text}");
        }
        let told = "HINFO".parse::<RecordType>().unwrap_err().to_string();
        assert!(told.contains("NAPTR, or TYPE and a number, such as TYPE65280"), "{told}");
    }

    #[test]
    fn a_type_is_stored_as_its_number_and_has_one_form() {
        let stored: Vec<Vec<u8>> = RecordType::ALL.iter().map(crate::base::encode).collect();
        let numbers = [1, 28, 33, 64, 16, 52, 5, 257, 12, 6, 2, 15, 65, 44, 35_u16];
        assert_eq!(stored, numbers.map(|number| number.to_le_bytes().to_vec()));
        assert_eq!(crate::base::decode::<RecordType>(&[28, 0], 2), Ok(RecordType::Aaaa));
        // What has fields of its own is not an unknown type.
        assert!(crate::base::decode::<UnknownType>(&[28, 0], 2).is_err());
        assert!(UnknownType::try_from(String::from("TYPE28")).is_err());
        assert!(crate::base::decode::<UnknownType>(&[29, 0], 2).is_ok());
    }

    #[test]
    fn what_a_type_cannot_be_set_for_is_said() {
        let told = |number: u16| {
            RecordType::from_number(number).check_settable().err().map(|fault| fault.to_string())
        };
        for (numbers, reason) in [
            (&[0, 41, 128, 250, 255, 65535][..], "is not a record type"),
            (&[2, 43], "delegate a name to other servers"),
            (
                &[6, 24, 25, 30, 46, 47, 48, 50, 51, 59, 60, 62, 63, 32768, 32769],
                "describe a zone or its signatures",
            ),
            (&[39], "answer for every name below theirs"),
            (&[3, 4, 7, 8, 9, 10, 14, 17, 18, 21, 26, 38], "are obsolete"),
        ] {
            for number in numbers {
                assert!(
                    told(*number).is_some_and(|told| told.contains(reason)),
                    "{number}: {:?}",
                    told(*number)
                );
            }
        }
        for number in
            [1, 5, 11, 13, 15, 16, 29, 33, 35, 44, 53, 61, 64, 65, 127, 256, 257, 32767, 65280, 65534]
        {
            assert_eq!(told(number), None, "{number}");
        }
    }
}
