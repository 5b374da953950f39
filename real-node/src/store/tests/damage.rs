//! What a start reads, what it reports, and how damage is found afterwards: by a scan and by a check.

use super::*;
use crate::store::scan::{GAP_COUNT_MAX, first_number};

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("store.redb")
}

/// Puts rows with these numbers into a table, each with a value of its own.
fn fill(store: &mut RedbStore, table: Table, numbers: impl Iterator<Item = u64>) {
    for number in numbers {
        let mut batch = WriteBatch::default();
        batch.put(table, number.to_be_bytes(), format!("<{} {number}>", table.name()).repeat(20));
        store.commit(vec![batch]).unwrap();
    }
}

/// Flips a bit in every copy of a row's value in the file.
fn damage(path: &Path, table: Table, number: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    let value = format!("<{} {number}>", table.name()).into_bytes();
    let places: Vec<usize> =
        (0..bytes.len() - value.len()).filter(|at| bytes[*at..].starts_with(&value)).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|at| bytes[*at + 1] ^= 4);
    std::fs::write(path, bytes).unwrap();
}

/// All that scans of small steps find.
fn scanned(reader: &RedbReader) -> (u64, Vec<Finding>) {
    let (mut rows, mut findings, mut cursor) = (0, Vec::new(), Some(Cursor::default()));
    while let Some(at) = cursor {
        let step = reader.scan(&at, 1000);
        rows += step.rows;
        findings.extend(step.findings);
        cursor = step.next;
    }
    (rows, findings)
}

fn finding(table: Table, number: u64, damage: Damage) -> Finding {
    Finding { table, key: number.to_be_bytes().to_vec(), damage }
}

#[test]
fn a_store_that_was_closed_is_not_called_crashed_and_the_first_one_neither() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let mut store = store(&folder);
        assert!(!store.was_crashed());
        store.commit(vec![put(Table::Meta, "head", "1")]).unwrap();
        let reader = store.reader();
        drop(store);
        assert!(folder.path().join("store.redb-open").exists(), "a reader still has it");
        drop(reader);
        assert!(!folder.path().join("store.redb-open").exists());
    }
}

#[test]
fn a_store_that_was_not_closed_says_so_once_and_has_every_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = store(&folder);
    fill(&mut first, Table::Blocks, 1..=30);
    let killed = tempfile::tempdir().unwrap();
    for name in ["store.redb", "store.redb-open"] {
        std::fs::copy(folder.path().join(name), killed.path().join(name)).unwrap();
    }
    let again = store(&killed);
    assert!(again.was_crashed());
    assert_eq!(scanned(&again.reader()), (30, vec![]));
    drop(again);
    assert!(!store(&killed).was_crashed());
}

#[test]
fn a_scan_and_a_check_name_the_rows_that_the_disk_changed_and_a_check_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = store(&folder);
    fill(&mut first, Table::Blocks, 1..=300);
    fill(&mut first, Table::LogEntries, 0..9);
    fill(&mut first, Table::State, 0..9);
    drop(first);
    assert!(check_store(&path(&folder), &mut |_| {}).unwrap().is_sound());
    for (table, number) in [(Table::Blocks, 17), (Table::Blocks, 300), (Table::State, 4)] {
        damage(&path(&folder), table, number);
    }
    let before = std::fs::read(path(&folder)).unwrap();
    let mut last = 0;
    let report = check_store(&path(&folder), &mut |per_mille| {
        assert!(last <= per_mille && per_mille <= 1000, "{last} and then {per_mille}");
        last = per_mille;
    });
    let report = report.unwrap();
    assert_eq!((report.rows, last), (318, 1000));
    assert!(report.pages.is_some() && report.closed_cleanly && !report.is_sound());
    let named: Vec<_> = report.corrupted.iter().map(|row| (row.table, row.number)).collect();
    let state = report.corrupted[2].key.clone();
    assert_eq!(named, [(Table::Blocks, Some(17)), (Table::Blocks, Some(300)), (Table::State, None)]);
    assert_eq!(state, hex::encode(4_u64.to_be_bytes()));
    assert!(report.corrupted[0].remedy.contains("from a peer"), "{}", report.corrupted[0].remedy);
    assert!(std::fs::read(path(&folder)).unwrap() == before, "a check changes nothing");

    let store = store(&folder);
    let found = [(Table::Blocks, 17), (Table::Blocks, 300), (Table::State, 4)];
    let found = found.map(|(table, number)| finding(table, number, Damage::Row)).to_vec();
    assert_eq!(scanned(&store.reader()), (318, found));
}

#[test]
fn a_row_that_is_missing_between_others_is_found_up_to_so_many() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    let gap = 5..5 + GAP_COUNT_MAX;
    fill(&mut store, Table::Blocks, (1..5).chain([gap.end]));
    fill(&mut store, Table::LogEntries, 1..3);
    let missing = |table, numbers: std::ops::Range<u64>| {
        numbers.map(move |number| finding(table, number, Damage::Missing)).collect::<Vec<_>>()
    };
    let expected = [missing(Table::Blocks, gap.clone()), missing(Table::LogEntries, 0..1)].concat();
    assert_eq!(scanned(&store.reader()).1, expected);
    // One more is one too many to be named.
    let mut batch = WriteBatch::default();
    batch.delete(Table::Blocks, gap.end.to_be_bytes());
    store.commit(vec![batch]).unwrap();
    fill(&mut store, Table::Blocks, std::iter::once(gap.end + 1));
    assert_eq!(scanned(&store.reader()).1, expected);
    assert_eq!(first_number(Table::Signed), None, "keys that are not numbers have no gaps");
}

#[test]
fn a_report_lists_so_many_rows_and_counts_the_others() {
    let folder = tempfile::tempdir().unwrap();
    drop(store(&folder));
    let mut report = check_store(&path(&folder), &mut |_| {}).unwrap();
    for number in 0..=FINDING_COUNT_MAX as u64 {
        report.add(&finding(Table::Blocks, number, Damage::Row));
    }
    assert_eq!((report.corrupted.len(), report.not_listed), (FINDING_COUNT_MAX, 1));
}
