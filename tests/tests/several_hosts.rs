//! Four nodes on four hosts, each with a network, a file system and an address of its own, made as their
//! operators would make them; and a client on a fifth. Cables are pulled, addresses change, and it holds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_tests::hosts::{HOME, Init, Network, address};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use stoq::{CallOptions, Client, ClientConfig, Endpoint, Env, Expect, Identity, Peer, TransportConfig};

/// How long plots, key generation or a return may take on a busy machine, without optimisation.
const PATIENCE: Duration = Duration::from_secs(240);
const NODES: [&str; 4] = ["node-1", "node-2", "node-3", "node-4"];
const DATA: &str = "/var/lib/hypermesh";
/// Where this test's own program is on every host, for a client that stays.
const THIS_TEST: &str = "/usr/local/lib/several-hosts";
/// Tells this test's own program, on a host, to be that client, and whom to call.
const STAYING_VARIABLE: &str = "HYPERMESH_TEST_STAYING_CLIENT";

fn network() -> Option<Network> {
    let program = Path::new(env!("CARGO_BIN_EXE_hypermesh-under-test"));
    let this_test = std::env::current_exe().unwrap();
    let files = [(program, "/usr/local/bin/hypermesh"), (this_test.as_path(), THIS_TEST)];
    Network::start(&[&NODES[..], &["client"]].concat(), Init::Plain, &files)
}

/// Makes four nodes and a mesh of them, and starts them; then the client's context and its trust bundle.
fn found(network: &Network) {
    for (number, name) in (1..).zip(NODES) {
        let at = address(number);
        network.host(name).succeed(&format!(
            "hypermesh node init --data-dir {DATA} --name {name} --network demo --profile devnet \
             --listen '[::]:7400' --address '[{at}]:7400' --dns '[{at}]:53'"
        ));
    }
    let owner = network.host("client").succeed("hypermesh key new --out owner.key");
    let owner = owner.trim();
    for name in NODES {
        let contribution = network.host(name).succeed(&format!("cat {DATA}/validator.json"));
        write(network, "node-1", &format!("{HOME}/{name}.json"), &contribution);
    }
    network.host("node-1").succeed(&format!(
        "hypermesh genesis new --network demo --profile devnet --zone mesh.example \
         --account {owner}=1000 --name ops.mesh.example={owner} --out genesis.json node-?.json"
    ));
    let genesis = network.host("node-1").succeed("cat genesis.json");
    for name in NODES {
        write(network, name, &format!("{DATA}/genesis.json"), &genesis);
        let host = network.host(name);
        host.succeed(&format!("hypermesh config validate {DATA}/node.toml"));
        start(network, name);
    }
    write(network, "client", &format!("{HOME}/genesis.json"), &genesis);
    network.host("client").succeed("hypermesh context new --genesis-file genesis.json --key owner.key");
    for name in NODES {
        status(network, name, "\"ready\": true");
    }
}

fn write(network: &Network, host: &str, path: &str, text: &str) {
    network.host(host).succeed(&format!("cat > {path} <<'END'\n{text}\nEND"));
}

fn start(network: &Network, name: &str) {
    let log = format!("{DATA}/node.log");
    let run = format!("setsid hypermesh node run --data-dir {DATA} --log-format json >> {log} 2>&1 &");
    network.host(name).succeed(&run);
}

/// Waits until a node's status has all of that in it.
#[track_caller]
fn status(network: &Network, name: &str, expected: &str) -> serde_json::Value {
    let look = format!(
        "status=$(hypermesh --json node status --data-dir {DATA})\nprintf '%s' \"$status\" | tee /dev/stderr | grep -F '{expected}' >/dev/null\nprintf '%s' \"$status\""
    );
    let text = network.host(name).until(PATIENCE, &look);
    serde_json::from_str::<serde_json::Value>(&text).unwrap()[0]["status"].clone()
}

fn client(network: &Network, script: &str) -> String {
    network.host("client").succeed(&format!("export HYPERMESH_CONTEXT=context.toml\n{script}"))
}

/// Waits until a node has every block that another has now.
fn catches_up(network: &Network, name: &str, with: &str) {
    let height = status(network, with, "height")["height"].as_u64().unwrap();
    let height_of = "grep -o '\"height\": [0-9]*' | head -n 1 | grep -o '[0-9]*'";
    network.host(name).until(
        PATIENCE,
        &format!("test \"$(hypermesh --json node status --data-dir {DATA} | {height_of})\" -ge {height}"),
    );
}

#[test]
fn four_hosts_hold_when_cables_are_pulled_and_addresses_change() {
    let Some(mut network) = network() else { return };
    found(&network);
    a_certificate_is_issued_from_a_fifth_host(&network);
    a_client_needs_one_address_and_the_hash(&network);
    a_cable_is_pulled_and_put_back(&network);
    a_clients_connection_survives_a_new_address(&mut network);
    a_validator_with_a_new_address_is_found(&network);
    two_that_moved_at_once_are_told_of_each_other(&network);
    plain_dns_is_asked_over_ipv4(&network);
    lines_of_a_request_carry_its_trace_id(&network);
}

fn a_certificate_is_issued_from_a_fifth_host(network: &Network) {
    client(network, "hypermesh cert issue web.ops.mesh.example --out web");
    client(network, "openssl verify -x509_strict -CAfile web/root.pem -untrusted web/chain.pem web/cert.pem");
    client(network, "hypermesh trust export --out mesh.trust");
    client(network, "hypermesh dns set api.ops.mesh.example AAAA 2001:db8::77");
    // Plain DNS at the port that resolvers ask, of every node, over both transports.
    for (number, more) in [(1, ""), (2, "+tcp"), (3, ""), (4, "+tcp")] {
        let server = address(number);
        network.host("client").until(
            PATIENCE,
            &format!("dig @{server} api.ops.mesh.example AAAA +short {more} | grep -x 2001:db8::77"),
        );
    }
}

fn a_client_needs_one_address_and_the_hash(network: &Network) {
    let hash = client(
        network,
        "hypermesh --json genesis show genesis.json | grep -o '\"hash\": \"[^\"]*' | cut -d '\"' -f 4",
    );
    let hash = hash.trim();
    let node = "--node '[2001:db8::3]:7400'";
    client(network, &format!("hypermesh context new {node} --genesis {hash} --key owner.key --out one.toml"));
    client(network, "hypermesh --context one.toml caesar balance");
    client(network, "hypermesh context new --trust mesh.trust --key other.key --out trust.toml");
    client(network, "hypermesh --context trust.toml cert list");
    client(network, "hypermesh cert verify --trust mesh.trust web/cert.pem");
    let wrong =
        format!("hypermesh context new {node} --genesis {} --key owner.key --out x.toml", "0".repeat(64));
    let (code, _, said) = network.host("client").run(&wrong);
    assert!(code == 3 && said.contains(hash), "{code} {said}");
}

fn a_cable_is_pulled_and_put_back(network: &Network) {
    network.link_down("node-3");
    for name in ["node-1", "node-2", "node-4"] {
        status(network, name, "\"connected\": 3");
    }
    client(network, "hypermesh cert issue without-3.ops.mesh.example --out without-3");
    network.link_up("node-3");
    for name in NODES {
        status(network, name, "\"connected\": 4");
    }
    catches_up(network, "node-3", "node-1");
    // What was issued while it was away, it answers for too.
    let found = "dig @2001:db8::3 _443._tcp.without-3.ops.mesh.example TLSA +short | grep -q '^3 1 1 '";
    network.host("client").until(PATIENCE, found);
}

fn a_clients_connection_survives_a_new_address(network: &mut Network) {
    let key = status(network, "node-1", "node")["node"].as_str().unwrap().to_owned();
    let calls = format!("{STAYING_VARIABLE}={key} {THIS_TEST} --exact staying_client --nocapture --ignored");
    let mut staying = network.host("client").shell(&format!("exec env {calls}"));
    let mut staying = staying.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut orders = staying.stdin.take().unwrap();
    let mut answers = BufReader::new(staying.stdout.take().unwrap()).lines();
    let mut call = || {
        orders.write_all(b"call\n").unwrap();
        let answer = answers.find(|line| line.as_ref().is_ok_and(|line| line.contains("dials=")));
        answer.expect("the client answers").unwrap()
    };
    assert!(call().ends_with("dials=1"));
    network.readdress("client", address(5), address(55));
    let after = call();
    assert!(after.ends_with("dials=1"), "the connection moved with its client: {after}");
    drop(orders);
    assert!(staying.wait().unwrap().success());
}

fn a_validator_with_a_new_address_is_found(network: &Network) {
    network.readdress("node-4", address(4), address(44));
    // First the others lose it, which takes them until their connections to it have been silent for too long.
    let moved = format!("grep -q 'a peer has a new address.*{}' {DATA}/node.log", address(44));
    for name in ["node-1", "node-2", "node-3"] {
        network.host(name).until(PATIENCE, &moved);
        status(network, name, "\"connected\": 4");
    }
    status(network, "node-4", "\"connected\": 4");
    client(network, "hypermesh cert issue moved.ops.mesh.example --out moved");
    catches_up(network, "node-4", "node-1");
}

fn two_that_moved_at_once_are_told_of_each_other(network: &Network) {
    network.readdress("node-3", address(3), address(33));
    // Neither of the two knows where the other is; node-1 and node-2 know both. Their operators tell them.
    // Plain DNS listened at the address that is gone.
    let (three, four) = ((address(3), address(33)), (address(4), address(44)));
    for (name, other, (old, new), at) in
        [("node-3", "node-4", three, four.1), ("node-4", "node-3", four, three.1)]
    {
        let host = network.host(name);
        host.succeed(&format!("sed -i '/^dns/s/{old}/{new}/' {DATA}/node.toml"));
        host.succeed(&format!("printf '\\n[peers]\\n{other} = \"[{at}]:7400\"\\n' >> {DATA}/node.toml"));
        host.succeed(&format!("hypermesh config validate {DATA}/node.toml"));
        stop(network, name);
        start(network, name);
        status(network, name, "\"ready\": true");
    }
    for name in NODES {
        status(network, name, "\"connected\": 4");
    }
}

fn plain_dns_is_asked_over_ipv4(network: &Network) {
    network.add_address("node-2", "192.0.2.2/24");
    network.add_address("client", "192.0.2.5/24");
    let host = network.host("node-2");
    host.succeed(&format!("sed -i '/^dns/s/\\[.*\\]/[::ffff:192.0.2.2]/' {DATA}/node.toml"));
    stop(network, "node-2");
    start(network, "node-2");
    for more in ["", "+tcp"] {
        let asked = format!("dig @192.0.2.2 api.ops.mesh.example AAAA +short {more} | grep -x 2001:db8::77");
        network.host("client").until(PATIENCE, &asked);
    }
}

fn stop(network: &Network, name: &str) {
    let host = network.host(name);
    host.succeed(&format!("kill $(cat {DATA}/node.pid)"));
    host.until(PATIENCE, &format!("test ! -e {DATA}/node.pid"));
}

fn lines_of_a_request_carry_its_trace_id(network: &Network) {
    let log: String = NODES.map(|name| network.host(name).succeed(&format!("cat {DATA}/node.log"))).concat();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let issued = lines.iter().find(|line| {
        line["message"] == "operation committed" && line["span"]["method"] == "trustchain/issue_certificate"
    });
    let issued = issued.expect("issuing is told");
    assert_eq!(
        (issued["target"].as_str(), issued["level"].as_str()),
        (Some("audit"), Some("INFO")),
        "{issued}"
    );
    for field in ["trace", "idempotency_key", "caller", "remote", "operation", "action", "serial"] {
        assert!(issued["span"][field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {issued}");
    }
}

/// Not a test by itself: a client that [`a_clients_connection_survives_a_new_address`] starts on a host, and
/// that calls whenever it is told to, over one connection.
#[test]
#[ignore = "it is started on a host, by another test"]
fn staying_client() {
    let Ok(key) = std::env::var(STAYING_VARIABLE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let identity = Identity::new(hypermesh_core::base::SecretKey::from_seed([9; 32]));
        let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0);
        let endpoint = Endpoint::bind(Env::real(identity), any, TransportConfig::default()).unwrap();
        let client = Client::new(&endpoint, ClientConfig { attempts_max: 1, ..ClientConfig::default() });
        let addr = SocketAddrV6::new(address(1), 7400, 0, 0);
        let peer = Peer { addr, expect: Expect::Key(key.parse().unwrap()) };
        let (orders, mut given) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || std::io::stdin().lines().try_for_each(|line| orders.send(line.unwrap())));
        while given.recv().await.is_some() {
            let options = CallOptions::once(Duration::from_secs(20));
            client.call(&peer, "hypermesh", "health", Vec::new(), options).await.unwrap();
            println!("\ndials={}", client.metrics().dials);
        }
    });
}
