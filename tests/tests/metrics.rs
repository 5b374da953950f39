//! The table of metrics in docs/operations.md, held against what a node prints: nothing is printed that it does not
//! explain, and it explains nothing that is not printed. What is printed is what Prometheus' own tool takes, and so are
//! the alarms.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

const BINARY: &str = env!("CARGO_BIN_EXE_hypermesh-under-test");
const PAGE: &str = include_str!("../../docs/operations.md");
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../real-node/prometheus");

/// What a name is said to be: its type, what it means.
type Meaning = (String, String);

/// The rows of the page's table of metrics.
fn documented() -> BTreeMap<String, Meaning> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `hypermesh_")).filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, meaning] = cells.try_into().ok()?;
        Some((name.trim_matches('`').to_owned(), (kind.to_owned(), meaning.to_owned())))
    });
    rows.collect()
}

/// What text of the exposition format says of its own names.
fn printed(text: &str) -> BTreeMap<String, Meaning> {
    let said = |what: &str| -> BTreeMap<&str, &str> {
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("# ")?.strip_prefix(what)?.trim().split_once(' '));
        lines.collect()
    };
    let (kinds, help) = (said("TYPE"), said("HELP"));
    let row = |(name, kind): (&&str, &&str)| {
        let meaning = help.get(name).copied().unwrap_or_default().to_owned();
        ((*name).to_owned(), ((*kind).to_owned(), meaning))
    };
    kinds.iter().map(row).collect()
}

/// Runs Prometheus' own tool, and gives whether it was content, and what it said. `None` where it is not installed; it is
/// in Debian's package `prometheus`, and CI has it.
fn promtool(words: &[&str], input: &str) -> Option<(bool, String)> {
    let mut command = Command::new("promtool");
    command
        .args(words)
        .current_dir(RULES)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        assert!(std::env::var_os("CI").is_none(), "promtool is not installed");
        eprintln!("not tried: promtool is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

fn against_a_devnet(script: &str) -> (String, String) {
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
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// What the node says that says most.
fn value(text: &str, sample: &str) -> f64 {
    let values =
        text.lines().filter_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse::<f64>().ok());
    values.reduce(f64::max).unwrap_or_else(|| panic!("{sample} in\n{text}"))
}

#[test]
fn what_a_node_prints_is_what_the_table_explains() {
    let (text, account) = against_a_devnet(
        r#"cd "$DIR"
        "$X" cert issue web.demo.hypermesh --out web/ >issued
        dig $HYPERMESH_DNS web.demo.hypermesh TXT +short >dug
        # Numbers are a second old at most while anything happens, which a heartbeat does.
        # Which node is asked for the certificate is drawn by lot.
        for _ in $(seq 100); do
            for node in 1 2 3 4; do "$X" node metrics --data-dir "mesh/node-$node" >"numbers-$node"; done
            if grep -q '^hypermesh_trustchain_issuance_seconds_count 1$' numbers-*; then break; fi
            sleep 0.2
        done
        cat numbers-*
        # What a client's account holds, for its own machine's collector.
        "$X" caesar balance --metrics-file account.prom >balance
        "$X" caesar balance --at-least 1 >balance
        if "$X" caesar balance --at-least 999999999 >balance 2>refused; then exit 1; else [ $? = 5 ]; fi
        grep -q 'less than 999999999' refused
        cat account.prom >&2
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
    let account: String = account
        .lines()
        .filter(|line| line.contains("hypermesh_account_"))
        .flat_map(|line| [line, "\n"])
        .collect();
    // Each node's by itself, as a collector reads them.
    let begin = "# HELP hypermesh_height ";
    let nodes = text.split(begin).skip(1).map(|of_node| [begin, of_node].concat());
    for exposed in nodes.chain([account]) {
        if let Some((content, said)) = promtool(&["check", "metrics"], &exposed) {
            assert!(content && said.trim().is_empty(), "promtool check metrics: {said}\n{exposed}");
        }
    }

    for (sample, least) in [
        ("hypermesh_height", 2.0),
        ("hypermesh_connected", 3.0),
        ("hypermesh_trustchain_issuance_seconds_count", 1.0),
        ("hypermesh_trustchain_dns_responses_total{code=\"NOERROR\",transport=\"udp\"}", 1.0),
        ("hypermesh_trustchain_dns_responses_total{code=\"NOERROR\",transport=\"stoq\"}", 1.0),
        ("hypermesh_hypermesh_proofs_valid_total", 1.0),
        ("hypermesh_hypermesh_batches_taken_total", 1.0),
        ("hypermesh_hypermesh_stoq_calls_total{code=\"ok\"}", 1.0),
        ("hypermesh_hypermesh_syncs_total", 1.0),
        ("hypermesh_hypermesh_store_bytes", 1.0),
        ("hypermesh_hypermesh_disk_free_bytes", 1.0),
        ("hypermesh_hypermesh_memory_bytes", 1.0),
        ("hypermesh_hypermesh_memory_limit_bytes", 1.0),
        ("hypermesh_ready", 1.0),
        ("hypermesh_hypermesh_key_shares_held{key=\"root\"}", 1.0),
        ("hypermesh_hypermesh_share_repairs_left", 1.0),
        ("hypermesh_hypermesh_reveals_left", 1_000_000.0),
        ("hypermesh_trustchain_revocation_list_entries_max", 16_384.0),
        ("hypermesh_caesar_node_stake_microcaesar", 1.0),
        ("hypermesh_hypermesh_clock_peers", 1.0),
        ("hypermesh_hypermesh_table_entries_max{table=\"operations that wait for a batch\"}", 8192.0),
    ] {
        assert!(value(&text, sample) >= least, "{sample} in\n{text}");
    }
    // Ten years, a year, a day: each counted from a moment ago.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let day = 86_400.0;
    for (sample, days) in [
        ("hypermesh_trustchain_root_not_after_seconds", 3_652.0),
        ("hypermesh_trustchain_issuing_not_after_seconds", 365.0),
        ("hypermesh_trustchain_revocation_list_this_update_seconds", 0.0),
        ("hypermesh_trustchain_revocation_list_next_update_seconds", 1.0),
    ] {
        let left = value(&text, sample) - now;
        assert!((left - days * day).abs() < 900.0, "{sample} is {left} s from now");
    }
}

#[test]
fn a_name_that_is_not_in_the_table_is_found_out() {
    let printed = printed(
        "# HELP hypermesh_news_total what is new\n# TYPE hypermesh_news_total counter\nhypermesh_news_total 1\n",
    );
    let expected = ("counter".to_owned(), "what is new".to_owned());
    assert_eq!(printed, BTreeMap::from([("hypermesh_news_total".to_owned(), expected)]));
    assert!(documented().len() > 50 && !documented().contains_key("hypermesh_news_total"));
}

#[test]
fn promtool_finds_what_is_wrong() {
    let Some((content, _)) =
        promtool(&["check", "metrics"], "# TYPE x_milliseconds counter\nx_milliseconds 1\n")
    else {
        return;
    };
    assert!(!content, "a counter without help, in milliseconds, is not clean");
}

#[test]
fn every_alarm_fires_when_it_should_and_not_before_and_is_explained() {
    for words in [["check", "rules", "hypermesh.rules.yml"], ["test", "rules", "hypermesh.rules.test.yml"]] {
        if let Some((content, said)) = promtool(&words, "") {
            assert!(content, "{said}");
        }
    }
    let rules = std::fs::read_to_string(format!("{RULES}/hypermesh.rules.yml")).unwrap();
    let tests = std::fs::read_to_string(format!("{RULES}/hypermesh.rules.test.yml")).unwrap();
    let alarms: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alarms.len() > 10);
    for alarm in alarms {
        assert!(PAGE.contains(&format!("| `{alarm}` |")), "{alarm} is not explained");
        for what in ["fires", "is silent"] {
            assert!(tests.contains(&format!("- name: {alarm} {what}\n")), "{alarm} {what} is not tried");
        }
    }
    // What the alarms rest on is there.
    let documented = documented();
    let names = rules.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    for name in names.filter(|name| name.starts_with("hypermesh_") && !name.starts_with("hypermesh_account_"))
    {
        assert!(documented.contains_key(name), "{name} is no metric");
    }
}
