//! Key generation, as this node takes part in it: round one and the confirmation on chain, round two between
//! validators. A restart in the middle is an abort, which the node says itself.
//!
//! Until everyone's first round is on chain, the attempt waits: nothing is at stake yet, and the status says whose is
//! missing. From then on there is a limit: a node that lacks someone's private shares gives the attempt up and names
//! whom it misses; one that has its own, and waits twice as long for others to confirm, names those.

use crate::base::{Mono, PublicKey, Table, WriteBatch, reached};
use crate::hypermesh::committee::{
    CommitteeKeys, Generated, GenerationFault, KeyGeneration, Round1, Round2, StoredShares,
};
use crate::node::ask::Committed;
use crate::node::context::shares_key;
use crate::node::message::Message;
use crate::node::timers::Timer;
use crate::node::{Event, context::Context};
use crate::state::{ABORT_REASON_BYTES_MAX, Generation, SystemAction};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

/// What was said and not heard is said again after this long.
const REPEAT_AFTER: Duration = Duration::from_millis(500);

/// Private shares that have not come this long after everyone's first round was on chain are not waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// And so much longer for each validator: the work grows with them.
const PATIENCE_PER_VALIDATOR: Duration = Duration::from_secs(1);

/// This node's part in the key generation under way.
#[derive(Default)]
pub(in crate::node) struct GenerationPart {
    attempt: Option<Attempt>,
}

struct Attempt {
    number: u32,
    generation: KeyGeneration,
    round1: Round1,
    /// What the others are to get; sent again until they have it.
    round2: BTreeMap<PublicKey, Round2>,
    /// When the second round began.
    dealt: Option<Mono>,
    confirmed: Option<CommitteeKeys>,
}

impl GenerationPart {
    /// Does what the key generation asks of this node now.
    pub(in crate::node) fn proceed(&mut self, cx: &mut Context) {
        if cx.state.committee().is_some() {
            self.attempt = None;
            cx.timers.cancel(Timer::Generation);
            return;
        }
        let generation = cx.state.generation();
        if self.attempt.as_ref().is_some_and(|attempt| attempt.number != generation.attempt) {
            self.attempt = None;
        }
        cx.timers.start(Timer::Generation, cx.now.mono.after(REPEAT_AFTER));
        let mine_stands = generation.round1.contains_key(&cx.identity.public());
        match (&self.attempt, mine_stands) {
            (None, false) => self.begin_generation(cx, &generation),
            (None, true) => Self::resume_generation(cx, &generation),
            (Some(_), true) => self.deal(cx, &generation),
            (Some(_), false) => {}
        }
    }

    pub(in crate::node) fn on_timeout(&mut self, cx: &mut Context) {
        let generation = cx.state.generation();
        let me = cx.identity.public();
        if let Some(attempt) = &self.attempt {
            let number = attempt.number;
            if !generation.round1.contains_key(&me) {
                let package = attempt.round1.clone();
                cx.order_system(SystemAction::GenerationRound1 { attempt: number, package });
            } else if let (Some(keys), false) = (&attempt.confirmed, generation.confirmed.contains(&me)) {
                let keys = keys.clone();
                cx.order_system(SystemAction::GenerationConfirm { attempt: number, keys });
            }
            self.send_round2(cx);
            self.give_up_on_the_absent(cx, &generation);
        }
        self.proceed(cx);
    }

    /// Gives the attempt up if someone has kept everyone waiting for too long.
    fn give_up_on_the_absent(&mut self, cx: &mut Context, generation: &Generation) {
        let Some(attempt) = &self.attempt else { return };
        let Some(dealt) = attempt.dealt else { return };
        let validators = cx.state.validators();
        let count = u32::try_from(validators.count()).unwrap_or(u32::MAX);
        let patience = PATIENCE.saturating_add(PATIENCE_PER_VALIDATOR.saturating_mul(count));
        let waited = cx.now.mono.since(dealt);
        let (accused, what) = if attempt.confirmed.is_none() && waited >= patience {
            (attempt.generation.missing(), "no private shares came of the accused")
        } else if waited >= patience.saturating_mul(2) {
            let silent = validators.as_slice().iter().filter(|key| !generation.confirmed.contains(key));
            (silent.copied().collect(), "the accused did not confirm the keys")
        } else {
            return;
        };
        let reason = alloc::format!("{what} within {waited:?}");
        cx.order_system(SystemAction::GenerationAbort { attempt: attempt.number, accused, reason });
    }

    fn begin_generation(&mut self, cx: &mut Context, generation: &Generation) {
        let me = cx.identity.public();
        let session = cx.state.generation_session(generation.attempt);
        let Ok((part, round1)) = KeyGeneration::begin(session, me, cx.entropy.as_mut()) else { return };
        let number = generation.attempt;
        cx.outbox.event(Event::GenerationBegan { attempt: number });
        self.attempt = Some(Attempt {
            number,
            generation: part,
            round1: round1.clone(),
            round2: BTreeMap::new(),
            dealt: None,
            confirmed: None,
        });
        cx.order_system(SystemAction::GenerationRound1 { attempt: number, package: round1 });
    }

    /// After a restart: the shares are stored, or the attempt has to be given up.
    fn resume_generation(cx: &mut Context, generation: &Generation) {
        let attempt = generation.attempt;
        if generation.confirmed.contains(&cx.identity.public()) {
            return;
        }
        match cx.stored_shares(attempt) {
            Some((keys, _)) => cx.order_system(SystemAction::GenerationConfirm { attempt, keys }),
            None => {
                let reason = "restarted before its shares were made".to_string();
                let accused = alloc::vec![cx.identity.public()];
                cx.order_system(SystemAction::GenerationAbort { attempt, accused, reason });
            }
        }
    }

    /// Once everyone's first round stands on chain, deals the second.
    fn deal(&mut self, cx: &mut Context, generation: &Generation) {
        let complete = generation.round1.len() == cx.state.validators().count();
        let Some(attempt) = &mut self.attempt else { return };
        if !complete || !attempt.round2.is_empty() || attempt.confirmed.is_some() {
            return;
        }
        match attempt.generation.receive_round1(&generation.round1) {
            Ok(dealt) => {
                attempt.round2 = dealt.packages;
                attempt.dealt = Some(cx.now.mono);
                self.send_round2(cx);
                if let Some(generated) = dealt.generated {
                    self.on_generated(cx, generated);
                }
            }
            Err(GenerationFault::OutOfOrder) => {}
            Err(fault) => self.give_up(cx, &fault),
        }
    }

    fn send_round2(&mut self, cx: &mut Context) {
        let Some(attempt) = &self.attempt else { return };
        let packages: Vec<_> = attempt.round2.iter().map(|(to, package)| (*to, package.clone())).collect();
        for (to, package) in packages {
            cx.send(to, &Message::Round2(package));
        }
    }

    pub(in crate::node) fn on_round2(&mut self, cx: &mut Context, from: PublicKey, package: Round2) {
        let Some(attempt) = &mut self.attempt else { return };
        match attempt.generation.receive_round2(from, package) {
            Ok(Some(generated)) => self.on_generated(cx, generated),
            Err(fault @ GenerationFault::Accused { .. }) => self.give_up(cx, &fault),
            // Of another attempt, or a repeat after the end: it changes nothing.
            Ok(None) | Err(_) => {}
        }
    }

    /// The shares are stored before anything is confirmed: who confirms can sign.
    fn on_generated(&mut self, cx: &mut Context, generated: Generated) {
        let Some(attempt) = &mut self.attempt else { return };
        let number = attempt.number;
        let keys = generated.keys;
        attempt.confirmed = Some(keys.clone());
        let mut writes = WriteBatch::default();
        let row = StoredShares { keys: keys.clone(), shares: generated.shares };
        writes.put(Table::Shares, shares_key(number), row.to_bytes().to_vec());
        let token = cx.persist(writes);
        cx.order_system_after(Some(token), SystemAction::GenerationConfirm { attempt: number, keys });
    }

    fn give_up(&mut self, cx: &mut Context, fault: &GenerationFault) {
        let Some(attempt) = &self.attempt else { return };
        let accused = match fault {
            GenerationFault::Accused { accusations } => accusations.keys().copied().collect(),
            _ => Vec::new(),
        };
        let mut reason: String = fault.to_string();
        while reason.len() > ABORT_REASON_BYTES_MAX {
            reason.pop();
        }
        cx.order_system(SystemAction::GenerationAbort { attempt: attempt.number, accused, reason });
    }

    pub(in crate::node) fn after_block(&mut self, cx: &mut Context, committed: &Committed) {
        let genesis = cx.state.genesis_document().clone();
        let name = |key: &PublicKey| {
            let listed = genesis.validators.iter().find(|validator| validator.member.key == *key);
            listed.map_or_else(|| key.to_string(), |validator| validator.name.clone())
        };
        for operation in &committed.block.body.system {
            if let SystemAction::GenerationAbort { attempt, accused, reason } = &operation.action {
                reached!(cx.marks, "a key generation is given up");
                let accused: Vec<String> = accused.iter().map(name).collect();
                let by = name(&operation.validator);
                let reason = alloc::format!("{reason} (said by {by}, accused: {})", accused.join(", "));
                cx.outbox.event(Event::GenerationAborted { attempt: *attempt, reason });
            }
        }
        self.proceed(cx);
    }
}

#[cfg(test)]
#[cfg(not(hypermesh_simulation_crypto))]
mod tests {
    use super::*;
    use crate::base::Mono;
    use crate::node::ask::Ask;
    use crate::node::test_util::{context, pass};
    use crate::state::tests::test_util::Mesh;

    fn ordered(cx: &mut Context) -> Vec<SystemAction> {
        let action = |ask| match ask {
            Ask::OrderSystem { operation, .. } => Some(operation.action),
            _ => None,
        };
        core::mem::take(&mut cx.asks).into_iter().filter_map(action).collect()
    }

    #[test]
    fn a_node_of_a_mesh_without_keys_puts_its_commitments_before_the_mesh_until_they_stand() {
        let mesh = Mesh::new();
        let (mut cx, mut part) = (context(&mesh), GenerationPart::default());
        part.proceed(&mut cx);
        let [SystemAction::GenerationRound1 { attempt: 0, package }] = &ordered(&mut cx)[..] else {
            panic!("its commitments")
        };
        part.proceed(&mut cx);
        assert!(ordered(&mut cx).is_empty(), "once a step is enough");
        assert_eq!(cx.timers.next(), Some(Mono(500_000)));
        pass(&mut cx, 500);
        part.on_timeout(&mut cx);
        assert!(
            matches!(&ordered(&mut cx)[..], [SystemAction::GenerationRound1 { package: again, .. }] if again == package)
        );
    }
}
