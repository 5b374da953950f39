//! Domain names as the mesh stores them: lower case, absolute, without the final dot.

use super::idn::{self, IdnFault};
use alloc::borrow::ToOwned;
use alloc::string::String;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// The most octets in a label (RFC 1035 §2.3.4).
pub(super) const LABEL_BYTES_MAX: usize = 63;
/// The most characters in a name as text, so that its wire form fits 255 octets (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 253;

/// A domain name: labels of `a-z`, `0-9`, `-` and `_`, lower case, without the final dot.
///
/// Parsed from text, as people type it and JSON has it, it is put into lower case, and U-labels are put into A-labels
/// (`bücher` into `xn--bcher-kva`) as UTS 46 says. Decoded, it must have that form already.
#[derive(
    Clone, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct DomainName(#[borsh(deserialize_with = "checked")] String);

/// A text that is not a domain name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// No labels at all.
    #[error("the name is empty")]
    Empty,
    /// More than 253 characters.
    #[error("the name has {bytes} characters, at most {NAME_BYTES_MAX} are allowed")]
    TooLong {
        /// How many there were.
        bytes: usize,
    },
    /// A label that is empty, longer than 63, or begins or ends with a hyphen.
    #[error(
        "label {label:?} of {name:?} must have 1 to {LABEL_BYTES_MAX} characters and no hyphen at its ends"
    )]
    Label {
        /// The label.
        label: String,
        /// The name it stands in.
        name: String,
    },
    /// A name with `*` for a label.
    #[error(
        "{name:?} is a wildcard, which is not supported: it would answer for every name below, and those \
        may have other owners; set records at each name"
    )]
    Wildcard {
        /// The name.
        name: String,
    },
    /// A character that names may not have.
    #[error("{character:?} in {name:?} is not allowed: use a-z, 0-9, hyphen and underscore (IDNs as xn--…)")]
    Character {
        /// The first such character.
        character: char,
        /// The name it stands in.
        name: String,
    },
    /// A name outside ASCII that has no form in ASCII.
    #[error("{name:?} is not a valid internationalised name: UTS 46 has no form of it in ASCII")]
    Unconvertible {
        /// The name.
        name: String,
    },
}

impl DomainName {
    /// The name as text, without the final dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels, leftmost first.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// The name without its leftmost label; `None` for a name of one label.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, parent)| Self(parent.to_owned()))
    }

    /// Whether this is `ancestor` or lies below it.
    #[must_use]
    pub fn is_within(&self, ancestor: &Self) -> bool {
        match self.0.strip_suffix(&ancestor.0) {
            Some(rest) => rest.is_empty() || rest.ends_with('.'),
            None => false,
        }
    }

    /// Checks that each label such as `xn--…` is a valid A-label, of one script and not to be mistaken for ASCII.
    ///
    /// A name that breaks this is nobody's: it is neither registered, nor given records, nor certified. A record may point at
    /// one elsewhere.
    ///
    /// # Errors
    /// With the first label that breaks the rule, and how.
    pub fn check_idn(&self) -> Result<(), IdnFault> {
        idn::check(&self.0)
    }

    /// The name with its A-labels decoded, for people: `bücher.example` for `xn--bcher-kva.example`. `None` if it has none,
    /// or one that breaks the rule of [`Self::check_idn`] and might look like another name.
    #[must_use]
    pub fn to_unicode(&self) -> Option<String> {
        idn::to_unicode(&self.0)
    }

    /// The name for people: as it is, and decoded behind it where that differs, as in
    /// `xn--bcher-kva.example (bücher.example)`.
    #[must_use]
    pub fn both_ways(&self) -> String {
        match self.to_unicode() {
            Some(unicode) => alloc::format!("{} ({unicode})", self.0),
            None => self.0.clone(),
        }
    }

    /// This name with one or more labels put before it.
    ///
    /// # Errors
    /// If the result is not a name.
    pub fn child(&self, labels: &str) -> Result<Self, InvalidName> {
        alloc::format!("{labels}.{}", self.0).parse()
    }
}

impl FromStr for DomainName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let name = match text.is_ascii() {
            true => text.to_ascii_lowercase(),
            false => converted(text)?,
        };
        let name = name.strip_suffix('.').unwrap_or(&name);
        check(name)?;
        Ok(Self(name.to_owned()))
    }
}

/// Text outside ASCII as UTS 46 writes it in ASCII. What is longer than any name of four-byte characters is not looked at.
fn converted(text: &str) -> Result<String, InvalidName> {
    if text.len() > 4 * NAME_BYTES_MAX {
        return Err(InvalidName::TooLong { bytes: text.len() });
    }
    idn::to_ascii(text).ok_or_else(|| InvalidName::Unconvertible { name: text.to_owned() })
}

fn check(name: &str) -> Result<(), InvalidName> {
    if name.is_empty() {
        return Err(InvalidName::Empty);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(InvalidName::TooLong { bytes: name.len() });
    }
    if name.split('.').any(|label| label == "*") {
        return Err(InvalidName::Wildcard { name: name.to_owned() });
    }
    let allowed = |character: &char| matches!(character, 'a'..='z' | '0'..='9' | '-' | '_' | '.');
    if let Some(character) = name.chars().find(|character| !allowed(character)) {
        return Err(InvalidName::Character { character, name: name.to_owned() });
    }
    let usable = |label: &&str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    match name.split('.').find(|label| !usable(label)) {
        Some(label) => Err(InvalidName::Label { label: label.to_owned(), name: name.to_owned() }),
        None => Ok(()),
    }
}

fn checked<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<String> {
    let name = <String as BorshDeserialize>::deserialize_reader(reader)?;
    match check(&name) {
        Ok(()) => Ok(name),
        Err(_) => Err(borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, "not a domain name")),
    }
}

impl TryFrom<String> for DomainName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<DomainName> for String {
    fn from(name: DomainName) -> Self {
        name.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_lower_case_and_without_the_final_dot() {
        assert_eq!(name("Web.Demo.HyperMesh.").as_str(), "web.demo.hypermesh");
    }

    #[test]
    fn a_name_lies_within_its_ancestors_and_not_within_a_suffix() {
        assert!(name("web.demo.hypermesh").is_within(&name("demo.hypermesh")));
        assert!(name("demo.hypermesh").is_within(&name("demo.hypermesh")));
        assert!(!name("xdemo.hypermesh").is_within(&name("demo.hypermesh")));
    }

    #[test]
    fn limits_hold_at_them_and_one_past_them() {
        assert!("a".repeat(63).parse::<DomainName>().is_ok());
        assert!("a".repeat(64).parse::<DomainName>().is_err());
        let long =
            alloc::format!("{}.{}.{}.{}", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61));
        assert_eq!(long.len(), 253);
        assert!(long.parse::<DomainName>().is_ok());
        assert!(alloc::format!("{long}d").parse::<DomainName>().is_err());
    }

    #[test]
    fn a_wildcard_is_refused_as_one() {
        for text in ["*.b", "a.*.b", "*"] {
            assert_eq!(text.parse::<DomainName>(), Err(InvalidName::Wildcard { name: text.into() }));
        }
        assert!(matches!("a*.b".parse::<DomainName>(), Err(InvalidName::Character { .. })));
    }

    #[test]
    fn what_is_not_a_name_is_refused_and_never_decoded() {
        for text in ["", ".", "a..b", "-a.b", "a-.b", "a b", "*.b", "\u{301}.b", "b\u{fffd}", "ä b", "ℂ/b"]
        {
            assert!(text.parse::<DomainName>().is_err(), "{text:?}");
        }
        for smuggled in ["A.b", "ä.b", "a."] {
            let smuggled = crate::base::encode(&String::from(smuggled));
            assert!(crate::base::decode::<DomainName>(&smuggled, 64).is_err());
        }
    }
}
