//! The table of metrics in docs/operations.md, held against what a node prints: nothing is printed that it does not
//! explain, and it explains nothing that is not printed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_hypermesh-under-test");
const PAGE: &str = include_str!("../../docs/operations.md");

/// What a name is said to be: its type, its unit, what it means.
type Meaning = (String, String, String);

/// The rows of the page's table of metrics.
fn documented() -> BTreeMap<String, Meaning> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `hypermesh_")).filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, unit, meaning] = cells.try_into().ok()?;
        Some((name.trim_matches('`').to_owned(), (kind.to_owned(), unit.to_owned(), meaning.to_owned())))
    });
    rows.collect()
}

/// What OpenMetrics text says of its own names, with `_total` behind those of counters, as they are asked for.
fn printed(text: &str) -> BTreeMap<String, Meaning> {
    let said = |what: &str| -> BTreeMap<&str, &str> {
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("# ")?.strip_prefix(what)?.trim().split_once(' '));
        lines.collect()
    };
    let (kinds, units, help) = (said("TYPE"), said("UNIT"), said("HELP"));
    let row = |(name, kind): (&&str, &&str)| {
        let meaning = help.get(name).copied().unwrap_or_default().to_owned();
        let unit = units.get(name).copied().unwrap_or("–").to_owned();
        let end = if *kind == "counter" { "_total" } else { "" };
        (format!("{name}{end}"), ((*kind).to_owned(), unit, meaning))
    };
    kinds.iter().map(row).collect()
}

fn against_a_devnet(script: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let base_port = 14_000 + u16::try_from(std::process::id() % 100).unwrap() * 40;
    let output = Command::new(BINARY)
        .args(["devnet", "--data-dir"])
        .arg(folder.path().join("mesh"))
        .args(["--base-port", &base_port.to_string(), "--", "bash", "-euc", script])
        .env("X", BINARY)
        .env("DIR", folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What the node says that says most.
fn value(text: &str, sample: &str) -> u64 {
    let values = text.lines().filter_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok());
    values.max().unwrap_or_else(|| panic!("{sample} in\n{text}"))
}

#[test]
fn what_a_node_prints_is_what_the_table_explains() {
    let text = against_a_devnet(
        r#"cd "$DIR"
        "$X" cert issue web.demo.hypermesh --out web/ >issued
        dig @::1 -p "${HYPERMESH_DNS##*:}" web.demo.hypermesh TXT +short >dug
        # Numbers are a second old at most while anything happens, which a heartbeat does.
        # Which node is asked for the certificate is drawn by lot.
        for _ in $(seq 100); do
            for node in 1 2 3 4; do "$X" node metrics --data-dir "mesh/node-$node" >"numbers-$node"; done
            if grep -q '^hypermesh_trustchain_issuance_milliseconds_count 1$' numbers-*; then break; fi
            sleep 0.2
        done
        cat numbers-*
        "$X" rpc call hypermesh/metrics >/dev/null"#,
    );
    let (documented, printed) = (documented(), printed(&text));
    for (name, meaning) in &printed {
        assert_eq!(
            documented.get(name),
            Some(meaning),
            "docs/operations.md says of {name} what a node prints"
        );
    }
    let absent: Vec<_> = documented.keys().filter(|name| !printed.contains_key(*name)).collect();
    assert!(absent.is_empty(), "documented and not printed: {absent:?}\n{text}");
    assert!(text.ends_with("# EOF\n"));

    for (sample, least) in [
        ("hypermesh_height", 2),
        ("hypermesh_connected", 3),
        ("hypermesh_trustchain_issuance_milliseconds_count", 1),
        ("hypermesh_trustchain_dns_responses_total{code=\"NOERROR\",transport=\"udp\"}", 1),
        ("hypermesh_trustchain_dns_responses_total{code=\"NOERROR\",transport=\"stoq\"}", 1),
        ("hypermesh_hypermesh_proofs_valid_total", 1),
        ("hypermesh_hypermesh_batches_taken_total", 1),
        ("hypermesh_hypermesh_stoq_calls_total{code=\"ok\"}", 1),
        ("hypermesh_hypermesh_syncs_total", 1),
        ("hypermesh_hypermesh_store_bytes", 1),
        ("hypermesh_hypermesh_disk_free_bytes", 1),
        ("hypermesh_hypermesh_memory_bytes", 1),
        ("hypermesh_hypermesh_clock_peers", 1),
        ("hypermesh_hypermesh_table_entries_max{table=\"operations that wait for a batch\"}", 8192),
    ] {
        assert!(value(&text, sample) >= least, "{sample} in\n{text}");
    }
}

#[test]
fn a_name_that_is_not_in_the_table_is_found_out() {
    let printed =
        printed("# HELP hypermesh_news what is new\n# TYPE hypermesh_news counter\nhypermesh_news_total 1\n");
    let expected = ("counter".to_owned(), "–".to_owned(), "what is new".to_owned());
    assert_eq!(printed, BTreeMap::from([("hypermesh_news_total".to_owned(), expected)]));
    assert!(documented().len() > 50 && !documented().contains_key("hypermesh_news_total"));
}
