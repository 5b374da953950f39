//! Roles: what a node answers for, and what genesis may say of it.

use super::*;
use crate::state::{Genesis, SetRecords, State};
use crate::trustchain::dns::{self, RecordData, RecordSet};
use alloc::format;

/// A genesis by which the first validator alone exposes Caesar, and that validator and the second.
fn with_roles() -> (Genesis, [PublicKey; 2]) {
    let mut genesis = Mesh::new().genesis.as_ref().clone();
    let (first, second) = (genesis.validators[0].clone(), genesis.validators[1].member.key);
    let target = Some(genesis.zone.child(&first.name).unwrap());
    let server = RecordData::Srv { priority: 0, weight: 1, port: first.address.port(), target };
    let name = genesis.service_name("caesar").unwrap();
    let records = Some(RecordSet::new(60, vec![server]).unwrap());
    genesis.records.push(SetRecords { name, record_type: RecordType::Srv, records });
    (genesis, [first.member.key, second])
}

#[test]
fn a_node_answers_for_what_it_exposes_and_says_where_the_rest_is_found() {
    let (genesis, [first, second]) = with_roles();
    genesis.check().unwrap();
    assert_eq!(check_exposed(&genesis, &first, "caesar", "balance"), Ok(()));
    assert_eq!(check_exposed(&genesis, &second, "trustchain", "log_entry"), Ok(()));
    for method in ["balance", "transfer", "no such"] {
        let fault = check_exposed(&genesis, &second, "caesar", method).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unimplemented);
        assert!(fault.message.contains("_stoq._udp.caesar."), "{fault}");
    }
    for method in ["health", "metrics", "methods"] {
        assert_eq!(check_exposed(&genesis, &second, "caesar", method), Ok(()));
    }
    let state = State::genesis(Arc::new(genesis.clone())).0;
    let found = dns::resolve(&state, &genesis.service_name("caesar").unwrap(), RecordType::Srv);
    assert_eq!(found.answers[0].set.data.len(), 1, "one of them is found");
    let found = dns::resolve(&state, &genesis.service_name("trustchain").unwrap(), RecordType::Srv);
    assert_eq!(found.answers[0].set.data.len(), genesis.validators.len(), "all of them are");
}

#[test]
fn genesis_lists_validators_at_a_services_name_and_nobody_else() {
    let (genesis, _) = with_roles();
    let changed = |change: &dyn Fn(&mut SetRecords)| {
        let mut genesis = genesis.clone();
        genesis.records.last_mut().into_iter().for_each(change);
        genesis.check()
    };
    assert!(changed(&|_| ()).is_ok());
    let servers = |port, target: &str| {
        let target = Some(target.parse().unwrap());
        Some(RecordSet::new(60, vec![RecordData::Srv { priority: 0, weight: 1, port, target }]).unwrap())
    };
    let zone = genesis.zone.to_string();
    let own = format!("{}.{zone}", genesis.validators[0].name);
    let port = genesis.validators[0].address.port();
    assert!(changed(&|set| set.records = servers(port, &own)).is_ok());
    assert!(changed(&|set| set.records = servers(port + 1, &own)).is_err(), "another port");
    assert!(changed(&|set| set.records = servers(port, &format!("web.{zone}"))).is_err(), "no validator");
    assert!(
        changed(&|set| set.name = format!("_stoq._udp.bank.{zone}").parse().unwrap()).is_err(),
        "no service"
    );
    assert!(changed(&|set| set.records = None).is_err(), "nobody");
}
