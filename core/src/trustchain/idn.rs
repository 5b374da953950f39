//! Internationalised names: which A-labels (`xn--…`) are taken, and how they are shown and typed.
//!
//! One rule for every name that somebody can own here. A label is taken if its U-label is what UTS 46 makes of it
//! (nontransitional, hyphens and joiners checked) and encodes back to it; if each character is one that UTS 39's general
//! security profile recommends, or one of those that RFC 5892, appendix A, allows where it stands; if all are of one script
//! by UTS 39 §5.1; and if not every character of it can be mistaken for ASCII (UTS 39 §4). Right-to-left labels hold to RFC
//! 5893, together with their neighbours.
//!
//! All validators must come to one verdict, so the Unicode version is part of the rule: the crates with its tables are
//! pinned, and a test pins what they say.
//!
//! What is *not* looked at: confusables within a script, between two scripts other than ASCII's, and within ASCII (`rn` and
//! `m`).

use super::name::LABEL_BYTES_MAX;
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use idna::punycode;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_script::{Script, UnicodeScript};
use unicode_security::general_security_profile::IdentifierType;
use unicode_security::{GeneralSecurityProfile, MixedScript, skeleton};

/// What every A-label begins with (RFC 5890 §2.3.2.1).
const ACE_PREFIX: &str = "xn--";

/// Why a name with a label such as `xn--…` is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdnFault {
    /// Hyphens in the third and fourth place of a label that is no A-label (RFC 5890 §2.3.1).
    #[error(
        "label {label:?} is reserved: only labels that begin with xn-- have hyphens in their third and fourth place"
    )]
    Reserved {
        /// The label.
        label: String,
    },
    /// Not the Punycode of anything outside ASCII.
    #[error(
        "label {label:?} is not an A-label: what follows xn-- is not the Punycode (RFC 3492) of a name outside ASCII"
    )]
    Punycode {
        /// The label.
        label: String,
    },
    /// A U-label that UTS 46 writes in another way.
    #[error("label {label:?} ({unicode:?}) is not normalised: UTS 46 makes {expected:?} of it")]
    NotNormalised {
        /// The label.
        label: String,
        /// What it decodes to.
        unicode: String,
        /// What it would have to be.
        expected: String,
    },
    /// A character that names may not have, or not where it stands.
    #[error("label {label:?} ({unicode:?}) has {}, which names may not have there (IDNA 2008, UTS 39)", code_point(*.character))]
    Character {
        /// The label.
        label: String,
        /// What it decodes to.
        unicode: String,
        /// The first such character.
        character: char,
    },
    /// A U-label that UTS 46 refuses as a whole.
    #[error(
        "label {label:?} ({unicode:?}) is not valid by UTS 46: a combining mark at its start, a joiner, a hyphen or right-to-left text out of place"
    )]
    Invalid {
        /// The label.
        label: String,
        /// What it decodes to.
        unicode: String,
    },
    /// More than one script.
    #[error("label {label:?} ({unicode:?}) mixes scripts, {scripts}: use letters of one script in a label")]
    MixedScripts {
        /// The label.
        label: String,
        /// What it decodes to.
        unicode: String,
        /// The scripts, in order of appearance.
        scripts: String,
    },
    /// A label that can be mistaken for one in ASCII.
    #[error(
        "label {label:?} ({unicode:?}) looks like {looks_like:?}: every character of it can be mistaken for ASCII (UTS 39 confusables)"
    )]
    LooksLikeAscii {
        /// The label.
        label: String,
        /// What it decodes to.
        unicode: String,
        /// What it looks like.
        looks_like: String,
    },
    /// A label that may not stand beside a right-to-left one.
    #[error(
        "name {name:?} has a right-to-left label, and another that begins or ends as none beside it may (RFC 5893)"
    )]
    Direction {
        /// The name.
        name: String,
    },
}

/// Checks the labels of a name in ASCII.
pub(super) fn check(name: &str) -> Result<(), IdnFault> {
    let mut has_a_labels = false;
    for label in name.split('.').filter(|label| label.as_bytes().get(2..4) == Some(b"--")) {
        check_label(label)?;
        has_a_labels = true;
    }
    if has_a_labels && !is_bidi_valid(name) {
        return Err(IdnFault::Direction { name: name.to_owned() });
    }
    Ok(())
}

/// A name in U-labels as UTS 46 writes it in ASCII; `None` if it cannot be.
pub(super) fn to_ascii(name: &str) -> Option<String> {
    let ascii =
        Uts46::new().to_ascii(name.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore);
    ascii.ok().map(|ascii| ascii.to_string())
}

/// A name with its A-labels decoded; `None` if it has none, or one that is not taken.
pub(super) fn to_unicode(name: &str) -> Option<String> {
    if !name.split('.').any(|label| label.starts_with(ACE_PREFIX)) || check(name).is_err() {
        return None;
    }
    let shown = |label: &str| match label.strip_prefix(ACE_PREFIX) {
        Some(encoded) => punycode::decode_to_string(encoded),
        None => Some(label.to_owned()),
    };
    let labels: Option<Vec<String>> = name.split('.').map(shown).collect();
    Some(labels?.join("."))
}

fn check_label(label: &str) -> Result<(), IdnFault> {
    let label = label.to_owned();
    let Some(encoded) = label.strip_prefix(ACE_PREFIX) else { return Err(IdnFault::Reserved { label }) };
    let decoded = punycode::decode_to_string(encoded).filter(|unicode| !unicode.is_ascii());
    let Some(unicode) = decoded else { return Err(IdnFault::Punycode { label }) };
    let written =
        Uts46::new().to_ascii(unicode.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Ignore);
    match written {
        Ok(written) if written != label => {
            let (expected, _) =
                Uts46::new().to_unicode(written.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
            let expected = expected.into_owned();
            return Err(IdnFault::NotNormalised { label, unicode, expected });
        }
        written => {
            if let Some(character) = unusable_character(&unicode) {
                return Err(IdnFault::Character { label, unicode, character });
            }
            if written.is_err() {
                return Err(IdnFault::Invalid { label, unicode });
            }
        }
    }
    if !unicode.is_single_script() {
        let scripts = scripts_of(&unicode);
        return Err(IdnFault::MixedScripts { label, unicode, scripts });
    }
    let looks_like: String = skeleton(&unicode).take(LABEL_BYTES_MAX).collect();
    if looks_like.is_ascii() {
        return Err(IdnFault::LooksLikeAscii { label, unicode, looks_like });
    }
    Ok(())
}

fn unusable_character(unicode: &str) -> Option<char> {
    let characters: Vec<char> = unicode.chars().collect();
    let usable = |index: usize, character: char| match character {
        'a'..='z' | '0'..='9' | '-' => true,
        _ if character.is_ascii() => false,
        _ => match character.identifier_type() {
            Some(IdentifierType::Recommended) => digits_are_alike(character, &characters),
            Some(IdentifierType::Inclusion) => may_stand_there(&characters, index, character),
            _ => false,
        },
    };
    characters.iter().enumerate().find(|(index, character)| !usable(*index, **character)).map(|(_, it)| *it)
}

/// RFC 5892, appendices A.3 to A.7: characters that belong between certain others.
fn may_stand_there(characters: &[char], index: usize, character: char) -> bool {
    let before = index.checked_sub(1).and_then(|before| characters.get(before)).copied();
    let after = characters.get(index + 1).copied();
    let is_of = |neighbour: Option<char>, script| neighbour.is_some_and(|it| it.script() == script);
    match character {
        MIDDLE_DOT => before == Some('l') && after == Some('l'),
        GREEK_KERAIA => is_of(after, Script::Greek),
        HEBREW_GERESH | HEBREW_GERSHAYIM => is_of(before, Script::Hebrew),
        KATAKANA_MIDDLE_DOT => characters
            .iter()
            .any(|other| matches!(other.script(), Script::Hiragana | Script::Katakana | Script::Han)),
        _ => false,
    }
}

/// RFC 5892, appendices A.8 and A.9: the two rows of Arabic digits look alike, and are not mixed.
fn digits_are_alike(character: char, characters: &[char]) -> bool {
    let is_arabic = |character: &char| ('\u{660}'..='\u{669}').contains(character);
    let is_extended = |character: &char| ('\u{6f0}'..='\u{6f9}').contains(character);
    !is_arabic(&character) || !characters.iter().any(is_extended)
}

/// RFC 5893 §2 over the whole name. Labels with an underscore in front are of services and records, and no part of a host's
/// name.
fn is_bidi_valid(name: &str) -> bool {
    let labels: Vec<&str> = name.split('.').filter(|label| !label.starts_with('_')).collect();
    to_ascii(&labels.join(".")).is_some()
}

fn scripts_of(unicode: &str) -> String {
    let mut scripts: Vec<&str> = Vec::new();
    for script in unicode.chars().map(|character| character.script()) {
        let name = script.full_name();
        if !matches!(script, Script::Common | Script::Inherited) && !scripts.contains(&name) {
            scripts.push(name);
        }
    }
    scripts.join(" and ")
}

fn code_point(character: char) -> String {
    alloc::format!("U+{:04X}", u32::from(character))
}

const MIDDLE_DOT: char = '\u{b7}';
const GREEK_KERAIA: char = '\u{375}';
const HEBREW_GERESH: char = '\u{5f3}';
const HEBREW_GERSHAYIM: char = '\u{5f4}';
const KATAKANA_MIDDLE_DOT: char = '\u{30fb}';

#[cfg(test)]
mod tests;
