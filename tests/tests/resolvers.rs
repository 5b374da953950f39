//! docs/resolvers.md, done: each resolver of Debian, with the configuration that the page shows, on a host of its own, is
//! asked for names of a mesh on another host; and without the lines that the page says it needs, it fails as the page says.
//!
//! A third host is the root: it has the addresses of all root servers, and a signed zone that proves, as the real one
//! does, that there is no `hypermesh`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_tests::hosts::{Host, Init, Network};
use std::path::Path;
use std::time::Duration;

const PAGE: &str = include_str!("../../docs/resolvers.md");
/// How long the mesh, or a resolver that has lost a server, may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Where the page says that nodes answer.
const NODES: [&str; 4] = ["2001:db8::1", "2001:db8:1::1", "2001:db8:2::1", "2001:db8:3::1"];

/// A resolver, and how it is started on a host whose configuration is there.
#[derive(Clone, Copy)]
struct Resolver {
    /// The host, which is called like it.
    name: &'static str,
    /// Its program, and the package that has it.
    program: (&'static str, &'static str),
    /// The files of the page.
    files: &'static [&'static str],
    start: &'static str,
    stop: &'static str,
    /// Where it answers.
    address: &'static str,
}

const UNBOUND: Resolver = Resolver {
    name: "unbound",
    program: ("/usr/sbin/unbound", "unbound"),
    files: &["/etc/unbound/unbound.conf.d/hypermesh.conf"],
    start: "/usr/libexec/unbound-helper root_trust_anchor_update; unbound",
    stop: "kill $(cat /run/unbound.pid)",
    address: "127.0.0.1",
};
const BIND: Resolver = Resolver {
    name: "bind",
    program: ("/usr/sbin/named", "bind9"),
    files: &["/etc/bind/named.conf.options", "/etc/bind/named.conf.local"],
    start: "install -d -o bind -g bind /run/named; named -u bind",
    stop: "kill $(cat /run/named/named.pid)",
    address: "127.0.0.1",
};
const DNSMASQ: Resolver = Resolver {
    name: "dnsmasq",
    program: ("/usr/sbin/dnsmasq", "dnsmasq-base"),
    files: &["/etc/dnsmasq.d/hypermesh.conf"],
    start: "dnsmasq --conf-dir=/etc/dnsmasq.d --no-resolv --listen-address=127.0.0.1 --bind-interfaces --dnssec \
            --conf-file=/usr/share/dnsmasq-base/trust-anchors.conf --stop-dns-rebind --pid-file=/run/dnsmasq.pid",
    stop: "kill $(cat /run/dnsmasq.pid)",
    address: "127.0.0.1",
};
const KRESD: Resolver = Resolver {
    name: "kresd",
    program: ("/usr/sbin/kresd", "knot-resolver"),
    files: &["/etc/knot-resolver/kresd.conf"],
    start: "mkdir -p /tmp/kresd; setsid kresd -n -c /etc/knot-resolver/kresd.conf /tmp/kresd > kresd.log 2>&1 & \
            echo $! > /run/kresd.pid",
    stop: "kill $(cat /run/kresd.pid)",
    address: "127.0.0.1",
};
const RESOLVED: Resolver = Resolver {
    name: "resolved",
    program: ("/usr/lib/systemd/systemd-resolved", "systemd-resolved"),
    files: &["/etc/systemd/resolved.conf.d/hypermesh.conf"],
    start: "getent passwd systemd-resolve >/dev/null || useradd --system systemd-resolve; \
            install -d -o systemd-resolve -g systemd-resolve /run/systemd/resolve; mkdir -p /run/systemd/netif/links; \
            setsid /usr/lib/systemd/systemd-resolved > resolved.log 2>&1 & echo $! > /run/resolved.pid",
    stop: "kill $(cat /run/resolved.pid); while kill -0 $(cat /run/resolved.pid) 2>/dev/null; do sleep 0.1; done",
    address: "127.0.0.53",
};

/// The block of the page that is the content of this file.
fn block(file: &str) -> &'static str {
    let (_, after) =
        PAGE.split_once(&format!("<!-- file: {file} -->\n```")).expect("the page shows the file");
    let (_, content) = after.split_once('\n').unwrap();
    content.split_once("```").unwrap().0
}

fn network() -> Option<Network> {
    let resolvers = [UNBOUND, BIND, DNSMASQ, KRESD, RESOLVED];
    for (program, package) in resolvers.iter().map(|resolver| resolver.program) {
        if !Path::new(program).exists() {
            assert!(std::env::var_os("CI").is_none(), "there is no {program}: install the package {package}");
            eprintln!("!!! SKIPPED, NOTHING WAS TRIED: there is no {program}; .ci/nightly installs it");
            return None;
        }
    }
    let program = Path::new(env!("CARGO_BIN_EXE_hypermesh-under-test"));
    let names = [&["mesh", "root"][..], &resolvers.map(|resolver| resolver.name)].concat();
    let network = Network::start(&names, Init::Plain, &[(program, "/usr/local/bin/hypermesh")])?;
    let mesh = network.host("mesh");
    for node in &NODES[1..] {
        mesh.succeed(&format!("ip -6 address add {node}/64 dev eth0 nodad"));
    }
    for resolver in &resolvers {
        network.host(resolver.name).succeed("ip -6 route add default dev eth0");
    }
    Some(network)
}

/// A devnet whose nodes answer where the page says, and names with what the resolvers are asked for.
fn found(mesh: &Host) {
    mesh.succeed("setsid hypermesh devnet --data-dir mesh > mesh.log 2>&1 &");
    mesh.until(PATIENCE, "hypermesh node status --data-dir mesh/node-1 --until-ready");
    for (number, node) in (1..).zip(NODES) {
        let config = format!("mesh/node-{number}/node.toml");
        mesh.succeed(&format!("sed -i 's/^dns = .*/dns = \"[{node}]:53\"/' {config}"));
        mesh.succeed(&format!("kill -HUP $(cat mesh/node-{number}/node.pid)"));
    }
    let big: String = (0..10).map(|part| format!(" {part}{}", "x".repeat(200))).collect();
    for records in [
        "web.demo.hypermesh AAAA fd00::80",
        "web.demo.hypermesh A 192.168.2.80",
        "text.demo.hypermesh TXT hello",
        "late.demo.hypermesh AAAA fd00::81",
        &format!("big.demo.hypermesh TXT{big}"),
    ] {
        mesh.succeed(&format!("export HYPERMESH_CONTEXT=mesh/context.toml; hypermesh dns set {records}"));
    }
    for node in NODES {
        mesh.until(PATIENCE, &format!("dig @{node} big.demo.hypermesh TXT +short | grep -q 9x"));
    }
}

/// Answers for the root, and tells the resolvers its key as if it were the real one's.
fn sign_the_root(network: &Network) {
    let root = network.host("root");
    root.succeed(ROOT);
    root.until(PATIENCE, "dig @2001:503:ba3e::2:30 . DNSKEY +short | grep -q '^257 '");
    let key = root.succeed("dig @2001:503:ba3e::2:30 . DNSKEY +short");
    let (parameters, key) = key.trim().split_at("257 3 13 ".len());
    let key = key.replace(' ', "");
    for (resolver, file, anchor) in [
        (UNBOUND, "/usr/share/dns/root.key", format!(". IN DNSKEY {parameters}{key}")),
        (KRESD, "/usr/share/dns/root.key", format!(". IN DNSKEY {parameters}{key}")),
        (BIND, "/etc/bind/bind.keys", format!("trust-anchors {{ . initial-key {parameters}\"{key}\"; }};")),
    ] {
        let stale = "rm -f /var/lib/unbound/root.key /var/cache/bind/managed-keys*";
        network.host(resolver.name).succeed(&format!("{stale}\ncat > {file} <<'END'\n{anchor}\nEND"));
    }
}

const ROOT: &str = r#"
mkdir root && cd root
awk '$3 == "AAAA" { print $4 } $4 == "AAAA" { print $5 }' /usr/share/dns/root.hints | sort -u > addresses
while read -r address; do ip -6 address add "$address/128" dev eth0 nodad; done < addresses
cat > root.zone <<'END'
. 86400 IN SOA a.root-servers.net. nstld.verisign-grs.com. 1 1800 900 604800 86400
. 86400 IN NS a.root-servers.net.
a.root-servers.net. 86400 IN AAAA 2001:503:ba3e::2:30
com. 86400 IN NS ns.com.
ns.com. 86400 IN AAAA 2001:db8::c
END
cat > named.conf <<END
options { directory "$PWD"; listen-on { none; }; listen-on-v6 { $(sed 's/$/;/' addresses | tr '\n' ' ') };
    recursion no; pid-file none; session-keyfile none; dnssec-validation no; };
controls {};
zone "." { type primary; file "root.zone"; dnssec-policy default; inline-signing yes; };
END
named -c named.conf
"#;

impl Resolver {
    /// Writes the page's files, with something replaced in them, and starts the resolver.
    fn start(&self, network: &Network, replaced: &str, by: &str) {
        let host = network.host(self.name);
        for file in self.files {
            let content = block(file).replace(replaced, by);
            // What the page says is added stands behind what Debian has there.
            let shipped = format!("test ! -e {file}.shipped || cp {file}.shipped {file}");
            let keep = format!("mkdir -p $(dirname {file}); test ! -e {file} || cp -n {file} {file}.shipped");
            let write = if *file == KRESD.files[0] { ">>" } else { ">" };
            host.succeed(&format!("{keep}\n{shipped}\ncat {write} {file} <<'END'\n{content}END"));
        }
        host.succeed(self.start);
        host.until(PATIENCE, &format!("dig @{} +time=2 +tries=1 -t SOA . > /dev/null", self.address));
    }

    fn stop(&self, network: &Network) {
        network.host(self.name).succeed(self.stop);
        let silent = format!("! dig @{} +time=1 +tries=1 -t SOA . > /dev/null", self.address);
        network.host(self.name).until(PATIENCE, &silent);
    }

    /// The code and the number of answers to a question.
    #[track_caller]
    fn ask(&self, network: &Network, question: &str) -> (String, usize) {
        let dig = format!("dig @{} {question} +time=20 +tries=1", self.address);
        let said = network.host(self.name).succeed(&dig);
        let field = |name: &str| {
            let (_, after) = said.split_once(name).unwrap_or_else(|| panic!("{dig}: {said}"));
            after.split([',', ' ', '\n']).next().unwrap().to_owned()
        };
        (field("status: "), field("ANSWER: ").parse().unwrap())
    }

    fn answers_for_the_mesh(&self, network: &Network) {
        for (question, code, answers) in [
            ("web.demo.hypermesh AAAA", "NOERROR", 1),
            ("web.demo.hypermesh A", "NOERROR", 1),
            ("text.demo.hypermesh TXT", "NOERROR", 1),
            ("text.demo.hypermesh AAAA", "NOERROR", 0),
            ("nothing.demo.hypermesh AAAA", "NXDOMAIN", 0),
            ("nothing.hypermesh AAAA", "NXDOMAIN", 0),
            ("big.demo.hypermesh TXT", "NOERROR", 10),
            ("+tcp web.demo.hypermesh A", "NOERROR", 1),
        ] {
            assert_eq!(self.ask(network, question), (code.into(), answers), "{} {question}", self.name);
        }
    }
}

#[test]
#[ignore = "it needs five resolvers: .ci/nightly installs them and runs it"]
fn the_page_on_resolvers_is_true() {
    let Some(network) = network() else { return };
    found(network.host("mesh"));
    sign_the_root(&network);
    for resolver in [UNBOUND, BIND, DNSMASQ, KRESD, RESOLVED] {
        resolver.start(&network, "", "");
        if [UNBOUND.name, KRESD.name].contains(&resolver.name) {
            assert_eq!(resolver.ask(&network, "hyperm. A").0, "NXDOMAIN", "{}", resolver.name);
        }
        resolver.answers_for_the_mesh(&network);
    }
    what_the_page_says_is_needed_is(&network);
    a_node_may_be_down(&network);
}

fn what_the_page_says_is_needed_is(network: &Network) {
    for (resolver, line, question) in [
        (UNBOUND, "domain-insecure: \"hypermesh\"", "web.demo.hypermesh AAAA"),
        (BIND, "validate-except { \"hypermesh\"; };", "web.demo.hypermesh AAAA"),
    ] {
        resolver.stop(network);
        resolver.start(network, line, "");
        // unbound then has the root's proof that there is nothing beside this name, and uses it (RFC 8198).
        drop(resolver.ask(network, "hyperm. A"));
        let (code, answers) = resolver.ask(network, question);
        assert!(answers == 0 && ["SERVFAIL", "NXDOMAIN"].contains(&code.as_str()), "without {line}: {code}");
    }
    BIND.stop(network);
    BIND.start(network, "zone \"hypermesh\"", "zone \"demo.hypermesh\"");
    assert_eq!(BIND.ask(network, "text.demo.hypermesh TXT"), ("NOERROR".into(), 1));
    assert_eq!(BIND.ask(network, "text.demo.hypermesh AAAA").0, "SERVFAIL");
    let host = network.host(RESOLVED.name);
    RESOLVED.stop(network);
    RESOLVED.start(network, "Domains", "DNSSEC=yes\nDomains");
    assert_eq!(RESOLVED.ask(network, "web.demo.hypermesh AAAA").0, "SERVFAIL");
    RESOLVED.stop(network);
    let negative = "/etc/dnssec-trust-anchors.d/hypermesh.negative";
    let content = block(negative);
    host.succeed(&format!("mkdir -p $(dirname {negative}); cat > {negative} <<'END'\n{content}END"));
    RESOLVED.start(network, "Domains", "DNSSEC=yes\nDomains");
    RESOLVED.answers_for_the_mesh(network);
    // As the page has it again, for what follows.
    for resolver in [UNBOUND, BIND] {
        resolver.stop(network);
        resolver.start(network, "", "");
    }
}

fn a_node_may_be_down(network: &Network) {
    network.host("mesh").succeed("kill -9 $(cat mesh/node-1/node.pid)");
    for resolver in [UNBOUND, BIND, DNSMASQ, KRESD, RESOLVED] {
        let found = format!("dig @{} late.demo.hypermesh AAAA +short | grep -x fd00::81", resolver.address);
        network.host(resolver.name).until(PATIENCE, &found);
    }
}
