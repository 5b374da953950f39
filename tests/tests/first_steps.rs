//! What somebody meets who begins, and what goes wrong on the way: a port that is taken, a pipe whose reader has enough, a
//! second terminal, a machine without IPv6, a clock that is wrong, an account that runs out. Each is told by its cause, and
//! none leaves anything behind that has to be cleared away.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod desk;

use desk::Desk;
use hypermesh_tests::LocalMesh;
use hypermesh_tests::hosts::{Init, Network};
use std::net::{Ipv6Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hypermesh-under-test");
const MINUTE_MS: i64 = 60_000;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `hypermesh` with these words in a folder, without a context.
fn hypermesh(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(words).current_dir(folder).env_remove("HYPERMESH_CONTEXT").stdin(Stdio::null());
    command
}

fn run(folder: &Path, words: &[&str]) -> Output {
    hypermesh(folder, words).output().unwrap()
}

/// A base port above which all is free that a devnet of four needs.
fn free_base_port() -> u16 {
    let is_free = |port: &u16| {
        UdpSocket::bind((Ipv6Addr::LOCALHOST, *port)).is_ok()
            && TcpListener::bind((Ipv6Addr::LOCALHOST, *port)).is_ok()
    };
    let ports = |base: u16| (1..=4).flat_map(move |number| [base + number, base + 100 + number]);
    let first = 12_000 + u16::try_from(std::process::id() % 8_000).unwrap();
    (first..32_000).step_by(8).find(|base| ports(*base).all(|port| is_free(&port))).unwrap()
}

/// Into a pipe of which nobody reads more than a line, by a shell; its exit status is that of `hypermesh`.
fn into_head(folder: &Path, words: &str) -> (i32, String) {
    let script = format!("({{ \"$X\" {words}; echo $? >code; }} 2>&1 | head -n 1); cat code");
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).env("X", PROGRAM).env_remove("HYPERMESH_CONTEXT").current_dir(folder);
    let said = text(&shell.stdin(Stdio::null()).output().unwrap().stdout);
    let code = said.lines().last().unwrap_or_default();
    (code.parse().unwrap_or_else(|_| panic!("{said}")), said)
}

#[test]
fn a_devnet_is_begun_elsewhere_shown_in_every_terminal_and_piped_into_head() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    a_port_that_is_taken_fixes_nothing(here);

    let base = free_base_port().to_string();
    let script = "echo \"$HYPERMESH_DNS\" && dig $HYPERMESH_DNS web.demo.hypermesh AAAA +short && \
                  grep -hE 'not closed|repair|recover|damage' hypermesh-devnet/node-*/node.log; exit 0";
    let first = run(here, &["devnet", "--base-port", &base, "--", "bash", "-c", script]);
    let (said, banner) = (text(&first.stdout), text(&first.stderr));
    assert_eq!(first.status.code(), Some(0), "{banner}");
    let dns = format!("@::1 -p {}", base.parse::<u16>().unwrap() + 101);
    assert_eq!(
        said,
        format!("{dns}\n::1\n"),
        "nothing that was not there before was closed or mended\n{banner}"
    );
    let context = here.canonicalize().unwrap().join("hypermesh-devnet/context.toml");
    let export = format!("export HYPERMESH_CONTEXT={}", context.display());
    for words in ["the mesh is ready: 4 validators", "it stops when bash ends", &export, &dns] {
        assert!(banner.contains(words), "{words:?} in\n{banner}");
    }

    // A second terminal, in the same folder.
    let lost = run(here, &["caesar", "balance"]);
    assert_eq!(lost.status.code(), Some(2));
    assert!(text(&lost.stderr).contains(&export), "{}", text(&lost.stderr));

    let (code, said) = into_head(here, "devnet -- bash -c 'seq 100000; exit 7'");
    assert_eq!(code, 7, "the command's exit status is passed on, whoever reads: {said}");
    let fixed = run(here, &["devnet", "--base-port", "7000", "--", "true"]);
    assert_eq!(fixed.status.code(), Some(2));
    assert!(
        text(&fixed.stderr).contains(
            "which cannot change after its first \
        start"
        ),
        "{}",
        text(&fixed.stderr)
    );
}

fn a_port_that_is_taken_fixes_nothing(here: &Path) {
    let taken = free_base_port();
    let holder = TcpListener::bind((Ipv6Addr::LOCALHOST, taken + 102)).unwrap();
    let refused = run(here, &["devnet", "--base-port", &taken.to_string(), "--", "true"]);
    let error = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{error}");
    assert!(
        error.contains(
            "stop the processes that listen there, or choose other ports with \
        --base-port"
        ),
        "{error}"
    );
    assert!(!here.join("hypermesh-devnet").exists());
    drop(holder);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_goes_to_standard_output_and_a_reader_that_has_enough_is_no_failure() {
    let mut desk = Desk::new().await;
    desk.succeed(&["cert", "issue", "web.demo.hypermesh", "--out", "web"]);
    for words in [
        &["completions", "bash"][..],
        &["man"],
        &["--help"],
        &["cert", "crl"],
        &["cert", "crl", "--der"],
        &["cert", "list"],
        &["trust", "export"],
        &["log", "prove", "--index", "1"],
        &["rpc", "list"],
        &["top", "--once"],
        &["caesar", "history"],
    ] {
        let whole = desk.command(words).output().unwrap();
        assert!(!whole.stdout.is_empty() && whole.status.success(), "{words:?}: {whole:?}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let cut = desk.command(words).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(cut.status.code(), Some(0), "{words:?}: {cut:?}");
        assert!(!text(&cut.stderr).contains("error"), "{words:?}: {cut:?}");
        // Nor is one who does not read what is told besides.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let untold = desk.command(words).stderr(writer).output().unwrap();
        assert_eq!((untold.status.code(), untold.stdout.is_empty()), (Some(0), false), "{words:?}");
    }
    // What is lost, and not only unread, is a failure.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let lost = desk.command(&["completions", "bash"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(lost.status.code(), Some(1), "{lost:?}");
    desk.succeed(&["cert", "crl", "--json", "--out", "mesh.crl"]);
    assert!(desk.read("mesh.crl").contains("BEGIN X509 CRL"), "with --json too, the file is written");
    desk.mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_named_and_not_what_follows_from_it() {
    let mut ahead = Desk::of(LocalMesh::start_ahead(-90 * MINUTE_MS).await);
    let words = ["cert", "issue", "web.demo.hypermesh", "--out", "web"];
    let cause =
        "error: this machine's clock is 90 minutes ahead of the mesh: set it, and run the command again";
    ahead.fail(&words, 5, cause);
    ahead.succeed(&["caesar", "balance"]);
    ahead.mesh.stop().await;

    let mut behind = Desk::of(LocalMesh::start_ahead(90 * MINUTE_MS).await);
    let said = behind.succeed(&words);
    assert!(said.contains("warning: this machine's clock is 90 minutes behind the mesh"), "{said}");
    let said = behind.succeed(&["--json", "dns", "register", "late.hypermesh"]);
    assert!(said.contains(r#"{"warning":{"kind":"clock","message":"this machine's clock is 90 "#), "{said}");
    behind.mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_runs_out_is_told_of_while_it_still_pays() {
    let mut desk = Desk::new().await;
    let other = desk.mesh.participants.poor.public().to_string();
    let said = desk.succeed(&["caesar", "transfer", &other, "1"]);
    assert!(!said.contains("warning"), "{said}");
    let balance: serde_json::Value =
        serde_json::from_str(&desk.succeed(&["--json", "caesar", "balance"])).unwrap();
    let all_but = balance["balance"].as_u64().unwrap() - 60_000;
    let amount = format!("{}.{:06}", all_but / 1_000_000, all_but % 1_000_000);
    for words in [&["caesar", "transfer", &other, &amount][..], &["caesar", "balance"]] {
        let said = desk.succeed(words);
        let expected =
            ["warning: the account holds 0.05", "certificates at the present fee of ", "renewals stop"];
        assert!(expected.iter().all(|words| said.contains(words)), "{said}");
    }
    let said = desk.succeed(&["--json", "dns", "set", "a.demo.hypermesh", "AAAA", "::1"]);
    assert!(said.contains(r#"{"warning":{"kind":"low_balance","message":"the account holds 0.05"#), "{said}");
    desk.mesh.stop().await;
}

#[test]
fn on_a_host_without_ipv6_that_is_said_and_host_names_lead_to_nodes() {
    let files = [(Path::new(PROGRAM), "/usr/local/bin/hypermesh")];
    let Some(network) = Network::start(&["desk"], Init::Plain, &files) else { return };
    let host = network.host("desk");
    let (code, _, error) = host.run("ip link set lo down; exec hypermesh devnet -- true");
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("(`ip link set lo up`)") && !error.contains("stop the process"), "{error}");
    host.succeed("ip link set lo up && test ! -e hypermesh-devnet");

    let script = include_str!("first_steps/host_names.sh");
    host.succeed(&format!("cat >names.sh <<'END-OF-SCRIPT'\n{script}END-OF-SCRIPT"));
    host.succeed("hypermesh devnet -- bash -euo pipefail names.sh");
    host.succeed(include_str!("first_steps/full_at_first.sh"));
    host.succeed(include_str!("first_steps/moved_hosts.sh"));
}
