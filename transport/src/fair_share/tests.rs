use super::*;
use proptest::prelude::*;
use proptest::sample::Index;

type Holding = Holder<u8, u64, u64>;

/// A table whose holders are numbered as they come.
struct Table {
    limits: SlotLimits,
    held: Vec<Holding>,
    next: u64,
}

impl Table {
    const fn new(all: usize, per_prefix: usize) -> Self {
        Self { limits: SlotLimits { all, per_prefix }, held: Vec::new(), next: 0 }
    }

    fn count(&self, prefix: u8) -> usize {
        self.held.iter().filter(|holder| holder.prefix == prefix).count()
    }

    /// Lets one in if it may, and says what came of it; of a holder that gave way, which prefix had it.
    fn come(&mut self, prefix: u8, spares: bool) -> Admission<u8> {
        let admission = self.limits.admit(Some(&prefix), self.held.iter().cloned());
        let outcome = match admission {
            Admission::Free => Admission::Free,
            Admission::Refused(full) => return Admission::Refused(full),
            Admission::Instead(id, full) => {
                let index = self.held.iter().position(|holder| holder.id == id).unwrap();
                Admission::Instead(self.held.remove(index).prefix, full)
            }
        };
        self.held.push(Holder { prefix, order: self.next, spares, id: self.next });
        self.next += 1;
        outcome
    }
}

#[test]
fn a_place_is_free_up_to_the_last_and_then_the_prefix_with_the_most_loses_its_first() {
    let mut table = Table::new(4, 3);
    for prefix in [1, 2, 2, 2] {
        assert_eq!(table.come(prefix, false), Admission::Free);
    }
    assert_eq!(table.come(3, false), Admission::Instead(2, NoSlot::All));
    assert_eq!(table.held.iter().map(|holder| holder.id).collect::<Vec<_>>(), [0, 2, 3, 4]);
    // Prefix 2 holds two, and the others would with another: nothing that is done there is broken off for them.
    assert_eq!(table.come(1, false), Admission::Refused(NoSlot::All));
    assert_eq!(table.come(4, false), Admission::Instead(2, NoSlot::All));
    assert_eq!(table.come(5, false), Admission::Refused(NoSlot::All), "all hold one");
}

#[test]
fn a_full_prefix_takes_from_itself_and_only_what_it_can_spare() {
    let mut table = Table::new(9, 2);
    for spares in [true, false] {
        table.come(1, spares);
    }
    table.come(2, true);
    assert_eq!(table.come(1, false), Admission::Instead(1, NoSlot::Prefix));
    assert_eq!(table.come(1, false), Admission::Refused(NoSlot::Prefix));
}

#[test]
fn where_all_hold_as_much_the_first_that_can_spare_its_place_gives_way_but_never_to_one_that_holds_as_much() {
    let mut table = Table::new(3, 3);
    for (prefix, spares) in [(1, false), (2, true), (3, true)] {
        table.come(prefix, spares);
    }
    assert_eq!(table.come(1, false), Admission::Refused(NoSlot::All), "it holds one, as the others do");
    assert_eq!(table.come(4, true), Admission::Instead(2, NoSlot::All));
    assert_eq!(table.come(4, false), Admission::Instead(4, NoSlot::All), "its own");
}

#[test]
fn whoever_has_no_prefix_takes_from_the_one_with_the_most() {
    let holders = |held: &[(u8, bool)]| {
        let held = held.iter().zip(0_u64..);
        held.map(|(&(prefix, spares), id)| Holder { prefix, order: id, spares, id }).collect::<Vec<_>>()
    };
    let limits = SlotLimits { all: 3, per_prefix: 1 };
    let admit = |held| limits.admit(None, holders(held));
    assert_eq!(admit(&[(1, true), (2, false)]), Admission::Free);
    assert_eq!(admit(&[(1, true), (2, false), (2, false)]), Admission::Instead(1, NoSlot::All));
    assert_eq!(admit(&[(1, false), (2, false), (3, true)]), Admission::Instead(2, NoSlot::All));
    assert_eq!(admit(&[(1, false), (2, false), (3, false)]), Admission::Refused(NoSlot::All));
}

/// What happens at a table: somebody comes from a prefix, busy or not; or whoever is at this place leaves, or becomes busy.
#[derive(Clone, Debug)]
enum TestStep {
    Come { prefix: u8, spares: bool },
    Leave(Index),
    Busy(Index),
}

fn step(prefixes: u8) -> impl Strategy<Value = TestStep> {
    prop_oneof![
        8 => (0..prefixes, any::<bool>()).prop_map(|(prefix, spares)| TestStep::Come { prefix, spares }),
        1 => any::<Index>().prop_map(TestStep::Leave),
        1 => any::<Index>().prop_map(TestStep::Busy),
    ]
}

proptest! {
    /// Prefix 0 is honest and asks for no more than its equal part; the others do what they like, from 1 to 7 prefixes, busy
    /// without end if they choose to. It always gets in, and nobody takes from it.
    #[test]
    fn a_prefix_below_its_equal_part_gets_in_and_loses_nothing_whatever_the_others_do(
        (prefixes, all, steps) in (2_u8..8, 8_usize..40).prop_flat_map(|(prefixes, all)| {
            (Just(prefixes), Just(all), proptest::collection::vec(step(prefixes), 1..300))
        }),
        half in any::<bool>(),
    ) {
        let part = all / usize::from(prefixes);
        let mut table = Table::new(all, if half { part.max(all / 2) } else { all });
        for step in steps {
            match step {
                TestStep::Come { prefix: 0, .. } if table.count(0) >= part => {}
                TestStep::Come { prefix, spares } => {
                    let (own, honest) = (table.count(prefix), table.count(0));
                    let outcome = table.come(prefix, spares);
                    let is_in = !matches!(outcome, Admission::Refused(_));
                    prop_assert!(is_in || prefix != 0, "refused with {own} of {part}");
                    prop_assert_eq!(table.count(0), honest + usize::from(prefix == 0));
                    // Nobody takes from a prefix that holds no more than it does.
                    if let Admission::Instead(loser, _) = outcome {
                        prop_assert!(loser == prefix || table.count(loser) >= own, "{loser} lost to {prefix}");
                    }
                }
                TestStep::Leave(index) if !table.held.is_empty() => {
                    table.held.remove(index.index(table.held.len()));
                }
                TestStep::Busy(index) if !table.held.is_empty() => {
                    let position = index.index(table.held.len());
                    table.held[position].spares = false;
                }
                TestStep::Leave(_) | TestStep::Busy(_) => {}
            }
            prop_assert!(table.held.len() <= all);
            prop_assert!((0..prefixes).all(|prefix| table.count(prefix) <= table.limits.per_prefix));
        }
    }
}
