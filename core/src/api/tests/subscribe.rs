//! What subscribers are told, as the chain and the log grow.

use super::*;
use crate::state::Block;

/// What a subscription says until it has nothing more to say, with what the mesh holds looked up for it, and how many
/// look-ups that took.
fn told(mesh: &Mesh, subscription: &mut Subscription) -> (Vec<Response>, usize) {
    let (mut responses, mut looked_up) = (Vec::new(), 0);
    loop {
        match subscription.step(&view(mesh)) {
            SubscriptionStep::Wait => return (responses, looked_up),
            SubscriptionStep::Tell(response) => responses.push(response),
            SubscriptionStep::Look { request, .. } => {
                looked_up += 1;
                subscription.take(look_up(mesh, &request)).unwrap();
            }
        }
    }
}

fn look_up(mesh: &Mesh, request: &Request) -> Result<Response, ApiFault> {
    let absent = || ApiFault::not_found("not there");
    match request {
        Request::Header(HeaderRequest { height: Some(height) }) => {
            let block = mesh.blocks.iter().find(|block: &&Block| block.header.height == *height);
            let commit = mesh.commit(*height).ok_or_else(absent)?;
            Ok(Response::Header(BlockProof { header: block.ok_or_else(absent)?.header.clone(), commit }))
        }
        Request::LogEntry(LogEntryRequest { index }) => {
            let entry = mesh.entries.get(usize::try_from(index.0).unwrap()).ok_or_else(absent)?;
            Ok(Response::LogEntry(LogEntry { index: *index, entry: entry.clone() }))
        }
        other => panic!("{other:?} is not looked up"),
    }
}

fn heights(responses: &[Response]) -> Vec<u64> {
    let height = |response: &Response| match response {
        Response::SubscribeBlocks(proof) => {
            assert_eq!(proof.commit.height, proof.header.height);
            proof.header.height.0
        }
        other => panic!("{other:?} where a block was expected"),
    };
    responses.iter().map(height).collect()
}

/// The sizes and the entries that were told.
fn news(responses: &[Response]) -> Vec<(u64, Vec<u64>)> {
    let one = |response: &Response| match response {
        Response::SubscribeLog(news) => {
            (news.size, news.entries.iter().map(|entry| entry.index.0).collect::<Vec<_>>())
        }
        other => panic!("{other:?} where news were expected"),
    };
    responses.iter().map(one).collect()
}

fn of_blocks(from: Option<u64>) -> Subscription {
    let from = from.map(Height);
    Subscription::open(Request::SubscribeBlocks(SubscribeBlocksRequest { from })).unwrap()
}

fn of_log(names: &[&str], from: Option<u64>) -> Request {
    let names = names.iter().map(|text| name(text)).collect();
    Request::SubscribeLog(SubscribeLogRequest { names, from: from.map(LeafIndex) })
}

#[test]
fn every_block_from_a_height_on_is_told_once_and_in_order() {
    let mut mesh = Mesh::active();
    let mut subscription = of_blocks(Some(0));
    let (first, looked_up) = told(&mesh, &mut subscription);
    let newest = mesh.state.height().0;
    assert_eq!(heights(&first), (1..=newest).collect::<Vec<_>>());
    assert_eq!(looked_up as u64, newest - 1, "the last block is in the view");
    mesh.carry_one(&alice(), transfer(&bob(), 5));
    mesh.carry_one(&alice(), transfer(&bob(), 6));
    assert_eq!(heights(&told(&mesh, &mut subscription).0), [newest + 1, newest + 2]);
    assert!(told(&mesh, &mut subscription).0.is_empty());
}

#[test]
fn without_a_height_the_next_block_is_the_first_and_a_later_one_is_waited_for() {
    let mut mesh = Mesh::active();
    let newest = mesh.state.height().0;
    let (mut next, mut later) = (of_blocks(None), of_blocks(Some(newest + 2)));
    assert!(told(&mesh, &mut next).0.is_empty() && told(&mesh, &mut later).0.is_empty());
    mesh.carry_one(&alice(), transfer(&bob(), 5));
    assert_eq!((heights(&told(&mesh, &mut next).0), told(&mesh, &mut next).1), (vec![newest + 1], 0));
    assert!(told(&mesh, &mut later).0.is_empty());
    mesh.carry_one(&alice(), transfer(&bob(), 6));
    assert_eq!(heights(&told(&mesh, &mut later).0), [newest + 2]);
}

#[test]
fn entries_for_a_name_and_what_lies_below_it_are_told_and_others_passed_over() {
    let mesh = &certified().mesh;
    let size = mesh.state.log().size();
    let all: Vec<u64> = (0..size).collect();
    let found = |names: &[&str]| {
        let mut subscription = Subscription::open(of_log(names, Some(0))).unwrap();
        let told = news(&told(mesh, &mut subscription).0);
        assert_eq!(told.last().unwrap().0, size, "it says how far it has looked");
        told.into_iter().flat_map(|(_, entries)| entries).collect::<Vec<_>>()
    };
    assert_eq!(found(&[]), all);
    assert_eq!(found(&["given.demo.hypermesh"]), all, "the issuing certificate and the leaf");
    assert_eq!(found(&["demo.hypermesh"]), all, "what lies below a name");
    assert_eq!(found(&["iven.demo.hypermesh", "other.demo.hypermesh"]), [0], "the issuing certificate alone");
}

#[test]
fn what_is_watched_changes_in_the_middle_and_may_begin_again_further_back() {
    let mesh = &certified().mesh;
    let size = mesh.state.log().size();
    let mut subscription = Subscription::open(of_log(&["other.demo.hypermesh"], Some(1))).unwrap();
    assert_eq!(news(&told(mesh, &mut subscription).0), [(size, vec![])]);
    subscription.change(of_log(&["given.demo.hypermesh"], None)).unwrap();
    assert!(told(mesh, &mut subscription).0.is_empty(), "what was looked at is not looked at again unasked");
    subscription.change(of_log(&["given.demo.hypermesh"], Some(1))).unwrap();
    assert_eq!(news(&told(mesh, &mut subscription).0), [(size, (1..size).collect())]);
    let fault =
        subscription.change(Request::SubscribeBlocks(SubscribeBlocksRequest { from: None })).unwrap_err();
    assert_eq!(fault.kind, FaultKind::InvalidArgument);
    assert!(of_blocks(None).change(of_log(&[], None)).is_err());
    assert!(Subscription::open(Request::Status(StatusRequest {})).is_err());
}

#[test]
fn names_hold_at_the_limit_and_not_one_past_it() {
    let names = |count: usize| (0..count).map(|n| alloc::format!("n{n}.demo.hypermesh")).collect::<Vec<_>>();
    let request = |count: usize| {
        let names = names(count);
        of_log(&names.iter().map(String::as_str).collect::<Vec<_>>(), None)
    };
    let mut most = Subscription::open(request(WATCHED_NAMES_MAX)).unwrap();
    let fault = Subscription::open(request(WATCHED_NAMES_MAX + 1)).unwrap_err();
    assert_eq!(fault.kind, FaultKind::InvalidArgument);
    assert!(most.change(request(WATCHED_NAMES_MAX)).is_ok());
    assert!(most.change(request(WATCHED_NAMES_MAX + 1)).is_err());
}

#[test]
fn a_subscriber_far_behind_is_told_how_far_it_has_come_and_no_more_at_once_than_the_limit() {
    let mut mesh = certified().mesh.clone();
    let entry = mesh.entries[1].clone();
    let mut draft = mesh.state.draft();
    let many = LOG_NEWS_SCAN_MAX + 10;
    for _ in 0..many {
        draft.append(entry.clone());
    }
    let before = mesh.state.log().size();
    mesh.state = draft.finish().0;
    mesh.entries.resize(usize::try_from(before + many).unwrap(), entry);
    let mut all = Subscription::open(of_log(&[], Some(0))).unwrap();
    let all = news(&told(&mesh, &mut all).0);
    assert!(all.iter().all(|(_, entries)| entries.len() <= LOG_NEWS_ENTRIES_MAX));
    assert_eq!(all[0].1.len(), LOG_NEWS_ENTRIES_MAX);
    let told_of: Vec<u64> = all.into_iter().flat_map(|(_, entries)| entries).collect();
    assert_eq!(told_of, (0..before + many).collect::<Vec<_>>(), "each entry once, in order");
    let mut none = Subscription::open(of_log(&["other.demo.hypermesh"], Some(1))).unwrap();
    let sizes: Vec<u64> = news(&told(&mesh, &mut none).0).into_iter().map(|(size, _)| size).collect();
    assert_eq!(sizes, [1 + LOG_NEWS_SCAN_MAX, before + many]);
}

#[test]
fn what_the_node_does_not_find_ends_the_subscription() {
    let mut subscription = of_blocks(Some(1));
    let fault = subscription.take(Err(ApiFault::not_found("pruned"))).unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound);
    let mesh = Mesh::new();
    let fees = answer(&mesh, &Request::Fees(FeesRequest {}));
    assert!(subscription.take(fees).is_err());
}

/// The labels of the instances that were told, each time.
fn labels(responses: &[Response]) -> Vec<Vec<String>> {
    let one = |response: &Response| match response {
        Response::SubscribeService(service) => {
            service.instances.iter().map(|instance| instance.label.clone()).collect()
        }
        other => panic!("{other:?} where a service was expected"),
    };
    responses.iter().map(one).collect()
}

#[test]
fn a_services_instances_are_told_at_once_and_again_when_they_change_and_not_when_a_lease_is_renewed() {
    const SERVICE: &str = "given.demo.hypermesh";
    let mut mesh = Mesh::new();
    let request = || Request::SubscribeService(SubscribeServiceRequest { name: name(SERVICE) });
    let mut subscription = Subscription::open(request()).unwrap();
    assert_eq!(labels(&told(&mesh, &mut subscription).0), [[""; 0]], "that there are none is told, too");
    let (east, west) = (instance(SERVICE, "east"), instance(SERVICE, "west"));
    let well = offer("2001:db8::1");
    mesh.done(&alice(), announce(&east, &well, 60));
    assert_eq!(labels(&told(&mesh, &mut subscription).0), [["east"]]);
    mesh.done(&alice(), announce(&east, &well, 90));
    assert!(told(&mesh, &mut subscription).0.is_empty(), "the lease was renewed");
    mesh.done(&alice(), announce(&west, &offer("2001:db8::2"), 60));
    let ill = crate::state::Offer { health: crate::state::InstanceHealth::Critical, ..well };
    mesh.done(&alice(), announce(&east, &ill, 60));
    let both = told(&mesh, &mut subscription).0;
    assert_eq!(labels(&both), [["east", "west"]], "the last of what happened, once");
    mesh.pass(60_001);
    assert_eq!(labels(&told(&mesh, &mut subscription).0), [[""; 0]], "their leases are over");
    let fault = subscription.change(request()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::InvalidArgument);
}
