//! Servers and clients that want a revocation list for each certificate of a chain: what is good passes, what is revoked
//! does not, and without the root key's list they would take nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod desk;

use desk::Desk;
use hypermesh_tests::foreign::are_installed;
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const GOOD: &str = "good.demo.hypermesh";
const BAD: &str = "bad.demo.hypermesh";
/// Both authorities' lists, and that of the issuing key alone.
const BOTH: &str = "crl.pem";
const ISSUING: &str = "issuing.pem";
/// How long a server is given to listen.
const STARTED_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn servers_and_clients_with_a_list_for_each_authority_take_the_good_and_refuse_the_revoked() {
    let programs =
        ["openssl", "nginx", "haproxy", "curl", "python3", "node", "javac", "psql", "/usr/lib/postgresql"];
    if !are_installed(&programs) {
        return;
    }
    let mut desk = Desk::new().await;
    for (folder, name) in [("good", GOOD), ("bad", BAD)] {
        desk.succeed(&["cert", "issue", name, "--out", folder]);
        let whole = [desk.read(&format!("{folder}/cert.pem")), desk.read(&format!("{folder}/chain.pem"))];
        std::fs::write(desk.path(&format!("{folder}-full.pem")), whole.concat()).unwrap();
    }
    desk.succeed(&["cert", "revoke", "bad/cert.pem", "--reason", "superseded"]);
    desk.succeed(&["cert", "crl", "--out", BOTH]);
    desk.succeed(&["cert", "crl", "--authority", "issuing", "--out", ISSUING]);
    let chain = [desk.read("good/chain.pem"), desk.read("good/root.pem")].concat();
    std::fs::write(desk.path("ca.pem"), chain).unwrap();

    openssl(&desk);
    let [good, bad] = nginx_servers(&desk);
    clients(&desk, good.port, bad.port);
    nginx_and_haproxy_verify_clients(&desk);
    postgresql(&desk);
    desk.mesh.stop().await;
}

// --- what verifies ---

fn openssl(desk: &Desk) {
    let verify = |folder: &str, list: &str| {
        let words =
            ["verify", "-x509_strict", "-crl_check_all", "-CAfile", "good/root.pem", "-CRLfile", list];
        let leaf = format!("{folder}/cert.pem");
        run(desk, Command::new("openssl").args(words).args(["-untrusted", "good/chain.pem", &leaf]))
    };
    judged("openssl verify -crl_check_all", verify);
}

/// Clients that connect to servers and verify them.
fn clients(desk: &Desk, good: u16, bad: u16) {
    let port = |name: &str| if name == "good" { good } else { bad };
    let curl = |folder: &str, list: &str| {
        let (host, port) = (format!("{folder}.demo.hypermesh"), port(folder));
        let words =
            ["--silent", "--show-error", "--max-time", "10", "--cacert", "good/root.pem", "--crlfile", list];
        let resolve = format!("{host}:{port}:[::1]");
        let url = format!("https://{host}:{port}/");
        run(desk, Command::new("curl").args(words).args(["--resolve", &resolve, &url]))
    };
    judged("curl --crlfile", curl);
    for (program, source) in
        [("python3", "crl_client.py"), ("node", "crl_client.js"), ("java", "CrlClient.java")]
    {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign").join(source);
        let client = |folder: &str, list: &str| {
            let host = format!("{folder}.demo.hypermesh");
            let words = [&host, &port(folder).to_string(), "good/root.pem", list];
            run(desk, Command::new(program).arg(&source).args(words))
        };
        judged(program, client);
    }
}

/// A client of a TLS server that verifies it, with a certificate from a folder.
fn curl_with(desk: &Desk, folder: &str, port: u16) -> Result<String, String> {
    let (certificate, key) = (format!("{folder}-full.pem"), format!("{folder}/key.pem"));
    let words = ["--silent", "--show-error", "--fail", "--max-time", "10", "--cacert", "good/root.pem"];
    let own = ["--cert", &certificate, "--key", &key, "--resolve", &format!("{GOOD}:{port}:[::1]")];
    run(desk, Command::new("curl").args(words).args(own).arg(format!("https://{GOOD}:{port}/")))
}

fn nginx_and_haproxy_verify_clients(desk: &Desk) {
    let nginx = |folder: &str, list: &str| {
        let port = free_port();
        let client = format!(
            "ssl_client_certificate ca.pem; ssl_verify_client on; ssl_verify_depth 2; ssl_crl {list};"
        );
        let _server = nginx(desk, port, "good", &client);
        curl_with(desk, folder, port)
    };
    judged("nginx ssl_crl", nginx);
    let haproxy = |folder: &str, list: &str| {
        let port = free_port();
        let _server = haproxy(desk, port, list);
        curl_with(desk, folder, port)
    };
    judged("haproxy crl-file", haproxy);
}

fn postgresql(desk: &Desk) {
    let cluster = Cluster::new(desk);
    let server_verifies = |folder: &str, list: &str| {
        let server = cluster.start("good", list);
        cluster.query(GOOD, server.port, folder, BOTH)
    };
    judged("postgresql ssl_crl_file", server_verifies);
    let client_verifies = |folder: &str, list: &str| {
        let server = cluster.start(folder, BOTH);
        cluster.query(&format!("{folder}.demo.hypermesh"), server.port, "good", list)
    };
    judged("libpq sslcrl", client_verifies);
}

/// Holds a program to its verdicts on what is in a folder under a list: that the good passes and the revoked does not, and that
/// the issuing key's list alone lets nothing pass.
#[track_caller]
fn judged(program: &str, verdict: impl Fn(&str, &str) -> Result<String, String>) {
    let good = verdict("good", BOTH);
    assert!(good.is_ok(), "{program} refuses what is good: {good:?}");
    let revoked = verdict("bad", BOTH);
    assert!(revoked.is_err(), "{program} takes what is revoked: {revoked:?}");
    let lacking = verdict("good", ISSUING);
    assert!(lacking.is_err(), "{program} needs no list of the root key: {lacking:?}");
}

// --- servers ---

/// A server of this test's own, which ends with it.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// Starts a server and waits until it listens.
    fn start(mut command: Command, port: u16) -> Self {
        let mut process =
            command.stdin(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let begun = Instant::now();
        while TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_err() {
            let ended = process.try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < STARTED_WITHIN,
                "{command:?} does not listen: {ended:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // PostgreSQL leaves its other processes and its memory behind if it is killed.
        let id = self.process.id().to_string();
        drop(Command::new("kill").args(["-INT", &id]).status());
        // A process that was started in the background may ignore interrupts, and HAProxy takes that over.
        drop(Command::new("kill").args(["-TERM", &id]).status());
        drop(self.process.wait());
    }
}

fn nginx(desk: &Desk, port: u16, folder: &str, more: &str) -> Server {
    let name = format!("nginx-{port}");
    std::fs::create_dir(desk.path(&name)).unwrap();
    let root = desk.folder.path().display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {root}/{name}/{kind};"))
        .concat();
    let text = format!(
        "daemon off; master_process off; pid {root}/{name}/pid; error_log stderr crit;
        events {{ worker_connections 64; }}
        http {{
            access_log off; {temporary}
            server {{
                listen [::1]:{port} ssl;
                ssl_certificate {root}/{folder}-full.pem; ssl_certificate_key {root}/{folder}/key.pem;
                {}
                location / {{ return 200 'taken'; }}
            }}
        }}",
        more.replace("ca.pem", &format!("{root}/ca.pem")).replace("ssl_crl ", &format!("ssl_crl {root}/"))
    );
    let file = desk.path(&format!("{name}/nginx.conf"));
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-c"]).arg(&file);
    Server::start(command, port)
}

fn nginx_servers(desk: &Desk) -> [Server; 2] {
    ["good", "bad"].map(|folder| nginx(desk, free_port(), folder, ""))
}

fn haproxy(desk: &Desk, port: u16, list: &str) -> Server {
    let pair = [desk.read("good-full.pem"), desk.read("good/key.pem")].concat();
    std::fs::write(desk.path("haproxy.pem"), pair).unwrap();
    let text = format!(
        "global
  maxconn 64
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend test
  bind ipv6@::1:{port} ssl crt haproxy.pem ca-file ca.pem crl-file {list} verify required
  http-request return status 200 content-type text/plain string taken
"
    );
    let file = desk.path(&format!("haproxy-{port}.cfg"));
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("haproxy");
    command.current_dir(desk.folder.path()).arg("-db").arg("-f").arg(&file);
    Server::start(command, port)
}

/// A database cluster, in a folder of the user that PostgreSQL wants to run as.
struct Cluster<'a> {
    desk: &'a Desk,
    folder: tempfile::TempDir,
    programs: PathBuf,
    /// User and group, if the tests run as root, as which PostgreSQL refuses to.
    run_as: Option<u32>,
}

impl<'a> Cluster<'a> {
    fn new(desk: &'a Desk) -> Self {
        let id = |words: &[&str]| {
            let text = run(desk, Command::new("id").args(words)).unwrap();
            text.trim().parse::<u32>().unwrap()
        };
        let run_as = (id(&["-u"]) == 0).then(|| id(&["-u", "postgres"]));
        let cluster = Self { desk, folder: tempfile::tempdir().unwrap(), programs: programs(), run_as };
        cluster.own(cluster.folder.path());
        for file in [BOTH, ISSUING, "ca.pem", "good-full.pem", "bad-full.pem", "good/key.pem", "bad/key.pem"]
        {
            let target = cluster.folder.path().join(file.replace('/', "-"));
            std::fs::write(&target, desk.read(file)).unwrap();
            std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o600)).unwrap();
            cluster.own(&target);
        }
        let words = ["-D", "data", "-A", "trust", "-U", "postgres", "--no-sync", "--no-instructions"];
        run(desk, cluster.command("initdb").args(words)).unwrap();
        let rule = "hostssl all all ::1/128 trust clientcert=verify-ca\n";
        std::fs::write(cluster.folder.path().join("data/pg_hba.conf"), rule).unwrap();
        cluster
    }

    fn own(&self, path: &Path) {
        if let Some(id) = self.run_as {
            chown(path, Some(id), None).unwrap();
        }
    }

    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        let mut command = match self.run_as {
            None => Command::new(path),
            Some(id) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={id}")).arg("--clear-groups").arg(path);
                command
            }
        };
        command.current_dir(self.folder.path());
        command
    }

    /// The server with the certificate of a folder, which verifies clients by a list.
    fn start(&self, folder: &str, list: &str) -> Server {
        let port = free_port();
        let root = self.folder.path().display();
        let settings = [
            "listen_addresses=::1".to_string(),
            "unix_socket_directories=".to_string(),
            "fsync=off".to_string(),
            "log_min_messages=fatal".to_string(),
            "ssl=on".to_string(),
            format!("ssl_cert_file={root}/{folder}-full.pem"),
            format!("ssl_key_file={root}/{folder}-key.pem"),
            format!("ssl_ca_file={root}/ca.pem"),
            format!("ssl_crl_file={root}/{list}"),
        ];
        let mut command = self.command("postgres");
        command.args(["-D", "data", "-p", &port.to_string()]);
        command.args(settings.iter().flat_map(|setting| ["-c", setting]));
        Server::start(command, port)
    }

    /// A query of a client that verifies the server by a list, with the certificate of a folder.
    fn query(&self, host: &str, port: u16, folder: &str, list: &str) -> Result<String, String> {
        let place =
            format!("host={host} hostaddr=::1 port={port} user=postgres dbname=postgres connect_timeout=10");
        let verifying = format!("sslmode=verify-full sslrootcert=good/root.pem sslcrl={list}");
        let own = format!("sslcert={folder}-full.pem sslkey={folder}/key.pem");
        let mut command = Command::new(self.programs.join("psql"));
        command.arg(format!("{place} {verifying} {own}")).args(["-At", "-c", "select 'taken'"]);
        run(self.desk, &mut command)
    }
}

/// Where Debian keeps PostgreSQL's programs: beside each other, by version.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let folders = versions.map(|version| version.unwrap().path().join("bin"));
    folders.filter(|folder| folder.join("initdb").exists()).max().expect("PostgreSQL's server is installed")
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Runs a command to its end in the desk's folder, unless it has one of its own: what it printed, or what it complained of.
fn run(desk: &Desk, command: &mut Command) -> Result<String, String> {
    if command.get_current_dir().is_none() {
        command.current_dir(desk.folder.path());
    }
    let output = command.stdin(Stdio::null()).output();
    let Output { status, stdout, stderr } = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if status.success() { Ok(text) } else { Err(text) }
}
