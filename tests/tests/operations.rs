//! docs/operations.md, done: each block of commands on the page, in its order, on the host that its source
//! names. Four hosts with a systemd of their own and the units that ship, and a client's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_tests::hosts::{HOME, Init, Network, address};
use hypermesh_tests::pages::{PageStep, steps};
use std::path::{Path, PathBuf};
use std::time::Duration;

const HOSTS: [&str; 5] = ["node-1", "node-2", "node-3", "node-4", "client"];
/// How exposed the service may be by systemd's own count, of 100: it counts network and one capability.
const EXPOSURE_MAX: u32 = 20;
/// How long what nobody waits for on the page may take.
const PATIENCE: Duration = Duration::from_secs(240);
/// What a shell remembers from one block to the next.
const SESSION: &str = "/run/session";

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn network() -> Option<Network> {
    let units = ["hypermesh.service", "hypermesh-dns.conf", "hypermesh.sysusers"];
    let units = units.map(|name| {
        let path = format!("real-node/systemd/{name}");
        (checkout().join(&path), format!("{HOME}/{path}"))
    });
    let program = Path::new(env!("CARGO_BIN_EXE_hypermesh-under-test"));
    let mut files = vec![(program, "/usr/local/bin/hypermesh")];
    files.extend(units.iter().map(|(here, there)| (here.as_path(), there.as_str())));
    Network::start(&HOSTS, Init::Systemd, &files)
}

fn page(name: &str) -> Vec<PageStep> {
    let page = std::fs::read_to_string(checkout().join(name)).unwrap();
    steps(&page).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

fn who(words: &str) -> Vec<&str> {
    match words {
        "each node" => HOSTS.into_iter().filter(|name| name.starts_with("node-")).collect(),
        some => some.split(" and ").collect(),
    }
}

/// Runs commands on a host, in a shell that remembers the variables of the one before.
#[track_caller]
fn run(network: &Network, host: &str, commands: &str, exit: i32, line: usize) -> String {
    let script = format!(
        "if [ -e {SESSION} ]; then . {SESSION}; fi\nset -a\n{commands}\nset +a\nexport -p > {SESSION}"
    );
    let (code, stdout, stderr) = network.host(host).run(&script);
    if code != exit {
        let journal = network.host(host).run("journalctl -u hypermesh --no-pager -n 40").1;
        panic!(
            "line {line}, on {host}: exit code {code}, not {exit}\n{commands}\n--\n{stdout}{stderr}\n--\n{journal}"
        );
    }
    stdout
}

/// What the page leaves to its reader, by the remark in its source.
fn of_the_reader(network: &Network, remark: &str, host: &str) -> String {
    match remark {
        "with its own values" => {
            let number = 1 + HOSTS.iter().position(|name| *name == host).unwrap();
            let at = address(u16::try_from(number).unwrap());
            format!("NAME={host} ADDRESS={at} PROFILE=devnet")
        }
        "with HASH as node-1 shows it" => {
            let shown = network.host("node-1").succeed("hypermesh genesis show genesis.json");
            let hash = shown.lines().find_map(|line| line.strip_prefix("hash")).unwrap();
            format!("HASH={}", hash.trim())
        }
        _ => String::new(),
    }
}

#[test]
fn the_page_on_operations_is_true() {
    let steps = page("docs/operations.md");
    let Some(network) = network() else { return };
    for step in steps {
        match step {
            PageStep::Run { on, exit, remark, commands, line } => {
                eprintln!("line {line}: on {on}");
                let mut seen = Vec::new();
                for host in who(&on) {
                    let own = of_the_reader(&network, &remark, host);
                    // A reader's own values stand where the page has an example of them.
                    let script = match remark.as_str() {
                        "with its own values" => format!("{commands}\n{own}"),
                        _ => format!("{own}\n{commands}"),
                    };
                    seen.push(run(&network, host, &script, exit, line));
                }
                if remark == "its shares come back" {
                    let shares = "ls /var/lib/hypermesh/store.shares/*.share";
                    who(&on).into_iter().for_each(|host| drop(network.host(host).until(PATIENCE, shares)));
                }
                if remark == "all see the same" {
                    assert!(seen.iter().all(|text| !text.is_empty() && *text == seen[0]), "{seen:?}");
                }
            }
            PageStep::Carry { file, from, to, name } => carry(&network, [&file, &from, &to, &name]),
        }
    }
    the_units_do_what_they_say(&network);
}

fn carry(network: &Network, [file, from, to, name]: [&str; 4]) {
    for source in who(from) {
        let text = network.host(source).succeed(&format!("cat {file}"));
        for target in who(to) {
            let name = name.replace("$NAME", source);
            network.host(target).succeed(&format!("cat > {name} <<'END'\n{text}END"));
        }
    }
}

/// What the page and the units promise, and no command on the page shows.
fn the_units_do_what_they_say(network: &Network) {
    let host = network.host("node-1");
    let unit = "/etc/systemd/system/hypermesh.service";
    host.succeed(&format!("systemd-analyze verify --man=no {unit}"));
    host.succeed(&format!("systemd-analyze security --offline=true --threshold={EXPOSURE_MAX} {unit}"));
    let property =
        |name: &str| host.succeed(&format!("systemctl show --value -p {name} hypermesh")).trim().to_owned();
    assert!(property("StatusText").contains("4 validators"), "{}", property("StatusText"));
    let process = property("MainPID");
    let status = host.succeed(&format!("cat /proc/{process}/status"));
    let capabilities = status.lines().find(|line| line.starts_with("CapBnd:")).unwrap();
    assert!(capabilities.ends_with("0000000000000400"), "nothing but CAP_NET_BIND_SERVICE: {capabilities}");
    assert!(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "{status}");
    assert_eq!(host.succeed(&format!("stat -c %U /proc/{process}")).trim(), "hypermesh");

    host.succeed("systemctl reload hypermesh");
    host.until(PATIENCE, "journalctl -u hypermesh --no-pager | grep -q 'configuration reloaded'");

    // Killed, it comes back by itself; stuck, it is ended, and comes back.
    for signal in ["KILL", "STOP"] {
        let process = property("MainPID");
        host.succeed(&format!("kill -{signal} {process}"));
        let other = format!(
            "test \"$(systemctl show --value -p MainPID hypermesh)\" != {process} && systemctl is-active hypermesh"
        );
        host.until(Duration::from_secs(120), &other);
    }
    let said = host.succeed("journalctl -u hypermesh --no-pager");
    assert!(said.contains("Watchdog timeout"), "{said}");
    host.succeed("hypermesh --timeout 120 node status --data-dir /var/lib/hypermesh --until-ready");
}

/// The tour of the README, in a devnet on a host of its own, whose ports are free.
#[test]
fn the_tour_of_the_readme_is_true() {
    let steps = page("README.md");
    let program = Path::new(env!("CARGO_BIN_EXE_hypermesh-under-test"));
    let files = [(program, "/usr/local/bin/hypermesh")];
    let Some(network) = Network::start(&["tour"], Init::Plain, &files) else { return };
    let mut script = String::from("set -euo pipefail\n");
    for step in steps {
        let PageStep::Run { on, exit, commands, line, .. } = step else {
            panic!("nothing is carried in the README")
        };
        assert_eq!(on, "the devnet");
        // In a shell of its own, so that the block ends at the first command that fails, also where one must.
        let block = format!("set +e\n(set -e\n{commands}\n)\ncode=$?\nset -e\ntest $code -eq {exit}\n");
        script.push_str(&format!("echo '-- line {line}' >&2\n{block}"));
    }
    let host = network.host("tour");
    host.succeed(&format!("cat > tour.sh <<'END-OF-THE-TOUR'\n{script}END-OF-THE-TOUR"));
    let said = host.succeed("hypermesh devnet -- bash tour.sh");
    for expected in ["web/cert.pem: OK", "::1\n", "3 1 1 ", "7401 node-1.hypermesh.", "cosigned by"] {
        assert!(said.contains(expected), "{expected:?} in\n{said}");
    }
}
