mod damage;
mod faults;

use super::*;
use hypermesh_driver::Storage;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

fn store(folder: &TempDir) -> RedbStore {
    RedbStore::open(&folder.path().join("store.redb")).unwrap()
}

fn put(table: Table, key: &str, value: &str) -> WriteBatch {
    let mut batch = WriteBatch::default();
    batch.put(table, key, value);
    batch
}

fn get(store: &RedbStore, table: Table, key: &str) -> Option<String> {
    let value = store.reader().get(table, key.as_bytes()).unwrap()?;
    Some(String::from_utf8(value).unwrap())
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = store(&folder);
    first.commit(vec![put(Table::Blocks, "1", "a"), put(Table::Meta, "head", "1")]).unwrap();
    drop(first);
    let second = store(&folder);
    assert_eq!(get(&second, Table::Blocks, "1").as_deref(), Some("a"));
    assert_eq!(get(&second, Table::Meta, "head").as_deref(), Some("1"));
    assert_eq!(get(&second, Table::Commits, "1"), None, "tables are apart");
}

#[test]
fn a_reader_sees_each_commit_once_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    let reader = store.reader();
    assert_eq!(reader.get(Table::Wal, b"1"), Ok(None));
    store.commit(vec![put(Table::Wal, "1", "vote")]).unwrap();
    assert_eq!(reader.get(Table::Wal, b"1"), Ok(Some(b"vote".to_vec())));
}

#[test]
fn writes_of_all_batches_happen_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    store.commit(vec![put(Table::Wal, "1", "old"), put(Table::Wal, "2", "old")]).unwrap();
    let mut batch = put(Table::Wal, "1", "lost");
    batch.clear(Table::Wal);
    batch.put(Table::Meta, "head", "7");
    batch.put(Table::Wal, "3", "new");
    batch.delete(Table::Wal, "3");
    batch.put(Table::Wal, "4", "first");
    store.commit(vec![batch, put(Table::Wal, "4", "second")]).unwrap();
    let rows = store.reader().range(Table::Wal, b"", 9).unwrap();
    assert_eq!(rows, [(b"4".to_vec(), b"second".to_vec())]);
    assert_eq!(get(&store, Table::Meta, "head").as_deref(), Some("7"));
}

#[test]
fn a_table_that_was_cleared_last_is_empty_and_not_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    let mut batch = put(Table::Wal, "1", "a");
    batch.clear(Table::Wal);
    store.commit(vec![batch]).unwrap();
    assert_eq!(store.reader().range(Table::Wal, b"", 9), Ok(vec![]));
}

#[test]
fn a_range_begins_at_its_start_and_is_no_longer_than_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(&folder);
    let batches = ["a", "b", "c", "d"].map(|key| put(Table::State, key, key));
    store.commit(batches.to_vec()).unwrap();
    let rows = store.reader().range(Table::State, b"b", 2).unwrap();
    let keys: Vec<_> = rows.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [b"b", b"c"]);
}

#[test]
fn a_store_is_for_one_process_and_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = store(&folder);
    let path = folder.path().join("store.redb");
    assert_eq!(RedbStore::open(&path).err(), Some(StoreError::Locked { path: path.clone() }));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(first);
    assert!(RedbStore::open(&path).is_ok());
}

#[test]
fn a_file_that_is_no_store_is_called_damaged_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    std::fs::write(&path, vec![0x5a; 8192]).unwrap();
    let error = RedbStore::open(&path).err().unwrap();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("restore"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), vec![0x5a; 8192]);
}

#[test]
fn a_store_that_was_interrupted_in_its_making_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("store.redb-unfinished"), [7; 5000]).unwrap();
    std::fs::write(folder.path().join("store.redb"), []).unwrap();
    let mut store = store(&folder);
    store.commit(vec![put(Table::Meta, "head", "1")]).unwrap();
    assert_eq!(get(&store, Table::Meta, "head").as_deref(), Some("1"));
    let names = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names().any(|name| name == "store.redb-unfinished"));
}

#[test]
fn a_new_store_was_not_left_open_whatever_its_predecessor_was() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("store.redb-open");
    std::fs::write(&mark, []).unwrap();
    let first = store(&folder);
    assert!(!first.was_crashed() && mark.exists(), "it has a mark of its own");
    drop(first);
    assert!(!mark.exists());
    std::fs::write(&mark, []).unwrap();
    assert!(store(&folder).was_crashed(), "the mark of a store that is there counts");
}

#[test]
fn a_store_that_was_cut_short_is_called_damaged() {
    let folder = tempfile::tempdir().unwrap();
    store(&folder).commit(vec![put(Table::Blocks, "1", &"a".repeat(300_000))]).unwrap();
    let path = folder.path().join("store.redb");
    let whole = std::fs::metadata(&path).unwrap().len();
    for left in [1, 100, 4096, whole / 2, whole - 1] {
        let cut = folder.path().join("cut.redb");
        std::fs::copy(&path, &cut).unwrap();
        OpenOptions::new().write(true).open(&cut).unwrap().set_len(left).unwrap();
        let error = RedbStore::open(&cut).err().unwrap_or_else(|| panic!("{left} of {whole} bytes opened"));
        assert!(matches!(error, StoreError::Damaged { .. }), "{left} of {whole}: {error}");
    }
}

/// Prints what seals cost, and what a start and a commit cost by the store's size and by the way of opening; run it
/// with `--release -- --ignored --nocapture`. `STORE_MIB` sets the sizes.
#[test]
#[ignore = "measures"]
fn what_the_checks_cost() {
    use std::time::Instant;
    for (bytes, repeats) in [(100, 100_000), (4_096, 20_000), (1 << 20, 100)] {
        let value = vec![7; bytes];
        let begun = Instant::now();
        let sum: usize = (0..repeats).map(|_| row::seal(Table::Blocks, b"12345678", &value).len()).sum();
        let each = begun.elapsed() / repeats;
        println!("a seal on {bytes} bytes: {each:?} ({sum} bytes in all)");
    }
    let sizes = std::env::var("STORE_MIB").unwrap_or_else(|_| "64,512".into());
    for mib in sizes.split(',').map(|mib| mib.parse::<u64>().unwrap()) {
        start_by_size(mib);
    }
}

fn start_by_size(mib: u64) {
    use std::time::Instant;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let mut store = store(&folder);
    for number in 1..=mib {
        let mut batch = WriteBatch::default();
        for part in 0..64_u64 {
            batch.put(Table::Signed, [number.to_be_bytes(), part.to_be_bytes()].concat(), vec![7; 16 << 10]);
        }
        store.commit(vec![batch]).unwrap();
    }
    let commits = |quick_repair: bool, two_phase: bool| {
        let begun = Instant::now();
        for number in 0..50_u64 {
            let mut transaction = store.handle.database().begin_write().unwrap();
            transaction.set_two_phase_commit(two_phase);
            transaction.set_quick_repair(quick_repair);
            let mut wal = transaction.open_table(definition(Table::Wal)).unwrap();
            wal.insert(&number.to_be_bytes()[..], &[9; 300][..]).unwrap();
            drop(wal);
            transaction.commit().unwrap();
        }
        begun.elapsed() / 50
    };
    println!("{mib} MiB: a commit of one row, in one phase: {:?}", commits(false, false));
    println!("{mib} MiB: a commit of one row, in two phases: {:?}", commits(false, true));
    println!("{mib} MiB: a commit of one row, with quick-repair: {:?}", commits(true, true));
    let crashed = folder.path().join("crashed.redb");
    for end in ["redb", "redb-open"] {
        std::fs::copy(path.with_extension(end), crashed.with_extension(end)).unwrap();
    }
    drop(store);
    for (what, path) in [("closed", &path), ("after a crash", &crashed)] {
        let begun = Instant::now();
        let opened = RedbStore::open(path).unwrap();
        println!("{mib} MiB: opening, {what}: {:?} (crashed: {})", begun.elapsed(), opened.was_crashed());
    }
    let begun = Instant::now();
    let backend = FileBackend::new(OpenOptions::new().read(true).write(true).open(&path).unwrap()).unwrap();
    drop(Database::builder().set_check_integrity_on_open(true).create_with_backend(backend).unwrap());
    println!("{mib} MiB: opening with every page checked: {:?}", begun.elapsed());
    let begun = Instant::now();
    assert!(check_store(&path, &mut |_| {}).unwrap().is_sound());
    println!("{mib} MiB: a check of pages and rows: {:?}", begun.elapsed());
}
