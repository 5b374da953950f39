//! Fees that follow the load, and the most that an owner pays.

use super::test_util::*;
use crate::base::{MicroCaesar, SecretKey};
use crate::caesar::*;
use crate::state::*;
use crate::trustchain::dns::{Octets, RecordData};
use alloc::vec::Vec;

fn rate(mesh: &Mesh) -> u64 {
    mesh.state.fee_rate().thousandths
}

/// A block with so many operations that are paid for.
fn fill(mesh: &mut Mesh, count: u64) {
    let operations: Vec<Operation> =
        (0..count).map(|_| mesh.operation(&bob(), transfer(&bob(), 1))).collect();
    assert_eq!(mesh.carry(operations).len() as u64, count);
}

/// The receipt of an operation whose owner pays so much at most, or why it may be in no block.
fn limited(mesh: &mut Mesh, owner: &SecretKey, action: Action, fee_max: u64) -> Result<Receipt, Unpaid> {
    let operation = mesh.operation(owner, action);
    let body = OperationBody { fee_max: MicroCaesar(fee_max), ..operation.body };
    mesh.carry_or_leave_out(body.sign(owner))
}

#[test]
fn full_blocks_raise_the_fees_and_empty_ones_lower_them_to_the_floor() {
    let mut mesh = Mesh::new();
    let target = mesh.genesis.profile.fee_target_operations();
    assert_eq!(rate(&mesh), FEE_RATE_FLOOR);
    fill(&mut mesh, 2 * target);
    assert_eq!(rate(&mesh), 1_125);
    let receipt = mesh.carry_one(&alice(), transfer(&bob(), 5));
    assert_eq!(receipt.fee, MicroCaesar(TRANSFER_FEE.0 * 1_125 / 1000), "by the rate of the parent's state");
    fill(&mut mesh, target);
    let kept = rate(&mesh);
    fill(&mut mesh, target);
    assert_eq!(rate(&mesh), kept, "a block on target changes nothing");
    (0..100).for_each(|_| mesh.pass(1));
    assert_eq!(rate(&mesh), FEE_RATE_FLOOR);
    assert_eq!(mesh.carry_one(&alice(), transfer(&bob(), 5)).fee, TRANSFER_FEE);
}

#[test]
fn an_owner_pays_at_most_what_it_says_rent_included_and_not_a_millionth_more() {
    let mut mesh = Mesh::new();
    let before = mesh.state.balance(LedgerAccount::Account(alice().public()));
    let asked = REGISTER_FEE.0 + NAME_RENT.0;
    let receipt = limited(&mut mesh, &alice(), register("a.demo.hypermesh", &alice()), asked - 1);
    let (fee_max, asked_for) = (MicroCaesar(asked - 1), MicroCaesar(asked));
    assert_eq!(receipt, Err(Unpaid::Refused(Refusal::FeeMax { asked: asked_for, fee_max })));
    assert_eq!(mesh.state.balance(LedgerAccount::Account(alice().public())), before, "it costs nothing");
    let receipt = limited(&mut mesh, &alice(), register("a.demo.hypermesh", &alice()), asked);
    assert!(matches!(receipt.unwrap().outcome, Outcome::Done(_)));
    let receipt = limited(&mut mesh, &alice(), register("b.a.demo.hypermesh", &alice()), REGISTER_FEE.0);
    assert!(matches!(receipt.unwrap().outcome, Outcome::Done(_)), "a name below costs no rent");
    let target = mesh.genesis.profile.fee_target_operations();
    fill(&mut mesh, 2 * target);
    let receipt = limited(&mut mesh, &alice(), transfer(&bob(), 5), TRANSFER_FEE.0);
    assert!(matches!(receipt, Err(Unpaid::Refused(Refusal::FeeMax { .. }))), "the load has risen meanwhile");
}

#[test]
fn a_long_operation_costs_in_proportion_to_its_bytes() {
    let mut mesh = Mesh::new();
    let text = |bytes: usize| {
        let strings = |bytes: usize| alloc::vec![Octets(alloc::vec![b'x'; 250]); bytes / 250];
        let sets = (0..bytes / 1_000).map(|number| {
            let mut data = strings(1_000);
            data[0] = Octets(alloc::format!("{number:0250}").into_bytes());
            RecordData::Txt(data)
        });
        set("given.demo.hypermesh", sets.collect())
    };
    let short = mesh.operation(
        &alice(),
        set("given.demo.hypermesh", alloc::vec![RecordData::Txt(alloc::vec!["x".into()])]),
    );
    assert!(short.bytes() <= FEE_BYTES_INCLUDED);
    assert_eq!(mesh.carry(alloc::vec![short])[0].fee, RECORDS_FEE);
    let long = mesh.operation(&alice(), text(30_000));
    let bytes = long.bytes() as u64;
    assert!(bytes > 30_000);
    let fee = mesh.carry(alloc::vec![long])[0].fee;
    assert_eq!(fee, MicroCaesar(RECORDS_FEE.0 + (bytes - FEE_BYTES_INCLUDED as u64) * FEE_PER_BYTE.0));
    assert!(fee.0 > 29 * RECORDS_FEE.0, "thirty kilobytes cost about thirty times what one does");
}
