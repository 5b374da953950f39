//! Repair: a lost share comes back, and who spoils it is named.

use super::*;
use alloc::vec;

/// A repair for the first validator of a committee by those after it, with all commitments on the chain.
struct Repair {
    asker: RepairAsker,
    helpers: BTreeMap<PublicKey, RepairHelper>,
    commitments: BTreeMap<PublicKey, RepairCommitments>,
    lost: KeyShares,
}

fn session(mesh: &Mesh, helpers: &[PublicKey]) -> Result<RepairSession, InvalidRepair> {
    RepairSession::new(mesh.committee.keys().clone(), mesh.validators()[0], 3, helpers.to_vec())
}

impl Repair {
    fn new(mesh: &mut Mesh) -> Self {
        let threshold = mesh.committee.threshold();
        let named = mesh.validators()[1..=threshold].to_vec();
        let session = session(mesh, &named).unwrap();
        let mut helpers = BTreeMap::new();
        for helper in &named {
            let shares = generated(mesh.validators().len()).1[helper].clone();
            let part =
                RepairHelper::begin(session.clone(), &mesh.committee, *helper, &shares, &mut mesh.entropy);
            helpers.insert(*helper, part.unwrap());
        }
        let commitments: BTreeMap<_, _> =
            helpers.iter().map(|(helper, part)| (*helper, part.commitments().clone())).collect();
        for (helper, commitments) in &commitments {
            assert_eq!(commitments.check(&session, helper), Ok(()));
        }
        let asker = RepairAsker::new(session, mesh.committee.clone(), &commitments).unwrap();
        Self {
            asker,
            helpers,
            commitments,
            lost: generated(mesh.validators().len()).1[&mesh.validators()[0]].clone(),
        }
    }

    /// Carries the summands, and gives what each helper has for the asker.
    fn sums(&mut self) -> BTreeMap<PublicKey, BlindedShares> {
        let mut sums = BTreeMap::new();
        let sent: Vec<_> = self
            .helpers
            .iter()
            .flat_map(|(from, part)| {
                part.deltas().map(|(to, package)| (*from, to, package)).collect::<Vec<_>>()
            })
            .collect();
        for (from, to, package) in sent {
            let part = self.helpers.get_mut(&to).unwrap();
            let sum = part.receive(from, package, &self.commitments[&from]).unwrap();
            sums.extend(sum.map(|sum| (to, sum)));
        }
        sums
    }
}

#[test]
fn a_lost_share_comes_back_as_it_was() {
    for count in [4, 7] {
        let mut mesh = Mesh::new(count);
        let mut repair = Repair::new(&mut mesh);
        let sums = repair.sums();
        assert_eq!(sums.len(), mesh.committee.threshold());
        let mut shares = None;
        for (from, sum) in sums {
            assert!(shares.is_none() && repair.asker.missing().contains(&from));
            shares = repair.asker.receive(from, sum).unwrap();
        }
        assert_eq!(*shares.unwrap().to_bytes(), *repair.lost.to_bytes());
    }
}

#[test]
fn whoever_sends_a_wrong_sum_is_named() {
    let mut mesh = Mesh::new(4);
    let mut repair = Repair::new(&mut mesh);
    let sums: Vec<_> = repair.sums().into_iter().collect();
    let (liar, other) = (sums[0].0, sums[1].1.clone());
    let fault = repair.asker.receive(liar, other).unwrap_err();
    let RepairFault::Accused { validator, accusation } = fault else { panic!("{fault}") };
    assert_eq!((validator, accusation.reason), (liar, GenerationFaultReason::InvalidShare));
    assert!(repair.asker.missing().contains(&liar), "a wrong sum is not kept");
}

#[test]
fn whoever_sends_a_wrong_summand_is_accused_by_its_receiver() {
    let mut mesh = Mesh::new(4);
    let mut repair = Repair::new(&mut mesh);
    let named: Vec<PublicKey> = repair.helpers.keys().copied().collect();
    let (liar, receiver, other) = (named[0], named[1], named[2]);
    let for_other = repair.helpers[&liar].deltas().find(|(to, _)| *to == other).unwrap().1;
    let part = repair.helpers.get_mut(&receiver).unwrap();
    let fault = part.receive(liar, for_other, &repair.commitments[&liar]).unwrap_err();
    assert!(matches!(fault, RepairFault::Accused { validator, .. } if validator == liar), "{fault}");
    let stranger = mesh.validators()[0];
    let package = repair.helpers[&liar].deltas().next().unwrap().1;
    let part = repair.helpers.get_mut(&receiver).unwrap();
    let fault = part.receive(stranger, package, &repair.commitments[&liar]).unwrap_err();
    assert_eq!(fault, RepairFault::NotAHelper { from: stranger });
}

#[test]
fn commitments_that_do_not_add_up_are_seen_by_everyone() {
    let mut mesh = Mesh::new(4);
    let repair = Repair::new(&mut mesh);
    let session = repair.asker.session().clone();
    let (helper, good) = repair.commitments.iter().next().unwrap();
    let reason = |commitments: &RepairCommitments| commitments.check(&session, helper).unwrap_err().reason;
    let mut swapped = good.clone();
    let root = swapped.points.get_mut(&KeyPurpose::Root).unwrap();
    root[0] = root[1];
    assert_eq!(reason(&swapped), GenerationFaultReason::InvalidShare);
    let mut short = good.clone();
    short.points.get_mut(&KeyPurpose::Zone).unwrap().pop();
    assert_eq!(reason(&short), GenerationFaultReason::Malformed);
    let mut fewer = good.clone();
    fewer.points.remove(&KeyPurpose::Log);
    assert_eq!(reason(&fewer), GenerationFaultReason::Malformed);
    let other = RepairCommitments { session: Digest([1; 32]), ..good.clone() };
    assert_eq!(reason(&other), GenerationFaultReason::OtherSession);
    let another = repair.commitments.keys().nth(1).unwrap();
    assert_eq!(good.check(&session, another).unwrap_err().reason, GenerationFaultReason::InvalidShare);
}

#[test]
fn a_request_names_as_many_others_as_sign_together() {
    let mesh = Mesh::new(7);
    let all = mesh.validators();
    assert!(session(&mesh, &all[1..6]).is_ok());
    let count = |count| Err(InvalidRepair::HelperCount { count, threshold: 5 });
    assert_eq!(session(&mesh, &all[1..5]).map(|_| ()), count(4));
    assert_eq!(session(&mesh, &all[1..7]).map(|_| ()), count(6));
    assert_eq!(session(&mesh, &all[0..5]).map(|_| ()), Err(InvalidRepair::Helpers));
    let twice = vec![all[1], all[1], all[2], all[3], all[4]];
    assert_eq!(session(&mesh, &twice).map(|_| ()), Err(InvalidRepair::Helpers));
    let stranger = PublicKey([0; 32]);
    let strange = vec![stranger, all[1], all[2], all[3], all[4]];
    assert_eq!(
        session(&mesh, &strange).map(|_| ()),
        Err(InvalidRepair::NotAValidator { validator: stranger })
    );
}
