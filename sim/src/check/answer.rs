//! What a node answers is what was so: every answer about names, balances, blocks and the log equals the state of the
//! height that it states, is no older than it says, and is of that node's own newest state.
//!
//! What it does not show: that the node is not behind. A node that is cut off answers from what it has, and says how old
//! that is; whether it may still be asked is for whoever asks.

use super::{Chain, ObservedAnswer, Violation, record_list};
use hypermesh_core::api::{
    Balance, BalanceRequest, BlockProof, ConsistencyRequest, DnsAnswer, DnsRequest, InclusionRequest,
    LogEntry, LogProof, NameRequest, NameState, NodeStatus, Request, Response, STALE_HEARTBEATS,
    ServiceState,
};
use hypermesh_core::base::Height;
use hypermesh_core::caesar::LedgerAccount;
use hypermesh_core::state::{Member, NameOwner, State, StateProof};
use hypermesh_core::trust::Question;
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ct::{TreeHead, leaf_hash, verify_consistency, verify_inclusion};
use hypermesh_core::trustchain::dns::{self, Resolution};

/// Looks at an answer.
///
/// # Errors
/// If it is not what was so.
pub(super) fn on_answer(chain: &Chain, observed: &ObservedAnswer<'_>) -> Result<(), Violation> {
    let Ok(response) = observed.response else { return Ok(()) };
    judge(chain, observed, response).map_err(|what| observed.observation.violation("answers", what))
}

/// The request of an answer, if it is one of this kind.
macro_rules! asked {
    ($observed:ident, $kind:ident) => {{
        let Request::$kind(asked) = $observed.request else {
            return Err("answers another question".to_string());
        };
        asked
    }};
}

fn judge(chain: &Chain, observed: &ObservedAnswer<'_>, response: &Response) -> Result<(), String> {
    if !response.answers(observed.request) {
        let asked = observed.request.method();
        return Err(format!("answers {}/{} with the response of another method", asked.service, asked.name));
    }
    match response {
        Response::ResolveDns(answer) => check_dns(chain, observed, asked!(observed, ResolveDns), answer),
        Response::ListRecords(answer) => {
            record_list::check(chain, observed, asked!(observed, ListRecords), answer)
        }
        Response::Service(answer) => check_service(chain, observed, &asked!(observed, Service).name, answer),
        Response::SubscribeService(answer) => {
            check_service(chain, observed, &asked!(observed, SubscribeService).name, answer)
        }
        Response::Prove(proof) => check_proof(chain, observed, &asked!(observed, Prove).question, proof),
        Response::Balance(answer) => check_balance(chain, observed, asked!(observed, Balance), answer),
        Response::Status(answer) => check_status(chain, observed, answer),
        Response::Header(answer) | Response::SubscribeBlocks(answer) => check_header(chain, answer),
        Response::LogInclusion(proof) => check_inclusion(chain, asked!(observed, LogInclusion), proof),
        Response::LogConsistency(proof) => check_growth(chain, asked!(observed, LogConsistency), proof),
        Response::LogEntry(entry) => check_entry(chain, entry),
        Response::Name(answer) => check_name(chain, observed, asked!(observed, Name), answer),
        Response::Genesis(genesis) => match genesis.hash() == chain.genesis_hash() {
            true => Ok(()),
            false => Err("gives the genesis of another mesh".to_string()),
        },
        // Receipts are for `linear`, certificates for `certificates`, `checkpoints` and `policy`.
        Response::IssueCertificate(_)
        | Response::GetCertificate(_)
        | Response::ValidateCertificate(_)
        | Response::ListCertificates(_)
        | Response::LogCheckpoint(_)
        | Response::Operation(_)
        | Response::ValidateBatch(_) => Ok(()),
        // What these say proves itself to whoever asked: signatures over the list, the bundle and the log, and digests
        // that the state has of all movements. Clients check them, and so do scenarios.
        Response::GetRevocationList(_)
        | Response::TrustBundle(_)
        | Response::SubscribeLog(_)
        | Response::History(_)
        | Response::Movements(_) => Ok(()),
        // The opinion of one node, and how it is.
        Response::ValidateProofs(_)
        | Response::Member(_)
        | Response::Fees(_)
        | Response::Supply(_)
        | Response::Rewards(_)
        | Response::Trace(_)
        | Response::TrustchainHealth(_)
        | Response::HypermeshHealth(_)
        | Response::CaesarHealth(_)
        | Response::TrustchainMetrics(_)
        | Response::HypermeshMetrics(_)
        | Response::CaesarMetrics(_)
        | Response::TrustchainMethods(_)
        | Response::HypermeshMethods(_)
        | Response::Addresses(_)
        | Response::CaesarMethods(_) => Ok(()),
    }
}

/// The state that an answer says it is of; `None` if it is from before this chain begins.
pub(super) fn stated(
    chain: &Chain,
    observed: &ObservedAnswer<'_>,
    height: Height,
) -> Result<Option<State>, String> {
    let own = observed.view.state.height();
    if height != own {
        return Err(format!("answers of height {height} and is at {own}"));
    }
    Ok(chain.state(height))
}

fn check_dns(
    chain: &Chain,
    observed: &ObservedAnswer<'_>,
    asked: &DnsRequest,
    answer: &DnsAnswer,
) -> Result<(), String> {
    let Some(state) = stated(chain, observed, answer.height)? else { return Ok(()) };
    let Resolution { outcome, answers, authority } = dns::resolve(&state, &asked.name, asked.record_type);
    if (answer.outcome, &answer.answers, &answer.authority) != (outcome, &answers, &authority) {
        return Err(format!("resolves {} otherwise than height {} has it", asked.name, answer.height));
    }
    let age_ms = observed.wall.since(state.time());
    if answer.time != state.time() || answer.age_ms < age_ms {
        return Err(format!("says that an answer is {} ms old, and it is {age_ms} ms", answer.age_ms));
    }
    let heartbeat = state.genesis_document().profile.heartbeat();
    let stale = u128::from(age_ms) > (STALE_HEARTBEATS * heartbeat).as_millis();
    if stale && !answer.stale {
        return Err(format!("does not say that an answer of {age_ms} ms ago is stale"));
    }
    Ok(())
}

fn check_service(
    chain: &Chain,
    observed: &ObservedAnswer<'_>,
    asked: &DomainName,
    answer: &ServiceState,
) -> Result<(), String> {
    let Some(state) = stated(chain, observed, answer.height)? else { return Ok(()) };
    match *answer == ServiceState::of(&state, asked) {
        true => Ok(()),
        false => Err(format!("lists other instances of {asked} than height {} has", answer.height)),
    }
}

/// Whose a name is: the nearest name that it is or lies below, and that is registered.
fn check_name(
    chain: &Chain,
    observed: &ObservedAnswer<'_>,
    asked: &NameRequest,
    answer: &NameState,
) -> Result<(), String> {
    let Some(state) = stated(chain, observed, answer.height)? else { return Ok(()) };
    let above = core::iter::successors(Some(asked.name.clone()), DomainName::parent);
    let held = above.filter_map(|name| Some((state.get::<NameOwner>(&name)?, name))).next();
    let Some((NameOwner { owner, since, expires, .. }, name)) = held else {
        return Err(format!("says whose {} is, which nobody has registered", asked.name));
    };
    match (&answer.name, answer.owner, answer.since, answer.expires) == (&name, owner, since, expires) {
        true => Ok(()),
        false => Err(format!("says that {} is {}'s, by {}", asked.name, answer.owner, answer.name)),
    }
}

fn check_proof(
    chain: &Chain,
    observed: &ObservedAnswer<'_>,
    question: &Question,
    proof: &StateProof,
) -> Result<(), String> {
    let Some(state) = stated(chain, observed, proof.header.height)? else { return Ok(()) };
    let proved = question.check(proof, state.genesis_document());
    let proved = proved.map_err(|fault| format!("answers {question:?} with what does not hold: {fault}"))?;
    if proved.answer != question.answer(&state) {
        return Err(format!("proves another answer to {question:?} than height {} has", proved.height));
    }
    Ok(())
}

fn check_balance(
    chain: &Chain,
    observed: &ObservedAnswer<'_>,
    asked: &BalanceRequest,
    answer: &Balance,
) -> Result<(), String> {
    let Some(state) = stated(chain, observed, answer.height)? else { return Ok(()) };
    let balance = state.balance(LedgerAccount::Account(asked.owner));
    let stake = state.get::<Member>(&asked.owner).map(|member| member.stake).unwrap_or_default();
    if (answer.owner, answer.balance, answer.stake) != (asked.owner, balance, stake) {
        return Err(format!("says that {} holds {}, and it is {balance}", asked.owner, answer.balance));
    }
    Ok(())
}

fn check_status(chain: &Chain, observed: &ObservedAnswer<'_>, answer: &NodeStatus) -> Result<(), String> {
    let Some(state) = stated(chain, observed, answer.height)? else { return Ok(()) };
    let is = (state.time(), state.log().size(), state.beacon().index);
    if (answer.time, answer.log_size, answer.beacon) != is {
        return Err(format!("has a status that is not of height {}", answer.height));
    }
    if answer.age_ms < observed.wall.since(state.time()) {
        return Err(format!("says that its state is only {} ms old", answer.age_ms));
    }
    Ok(())
}

fn check_header(chain: &Chain, answer: &BlockProof) -> Result<(), String> {
    let height = answer.header.height;
    match chain.at(height) {
        Some(decided) if decided.state.head() != Some(&answer.header) => {
            Err(format!("shows another header of height {height} than was decided"))
        }
        None if chain.newest().is_some_and(|newest| newest.height() < height) => {
            Err(format!("shows a header of height {height}, which is not decided"))
        }
        // Of blocks from before the run only the last is known.
        Some(_) | None => Ok(()),
    }
}

fn check_inclusion(chain: &Chain, asked: &InclusionRequest, proof: &LogProof) -> Result<(), String> {
    let Some(log) = chain.newest().map(State::log) else { return Ok(()) };
    let head = TreeHead { size: proof.size, root: proof.root };
    let same = log.root_at(proof.size) == Ok(proof.root);
    let leaf = log.leaf_hash(asked.index).unwrap_or_default();
    match same && verify_inclusion(&leaf, asked.index, &proof.path, &head).is_ok() {
        true => Ok(()),
        false => Err(format!("proves entry {} of another log", asked.index)),
    }
}

fn check_growth(chain: &Chain, asked: &ConsistencyRequest, proof: &LogProof) -> Result<(), String> {
    let Some(log) = chain.newest().map(State::log) else { return Ok(()) };
    let (size, root) = (proof.size, proof.root);
    let old = log.root_at(asked.old).map(|root| TreeHead { size: asked.old, root });
    let holds = |old: TreeHead| verify_consistency(&old, &TreeHead { size, root }, &proof.path).is_ok();
    match log.root_at(size) == Ok(root) && old.is_ok_and(holds) {
        true => Ok(()),
        false => Err(format!("proves that another log of {size} entries goes on from {}", asked.old)),
    }
}

fn check_entry(chain: &Chain, entry: &LogEntry) -> Result<(), String> {
    let Some(log) = chain.newest().map(State::log) else { return Ok(()) };
    match log.leaf_hash(entry.index) == Some(leaf_hash(&entry.entry)) {
        true => Ok(()),
        false => Err(format!("shows another entry {} than the one in the log", entry.index)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_util::{answered, issue, world_with};
    use crate::world::{Participants, announcement, name};
    use hypermesh_core::api::{HeaderRequest, LogEntryRequest, ProveRequest, ServiceRequest, StatusRequest};
    use hypermesh_core::base::{Digest, LeafIndex, MicroCaesar, UnixMillis};
    use hypermesh_core::trustchain::dns::{RecordType, ResolutionOutcome};

    #[test]
    fn it_fires_when_a_dns_answer_is_wrong_or_older_than_it_says() {
        let asked = DnsRequest { name: name("web.demo.hypermesh"), record_type: RecordType::Aaaa };
        let (world, _) = world_with(|world| vec![issue(world, 1)]);
        let fires = |change: fn(&mut DnsAnswer)| {
            answered(&world, Request::ResolveDns(asked.clone()), |response| {
                let Response::ResolveDns(answer) = response else { panic!("another response") };
                change(answer);
            })
        };
        assert_eq!(fires(|_| {}), Ok(()));
        let broken: [fn(&mut DnsAnswer); 4] = [
            |answer| answer.outcome = ResolutionOutcome::Found,
            |answer| answer.age_ms = 0,
            |answer| answer.time = answer.time.plus(1),
            |answer| answer.height = Height(answer.height.0 - 1),
        ];
        for change in broken {
            assert_eq!(fires(change).unwrap_err().check, "answers");
        }
    }

    #[test]
    fn it_fires_when_a_name_is_said_to_be_anothers_or_another_question_is_answered() {
        let (world, _) = world_with(|world| vec![issue(world, 1)]);
        let asked = Request::Name(NameRequest { name: name("web.demo.hypermesh") });
        let fires = |change: fn(&mut NameState, &Participants)| {
            answered(&world, asked.clone(), |response| {
                let Response::Name(answer) = response else { panic!("another response") };
                change(answer, world.participants());
            })
        };
        assert_eq!(fires(|_, _| {}), Ok(()));
        let broken: [fn(&mut NameState, &Participants); 3] = [
            |answer, participants| answer.owner = participants.other.public(),
            |answer, _| answer.name = name("web.demo.hypermesh"),
            |answer, _| answer.expires = Some(UnixMillis(answer.height.0)),
        ];
        for change in broken {
            assert_eq!(fires(change).unwrap_err().check, "answers");
        }
        let other = |response: &mut Response| {
            *response = Response::Genesis(world.participants().genesis.as_ref().clone());
        };
        assert!(
            answered(&world, asked.clone(), other)
                .unwrap_err()
                .what
                .contains("with the response of another method")
        );
    }

    #[test]
    fn it_fires_when_instances_are_listed_that_are_not_there() {
        let announced = announcement("greeter.demo.hypermesh", "east", 7000, 60);
        let (world, _) = world_with(|world| {
            vec![world.owner(&world.participants().client).announce(1, announced.clone())]
        });
        let fires = |change: fn(&mut ServiceState)| {
            let asked = ServiceRequest { name: announced.instance.service.clone() };
            answered(&world, Request::Service(asked), |response| {
                let Response::Service(answer) = response else { panic!("another response") };
                assert_eq!(answer.instances.len(), 1);
                change(answer);
            })
        };
        assert_eq!(fires(|_| {}), Ok(()));
        let broken: [fn(&mut ServiceState); 3] = [
            |answer| answer.instances.clear(),
            |answer| answer.instances[0].port = 7001,
            |answer| answer.time = answer.time.plus(1),
        ];
        for change in broken {
            assert_eq!(fires(change).unwrap_err().check, "answers");
        }
    }

    #[test]
    fn it_fires_when_a_proof_does_not_hold_or_is_of_another_height() {
        let (world, _) = world_with(|world| vec![issue(world, 1)]);
        let question = Question::Balance { owner: world.participants().client.public() };
        let fires = |change: fn(&mut StateProof)| {
            let asked = Request::Prove(ProveRequest { question: question.clone() });
            answered(&world, asked, |response| {
                let Response::Prove(proof) = response else { panic!("another response") };
                change(proof);
            })
        };
        assert_eq!(fires(|_| {}), Ok(()));
        let broken: [fn(&mut StateProof); 3] = [
            |proof| drop(proof.rows.pop()),
            |proof| proof.rows[0].proof.truncate(9),
            |proof| proof.header.height = Height(proof.header.height.0 - 1),
        ];
        for change in broken {
            assert_eq!(fires(change).unwrap_err().check, "answers");
        }
    }

    #[test]
    fn it_fires_when_an_old_dns_answer_does_not_say_that_it_is_stale() {
        let (mut world, _) = world_with(|_| Vec::new());
        // The last one alone decides nothing, and its state grows old.
        (1..4).for_each(|place| world.crash(place));
        world.run_for(std::time::Duration::from_secs(10)).unwrap();
        let asked = DnsRequest { name: name("demo.hypermesh"), record_type: RecordType::Aaaa };
        let fires = |stale| {
            answered(&world, Request::ResolveDns(asked.clone()), |response| {
                let Response::ResolveDns(answer) = response else { panic!("another response") };
                assert!(answer.stale);
                answer.stale = stale;
            })
        };
        assert_eq!(fires(true), Ok(()));
        assert_eq!(fires(false).unwrap_err().check, "answers");
    }

    #[test]
    fn it_fires_when_a_header_is_another_or_not_decided() {
        let (world, responses) = world_with(|_| vec![Request::Header(HeaderRequest { height: None })]);
        let [Response::Header(shown)] = responses.as_slice() else { panic!("another response") };
        let chain = world.checks().chain();
        assert_eq!(check_header(chain, shown), Ok(()));
        let mut other = shown.clone();
        other.header.state_root = Digest([1; 32]);
        assert!(check_header(chain, &other).unwrap_err().contains("another header"));
        let mut undecided = shown.clone();
        undecided.header.height = chain.newest().unwrap().height().next();
        assert!(check_header(chain, &undecided).unwrap_err().contains("not decided"));
    }

    #[test]
    #[allow(clippy::wildcard_enum_match_arm, reason = "a test changes the responses that it asks for")]
    fn it_fires_when_a_balance_a_status_or_a_log_entry_is_another() {
        let (world, _) = world_with(|world| vec![issue(world, 1)]);
        let owner = world.participants().client.public();
        let balance = Request::Balance(BalanceRequest { owner });
        let wrong = |response: &mut Response| match response {
            Response::Balance(answer) => answer.balance = MicroCaesar(answer.balance.0 + 1),
            Response::Status(answer) => answer.log_size += 1,
            Response::LogInclusion(proof) => proof.root = Digest([1; 32]),
            Response::LogConsistency(proof) => proof.path.push(Digest([1; 32])),
            _ => panic!("another response"),
        };
        let inclusion = InclusionRequest { index: LeafIndex(1), size: None };
        let requests = [
            balance,
            Request::Status(StatusRequest {}),
            Request::LogInclusion(inclusion),
            Request::LogConsistency(ConsistencyRequest { old: 1, new: None }),
        ];
        for request in requests {
            assert_eq!(answered(&world, request.clone(), |_| {}), Ok(()));
            assert_eq!(answered(&world, request, wrong).unwrap_err().check, "answers");
        }
        let chain = world.checks().chain();
        let entry = |entry| check_entry(chain, &LogEntry { index: LeafIndex(1), entry });
        assert!(entry(vec![1, 2]).is_err());
        let _asked = LogEntryRequest { index: LeafIndex(1) };
    }
}
