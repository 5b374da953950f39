//! Who gives way when all slots of a table are taken: whoever is of the part of the network that holds the most.
//!
//! Addresses are cheap within a part of the network and dear across them, so slots are shared out between parts. A bound
//! for each part alone is not enough: a few parts that each hold as much as they may leave nothing for anybody else. So
//! where all is full,
//!
//! 1. the prefix that holds the most loses one, if it holds more than the newcomer's would with the newcomer; of its holders the
//!    first in order, whatever that is doing;
//! 2. else a holder that can spare its slot, of a prefix that holds more than the newcomer's or of the newcomer's own;
//! 3. else the newcomer is refused.
//!
//! Of n prefixes, one that holds less than its equal part of all slots (their number by n) gets another, and loses none while it
//! holds no more than that, whatever the others do. Nothing here tells apart prefixes that are one attacker's: whoever has as many
//! as there are slots takes them all.

use std::collections::BTreeMap;

/// Whoever holds a slot.
#[derive(Clone, Debug)]
pub struct Holder<P, O, I> {
    /// Where on the network.
    pub prefix: P,
    /// Among holders that may have to give way, the lowest is first.
    pub order: O,
    /// Whether it does nothing that would be lost with its slot.
    pub spares: bool,
    /// By what the caller knows it.
    pub id: I,
}

/// Limits of the slots in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotLimits {
    /// For all.
    pub all: usize,
    /// For one prefix.
    pub per_prefix: usize,
}

/// What has no slot left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSlot {
    /// The newcomer's prefix.
    Prefix,
    /// The whole table.
    All,
}

/// Whether a newcomer gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission<I> {
    /// There is a free slot.
    Free,
    /// In the slot of this holder.
    Instead(I, NoSlot),
    /// Nobody gives way.
    Refused(NoSlot),
}

impl SlotLimits {
    /// Whether a newcomer gets in, and who gives way to it. A newcomer without a prefix is bounded by all slots alone.
    #[must_use]
    pub fn admit<P: Ord, O: Ord, I>(
        self,
        newcomer: Option<&P>,
        holders: impl IntoIterator<Item = Holder<P, O, I>>,
    ) -> Admission<I> {
        let holders: Vec<_> = holders.into_iter().collect();
        let mut counts = BTreeMap::<&P, usize>::new();
        holders.iter().for_each(|holder| *counts.entry(&holder.prefix).or_default() += 1);
        let count_of = |prefix: &P| counts.get(prefix).copied().unwrap_or_default();
        let own = newcomer.map_or(0, count_of);
        let full = match newcomer {
            Some(_) if own >= self.per_prefix => NoSlot::Prefix,
            _ if holders.len() >= self.all => NoSlot::All,
            _ => return Admission::Free,
        };
        let most = counts.values().max().copied().unwrap_or_default();
        let may_lose = |holder: &Holder<P, O, I>| {
            let is_own = newcomer == Some(&holder.prefix);
            let count = count_of(&holder.prefix);
            match full {
                NoSlot::Prefix => is_own && holder.spares,
                NoSlot::All if most > own + 1 => count == most,
                NoSlot::All => holder.spares && (is_own || count > own),
            }
        };
        let in_turn = holders.iter().enumerate().filter(|(_, holder)| may_lose(holder));
        let first = in_turn.min_by(|(_, a), (_, b)| a.order.cmp(&b.order)).map(|(index, _)| index);
        match first.and_then(|index| holders.into_iter().nth(index)) {
            Some(Holder { id, .. }) => Admission::Instead(id, full),
            None => Admission::Refused(full),
        }
    }
}

#[cfg(test)]
mod tests;
