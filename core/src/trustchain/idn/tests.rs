//! Which A-labels are taken, and what is said of the others.

use super::*;
use crate::trustchain::DomainName;
use alloc::format;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use unicode_security::{RestrictionLevel, RestrictionLevelDetection};

/// The Punycode of a text as it stands, which UTS 46 did not map.
fn a_label(unicode: &str) -> String {
    format!("{ACE_PREFIX}{}", punycode::encode_str(unicode).unwrap())
}

fn verdict(unicode: &str) -> Result<(), IdnFault> {
    check(&format!("{}.demo.hypermesh", a_label(unicode)))
}

fn said(unicode: &str) -> String {
    verdict(unicode).unwrap_err().to_string()
}

#[test]
fn labels_of_one_script_are_taken() {
    for unicode in [
        "bücher",
        "büro",
        "faß",
        "naïve-2",
        "smørrebrød",
        "tiếng-việt",
        "пример",
        "παράδειγμα",
        "بيت",
        "مثال",
        "שלום",
        "ไทย",
        "हिन्दी",
        "한국",
        "中文",
        "日本語",
        "例えテスト",
        "テスト",
        "l·l",
        "ראש״ת",
        "カ・カ",
        "१२हिन्दी",
        "ქართული",
        "հայերեն",
    ] {
        assert_eq!(verdict(unicode), Ok(()), "{unicode}");
    }
}

#[test]
fn labels_of_two_scripts_are_refused_with_both() {
    for (unicode, scripts) in [
        ("аpple", "Cyrillic and Latin"),
        ("wеb", "Latin and Cyrillic"),
        ("bücher中", "Latin and Han"),
        ("한テ", "Hangul and Katakana"),
        ("αбв", "Greek and Cyrillic"),
        ("abcテスト", "Latin and Katakana"),
    ] {
        assert!(
            said(unicode).contains(&format!("({unicode:?}) mixes scripts, {scripts}: ")),
            "{}",
            said(unicode)
        );
    }
}

#[test]
fn labels_that_look_like_ascii_are_refused_with_what_they_look_like() {
    assert!(said("раура").contains("looks like \"paypa\""), "{}", said("раура"));
    for unicode in ["аррӏе", "сосо", "о", "ѕсоре", "οο"] {
        assert!(matches!(verdict(unicode), Err(IdnFault::LooksLikeAscii { .. })), "{unicode}");
    }
}

#[test]
fn what_is_no_a_label_is_refused_with_the_reason() {
    for label in ["xn--a", "xn--abc-", "xn--99999999999", "xn--b_cher-kva", "xn--0"] {
        let refused = check(&format!("{label}.demo"));
        assert!(
            matches!(refused, Err(IdnFault::Punycode { .. } | IdnFault::Character { .. })),
            "{label}: {refused:?}"
        );
    }
    for label in ["ab--c", "xm--bcher-kva", "ns--"] {
        assert!(matches!(check(&format!("a.{label}.demo")), Err(IdnFault::Reserved { .. })), "{label}");
    }
    for plain in ["a-b.demo", "a--b.demo", "x-n--b.demo", "xn-b.demo", "_443._tcp.demo"] {
        assert_eq!(check(plain), Ok(()), "{plain}");
    }
}

#[test]
fn what_is_not_normalised_is_refused_with_what_it_would_be() {
    for (unicode, expected) in [
        ("Bücher", "bücher"),
        ("bu\u{308}cher", "bücher"),
        ("ﬁü", "fiü"),
        ("ⅷé", "viiié"),
        ("カ\u{ff65}", "カ・"),
    ] {
        let fault = IdnFault::NotNormalised {
            label: a_label(unicode),
            unicode: unicode.into(),
            expected: expected.into(),
        };
        assert_eq!(verdict(unicode), Err(fault), "{unicode}");
    }
}

#[test]
fn characters_that_names_may_not_have_are_refused_by_code_point() {
    for (unicode, character) in [
        ("☃", '☃'),
        ("ü😀", '😀'),
        ("ab·c", '·'),
        ("·", '·'),
        ("カ゠カ", '゠'),
        ("a’é", '’'),
        ("ab・é", '・'),
        ("א׳", '\u{0}'),
        ("a׳é", '׳'),
        ("مـث", 'ـ'),
        ("٣۴م", '٣'),
        ("ᚠᚢ", 'ᚠ'),
        ("क्\u{200d}ष", '\u{200d}'),
    ] {
        match verdict(unicode) {
            Ok(()) => assert_eq!(character, '\u{0}', "{unicode}"),
            Err(IdnFault::Character { character: found, .. }) => assert_eq!(found, character, "{unicode}"),
            Err(other) => panic!("{unicode}: {other}"),
        }
    }
    assert!(said("☃").contains("U+2603"));
    for unicode in ["\u{301}é", "é-", "-é", "éa--b", "ab--é", "אa", "א1a"] {
        let refused = verdict(unicode);
        assert!(matches!(refused, Err(IdnFault::Invalid { .. })), "{unicode:?}: {refused:?}");
    }
}

#[test]
fn a_right_to_left_label_stands_beside_those_that_may() {
    let hebrew = a_label("שלום");
    for name in [format!("{hebrew}.demo"), format!("_443._tcp.{hebrew}.demo"), format!("web-1.{hebrew}.demo")]
    {
        assert_eq!(check(&name), Ok(()), "{name}");
    }
    for name in [format!("1web.{hebrew}.demo"), format!("{hebrew}.3com")] {
        assert_eq!(check(&name), Err(IdnFault::Direction { name: name.clone() }));
    }
    assert_eq!(check(&format!("1web.{}.demo", a_label("bücher"))), Ok(()));
}

#[test]
fn what_is_typed_is_converted_and_what_is_shown_comes_back() {
    for (typed, ascii) in [
        ("bücher.demo.hypermesh", "xn--bcher-kva.demo.hypermesh"),
        ("BÜCHER.Demo.hypermesh.", "xn--bcher-kva.demo.hypermesh"),
        ("bu\u{308}cher。demo", "xn--bcher-kva.demo"),
        ("_443._tcp.bücher.demo", "_443._tcp.xn--bcher-kva.demo"),
        ("ｗｐａｄ.demo", "wpad.demo"),
    ] {
        let name: DomainName = typed.parse().unwrap();
        assert_eq!(name.as_str(), ascii);
        if let Some(shown) = name.to_unicode() {
            assert_eq!(shown.parse(), Ok(name.clone()));
            assert_eq!(name.both_ways(), format!("{ascii} ({shown})"));
        }
    }
    for plain in ["web.demo", "xn--pple-43d.demo", "ab--c.demo"] {
        let name: DomainName = plain.parse().unwrap();
        assert_eq!((name.to_unicode(), name.both_ways()), (None, plain.to_string()));
    }
}

/// The same rule out of other functions of the same libraries, without the exceptions of RFC 5892.
fn is_taken_by_the_book(label: &str) -> bool {
    let (unicode, valid) = Uts46::new().to_unicode(label.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
    valid.is_ok()
        && !unicode.is_ascii()
        && to_ascii(&unicode).as_deref() == Some(label)
        && unicode.check_restriction_level(RestrictionLevel::SingleScript)
        && skeleton(&unicode).any(|character| !character.is_ascii())
}

fn has_exceptions(unicode: &str) -> bool {
    let is_exception = |character: char| {
        ('\u{660}'..='\u{669}').contains(&character)
            || character.identifier_type() == Some(IdentifierType::Inclusion)
    };
    unicode.chars().any(|character| !character.is_ascii() && is_exception(character))
}

fn unicode_label() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zü-ÿ0-9-]{1,8}",
        "[а-яa-z]{1,6}",
        "[α-ωά-ώ]{1,6}",
        "[ぁ-んァ-ヶ一-龠・]{1,6}",
        "[א-תa0-9׳]{1,5}",
        "[ء-ي٠-٩۰-۹]{1,5}",
        "[가-힣A-Z]{1,4}",
        "\\PC{1,6}",
        any::<String>().prop_map(|text| text.chars().take(6).collect()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_label_is_taken_if_and_only_if_the_rule_says_so(unicode in unicode_label()) {
        prop_assume!(!unicode.contains('.') && !unicode.is_ascii());
        let label = a_label(&unicode);
        let by_the_book = is_taken_by_the_book(&label);
        if has_exceptions(&unicode) {
            prop_assert!(by_the_book || check(&label).is_err(), "{unicode:?}");
        } else {
            prop_assert_eq!(check(&label).is_ok(), by_the_book, "{:?} {:?}", unicode, check(&label));
        }
    }

    #[test]
    fn names_never_panic_and_those_taken_come_back(text in prop_oneof![any::<String>(), "(xn--)?[a-z0-9-]{0,12}\\.demo", "\\PC{0,20}"]) {
        let Ok(name) = text.parse::<DomainName>() else { return Ok(()) };
        prop_assert!(name.as_str().is_ascii());
        prop_assert_eq!(name.as_str().parse::<DomainName>(), Ok(name.clone()));
        if let Some(shown) = name.to_unicode() {
            prop_assert_eq!(name.check_idn(), Ok(()));
            prop_assert_eq!(shown.parse::<DomainName>(), Ok(name));
        }
    }
}

/// Validators whose tables differ would come to different verdicts. Who updates a crate with tables changes the rule: that
/// takes a new version of the block format, and these two lines.
#[test]
fn the_tables_are_those_of_this_version_of_the_rule() {
    assert_eq!(unicode_security::UNICODE_VERSION, (18, 0, 0));
    let mut digest = Sha256::new();
    for character in ('\u{80}'..'\u{32400}').chain('\u{e0000}'..'\u{e0200}') {
        // Alone, and behind a letter of its kind of direction, where a mark may stand.
        for unicode in [character.to_string(), format!("ü{character}"), format!("ب{character}")] {
            digest.update([u8::from(is_taken(&unicode))]);
        }
        digest.update(character.script().full_name());
    }
    assert_eq!(hex::encode(digest.finalize()), TABLES_SHA256);
}

fn is_taken(unicode: &str) -> bool {
    punycode::encode_str(unicode)
        .is_some_and(|encoded| check_label(&format!("{ACE_PREFIX}{encoded}")).is_ok())
}

const TABLES_SHA256: &str = "ec0a8cd93ae228028484c87eafb9295e8e09600eb94a2a7a6939d82714664a89";
