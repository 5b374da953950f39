//! What a member does that wants the others' blocks filled for nothing: batches of operations that nobody pays for.

use super::{BATCH, Liar, LiarContext, Tampering, message};
use crate::world::OPERATION_MS_LIFE;
use hypermesh_core::base::{MicroCaesar, Profile, SecretKey, decode};
use hypermesh_core::hypermesh::proof::{Statement, prove_set, prove_ticket};
use hypermesh_core::node::MESSAGE_BYTES_MAX;
use hypermesh_core::state::{Action, Batch, Member, Operation, OperationBody, Receipt, Transfer, batch_root};

/// How many operations that expired, that cannot be paid and that ask for more than their limit are in each batch.
const OPERATIONS_OF_EACH_KIND: u64 = 8;
/// How many batches it makes.
const BATCH_COUNT_MAX: u32 = 40;

impl Liar {
    /// Submits a batch of its own with four good proofs, of which nobody pays for anything.
    pub(super) fn submit_unpaid(&mut self, context: &LiarContext<'_>) -> Tampering {
        let state = &context.view.state;
        let member = context.identity.public();
        let Some(row) = state.get::<Member>(&member) else { return Tampering::Honestly };
        if self.done >= BATCH_COUNT_MAX {
            return Tampering::Honestly;
        }
        self.done += 1;
        let beacon = state.beacon();
        let operations = self.unpaid(context);
        let statement = Statement {
            genesis: context.genesis(),
            member,
            sequence: row.next_sequence,
            batch_root: batch_root(operations.iter().map(Operation::id)),
            beacon_index: beacon.index,
        };
        let full = !row.tickets.contains_key(&beacon.index);
        let ticket = prove_ticket(context.plot, &beacon.value, &member, &Profile::Sim.proofs());
        let proofs = prove_set(&ticket, full, &statement, &beacon.value, beacon.difficulty, context.identity);
        let batch = Batch {
            genesis: statement.genesis,
            member,
            sequence: statement.sequence,
            beacon_index: statement.beacon_index,
            operations,
            omitted: Vec::new(),
            proofs,
        };
        let no_traces: Vec<(u16, [u8; 16])> = Vec::new();
        Tampering::Both(message(BATCH, &(batch, no_traces)))
    }

    /// Keeps the first batch of another member's that it hears of, to repeat what is in it.
    pub(super) fn keep_batch(&mut self, bytes: &[u8]) {
        if self.old.is_none() {
            let heard = decode::<(Batch, Vec<(u16, [u8; 16])>)>(bytes, MESSAGE_BYTES_MAX);
            self.old = heard.ok().map(|(batch, _)| batch);
        }
    }

    /// Operations that expired, that an empty account is to pay, that ask for more than their limit, and repeats.
    fn unpaid(&self, context: &LiarContext<'_>) -> Vec<Operation> {
        let state = &context.view.state;
        let nobody = SecretKey::from_seed([210; 32]);
        let mut operations = Vec::new();
        for number in 0..OPERATIONS_OF_EACH_KIND {
            let body = |owner: &SecretKey, kind: u64| OperationBody {
                genesis: context.genesis(),
                owner: owner.public(),
                nonce: (u64::from(self.done) * OPERATIONS_OF_EACH_KIND + number) * 3 + kind,
                expires: state.time().plus(OPERATION_MS_LIFE),
                fee_max: MicroCaesar(u64::MAX),
                action: Action::Transfer(Transfer { to: context.another, amount: MicroCaesar(1) }),
            };
            let expired = OperationBody { expires: state.time().minus(1), ..body(context.identity, 0) };
            let limited = OperationBody { fee_max: MicroCaesar(1), ..body(context.identity, 2) };
            operations.push(expired.sign(context.identity));
            operations.push(body(&nobody, 1).sign(&nobody));
            operations.push(limited.sign(context.identity));
        }
        let old = self.old.iter().flat_map(|batch| batch.operations.iter().cloned());
        operations.extend(old.filter(|operation| state.get::<Receipt>(&operation.id()).is_some()));
        operations
    }
}
