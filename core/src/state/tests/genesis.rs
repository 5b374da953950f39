//! Genesis: each rule that it may break, by name.

use super::test_util::*;
use crate::base::{MicroCaesar, PublicKey, SecretKey, UnixMillis};
use crate::caesar::{LedgerAccount, STAKE_MINIMUM};
use crate::state::*;
use crate::trustchain::dns::{RecordData, RecordType};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

fn fault(change: impl FnOnce(&mut Genesis)) -> Option<GenesisFault> {
    let mut genesis = genesis();
    change(&mut genesis);
    genesis.check().err()
}

fn validators(count: usize) -> Vec<GenesisValidator> {
    let template = genesis().validators.remove(0);
    let mut keys: Vec<_> = (0..count)
        .map(|number| {
            let mut seed = [200; 32];
            seed[0] = u8::try_from(number).unwrap();
            SecretKey::from_seed(seed).public()
        })
        .collect();
    keys.sort();
    let numbered = keys.into_iter().enumerate().map(|(number, key)| {
        let mut validator = template.clone();
        validator.name = alloc::format!("v{number}");
        validator.member.key = key;
        validator
    });
    numbered.collect()
}

#[test]
fn a_mesh_has_from_4_to_100_validators() {
    for (count, right) in [(0, false), (3, false), (4, true), (100, true), (101, false)] {
        let found = fault(|genesis| genesis.validators = validators(count));
        assert_eq!(found, (!right).then_some(GenesisFault::ValidatorCount { count }));
    }
    let mut genesis = genesis();
    genesis.validators = validators(VALIDATOR_COUNT_MAX);
    let (state, _) = State::genesis(Arc::new(genesis));
    assert_eq!(state.validators().count(), VALIDATOR_COUNT_MAX);
}

#[test]
fn lists_are_in_the_order_of_their_keys_each_once() {
    let order = |list| Some(GenesisFault::Order { list });
    assert_eq!(fault(|genesis| genesis.validators.swap(0, 1)), order("validators"));
    assert_eq!(fault(|genesis| genesis.validators[1] = genesis.validators[0].clone()), order("validators"));
    assert_eq!(fault(|genesis| genesis.accounts.swap(0, 1)), order("accounts"));
    assert_eq!(fault(|genesis| genesis.accounts[1] = genesis.accounts[0].clone()), order("accounts"));
    assert_eq!(fault(|genesis| genesis.members.push(genesis.members[0].clone())), order("members"));
    let both = fault(|genesis| genesis.members = vec![genesis.validators[0].member.clone()]);
    assert_eq!(both, order("members"), "a validator is no member besides");
}

#[test]
fn who_owns_anything_can_sign() {
    let key = PublicKey([0; 32]);
    let unusable = Some(GenesisFault::Key { key });
    assert_eq!(fault(|genesis| genesis.members[0].key = key), unusable);
    let account = GenesisAccount { owner: key, balance: MicroCaesar(1) };
    assert_eq!(fault(|genesis| genesis.accounts.insert(0, account)), unusable);
    assert_eq!(fault(|genesis| genesis.names[0].owner = key), unusable);
}

#[test]
fn every_member_has_the_minimum_at_stake() {
    let stake = MicroCaesar(STAKE_MINIMUM.0 - 1);
    let key = genesis().validators[2].member.key;
    let found = fault(|genesis| genesis.validators[2].member.stake = stake);
    assert_eq!(found, Some(GenesisFault::Stake { key, stake, minimum: STAKE_MINIMUM }));
}

#[test]
fn nodes_have_labels_of_their_own() {
    let label = |name: &str| Some(GenesisFault::Label { name: name.to_string() });
    let longest = "a".repeat(LABEL_BYTES_MAX);
    assert_eq!(fault(|genesis| genesis.validators[0].name = longest.clone()), None);
    let long = alloc::format!("{longest}a");
    for name in ["", "a.b", "-a", "a-", "A", "a_b", "_a", "ä", "node-2", "trustchain", "caesar", "ns", &long]
    {
        assert_eq!(fault(|genesis| genesis.validators[0].name = name.to_string()), label(name), "{name:?}");
    }
    for name in ["", "a.b", "-a", &long] {
        assert_eq!(fault(|genesis| genesis.network = name.to_string()), label(name), "{name:?}");
    }
    assert_eq!(fault(|genesis| genesis.network = "node-1".to_string()), None);
}

#[test]
fn every_name_of_the_mesh_fits_below_the_longest_zone() {
    let zone = |bytes: usize| {
        let labels = ["z".repeat(60), "z".repeat(60), "z".repeat(bytes - 122)];
        name(&labels.join("."))
    };
    let mut genesis = genesis();
    genesis.names.clear();
    genesis.records.clear();
    genesis.zone = zone(ZONE_BYTES_MAX);
    assert_eq!(genesis.zone.as_str().len(), ZONE_BYTES_MAX);
    genesis.validators.iter_mut().zip('a'..).for_each(|(validator, letter)| {
        validator.name = letter.to_string().repeat(LABEL_BYTES_MAX);
        validator.address.set_port(u16::MAX);
    });
    assert_eq!(genesis.check(), Ok(()));
    let _fits = State::genesis(Arc::new(genesis.clone()));
    let long = zone(ZONE_BYTES_MAX + 1);
    genesis.zone = long.clone();
    assert_eq!(genesis.check(), Err(GenesisFault::Zone { zone: long }));
}

#[test]
fn no_zone_lies_in_another() {
    let with = |zones: &[&str]| {
        let zones: Vec<_> = zones.iter().map(|zone| name(zone)).collect();
        fault(|genesis| genesis.reverse_zones = zones)
    };
    let at = |zone: &str| Some(GenesisFault::Zone { zone: name(zone) });
    assert_eq!(with(&["1.ip6.arpa", "2.ip6.arpa"]), None);
    assert_eq!(with(&["1.ip6.arpa", "1.ip6.arpa"]), at("1.ip6.arpa"));
    assert_eq!(with(&["1.ip6.arpa", "1.1.ip6.arpa"]), at("1.1.ip6.arpa"));
    assert_eq!(with(&["1.1.ip6.arpa", "1.ip6.arpa"]), at("1.ip6.arpa"));
    assert_eq!(with(&["x.demo.hypermesh"]), at("x.demo.hypermesh"));
    assert_eq!(with(&["hypermesh"]), at("hypermesh"));
    let many: Vec<_> = (0..=REVERSE_ZONE_COUNT_MAX).map(|zone| alloc::format!("{zone}.arpa")).collect();
    let many: Vec<&str> = many.iter().map(alloc::string::String::as_str).collect();
    assert_eq!(with(&many[1..]), None);
    assert_eq!(with(&many), at(many[REVERSE_ZONE_COUNT_MAX]));
}

#[test]
fn names_lie_below_the_zone_stand_once_and_are_not_the_meshs() {
    let with = |text: &str| {
        let entry = GenesisName { name: name(text), owner: alice().public() };
        fault(|genesis| genesis.names.push(entry))
    };
    let zone = genesis().zone;
    for text in ["demo.hypermesh", "a.example", "xdemo.hypermesh", "given.demo.hypermesh"] {
        assert_eq!(with(text), Some(GenesisFault::Name { name: name(text), zone: zone.clone() }));
    }
    for text in ["node-1.demo.hypermesh", "a.caesar.demo.hypermesh", "_x.demo.hypermesh"] {
        assert_eq!(with(text), Some(GenesisFault::Reserved { name: name(text) }));
    }
    assert_eq!(with("a.given.demo.hypermesh"), None);
}

#[test]
fn records_at_genesis_keep_the_rules_that_operations_keep() {
    let with = |text: &str, data: Vec<RecordData>| {
        let Action::SetRecords(set) = set(text, data) else { unreachable!() };
        fault(|genesis| genesis.records.push(set))
    };
    let reason = |found: Option<GenesisFault>| match found {
        Some(GenesisFault::Records { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let text = || vec![RecordData::Txt(vec!["x".into()])];
    let alias = || vec![RecordData::Cname(name("a.example"))];
    assert_eq!(with("given.demo.hypermesh", text()), None);
    assert_eq!(with("x.given.demo.hypermesh", alias()), None);
    assert_eq!(reason(with("free.demo.hypermesh", text())), "the name has no owner");
    let twice = with("given.demo.hypermesh", vec![RecordData::Aaaa("2001:db8::1".parse().unwrap())]);
    assert_eq!(reason(twice), "they are listed twice");
    assert!(reason(with("given.demo.hypermesh", alias())).contains("CNAME"));
    assert!(reason(with("given.demo.hypermesh", vec![RecordData::Ns(name("a"))])).contains("NS"));
    let aliases = |links: core::ops::Range<usize>| {
        let link = |number: usize| alloc::format!("link{number}.given.demo.hypermesh");
        fault(|genesis| {
            for number in links {
                let to = name(&link(number + 1));
                let Action::SetRecords(set) = set(&link(number), vec![RecordData::Cname(to)]) else {
                    unreachable!()
                };
                genesis.records.push(set);
            }
        })
    };
    assert_eq!(aliases(0..8), None);
    assert!(reason(aliases(0..9)).contains("more than 8 aliases"));
    let pointing = fault(|genesis| {
        let mail = RecordData::Mx { preference: 1, exchange: Some(name("x.given.demo.hypermesh")) };
        for action in [set("x.given.demo.hypermesh", alias()), set("given.demo.hypermesh", vec![mail])] {
            let Action::SetRecords(set) = action else { unreachable!() };
            genesis.records.push(set);
        }
    });
    assert!(reason(pointing).contains("is an alias, and MX records may not point at one"));
    let mixed = fault(|genesis| genesis.records[0].record_type = RecordType::Txt);
    assert!(reason(mixed).contains("not all of type TXT"));
}

#[test]
fn time_supply_and_length_have_their_limits() {
    let before = UnixMillis(BLOCK_TIME_MAX.0 - 1);
    assert_eq!(fault(|genesis| genesis.time = before), None);
    let found = fault(|genesis| genesis.time = BLOCK_TIME_MAX);
    assert_eq!(found, Some(GenesisFault::Time { time: BLOCK_TIME_MAX }));

    let mut full = genesis();
    let rest = u64::MAX - (full.supply().unwrap().0 - full.reserve.0);
    full.reserve = MicroCaesar(rest);
    assert_eq!(full.check(), Ok(()));
    assert_eq!(full.supply(), Ok(MicroCaesar(u64::MAX)));
    let (state, _) = State::genesis(Arc::new(full.clone()));
    assert_eq!((state.supply(), state.balance(LedgerAccount::Reserve).0), (u128::from(u64::MAX), rest));
    full.accounts[0].balance.0 += 1;
    assert_eq!(full.check(), Err(GenesisFault::Supply));

    let text = |byte: u8| RecordData::Txt(vec![crate::trustchain::dns::Octets(vec![byte; 250]); 4]);
    let Action::SetRecords(large) = set("given.demo.hypermesh", (0..32).map(text).collect()) else {
        unreachable!()
    };
    let long = |count: u32| {
        let named = |number: u32| {
            let name = name(&alloc::format!("n{number}.given.demo.hypermesh"));
            SetRecords { name, ..large.clone() }
        };
        fault(|genesis| genesis.records = (0..count).map(named).collect())
    };
    assert_eq!(long(30), None);
    assert!(matches!(long(34), Some(GenesisFault::TooLong { .. })));
}

#[test]
fn another_genesis_is_another_mesh() {
    let first = genesis();
    let mut other = first.clone();
    other.time = first.time.plus(1);
    assert_ne!(first.hash(), other.hash());
    assert_eq!(first.log_origin(), "demo.hypermesh/test/log");
    let state = |genesis| State::genesis(Arc::new(genesis)).0;
    assert_ne!(state(first).beacon().value, state(other).beacon().value);
}

#[test]
fn what_genesis_gives_is_of_its_time() {
    let genesis = genesis();
    assert_eq!(genesis.movements().time, genesis.time);
    assert_ne!(genesis.time, UnixMillis::default());
}

#[test]
fn a_cosigner_is_named_below_the_zone() {
    assert_eq!(cosigner_name("node-1", &name("hypermesh")), "node-1.hypermesh");
}
