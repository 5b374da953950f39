//! Whether the ports are free, found out before anything is started.

use super::DevnetFolder;
use crate::bind_advice::Cause;
use crate::failure::{Exit, Failure};
use std::io;
use std::net::{SocketAddrV6, TcpListener, UdpSocket};

/// Refuses to start where the nodes could not listen.
///
/// # Errors
/// With the ports that are taken, and by whom as far as can be told.
pub(super) fn check(folder: &DevnetFolder) -> Result<(), Failure> {
    let (mut taken, mut causes) = (Vec::new(), Vec::new());
    for number in folder.numbers() {
        let (stoq, dns) = (folder.stoq(number), folder.dns(number));
        let attempts =
            [(stoq, "UDP", "STOQ", udp(stoq)), (dns, "UDP", "DNS", udp(dns)), (dns, "TCP", "DNS", tcp(dns))];
        for (address, transport, what, attempt) in attempts {
            let Err(error) = attempt else { continue };
            let name = folder.name(number);
            let process = folder.node(number).process();
            let process =
                process.map_or_else(String::new, |pid| format!("; {name}/node.pid names process {pid}"));
            taken.push(format!("{address} ({transport}, {what} of {name}): {error}{process}"));
            causes.push(Cause::of(&error));
        }
    }
    if taken.is_empty() {
        return Ok(());
    }
    // Where ports are taken, and nothing else is wrong, others will do.
    let other = causes.iter().copied().find(|cause| *cause != Cause::InUse);
    let advice = match (other, folder.is_fixed()) {
        (Some(cause), _) => cause.advice(),
        (None, true) => {
            "stop the processes that listen there, or start another mesh with --base-port and --data-dir"
        }
        (None, false) => "stop the processes that listen there, or choose other ports with --base-port",
    };
    Err(Failure::new(Exit::Failed, format!("the mesh cannot listen at\n  {}\n{advice}", taken.join("\n  "))))
}

fn udp(address: SocketAddrV6) -> io::Result<()> {
    UdpSocket::bind(address).map(drop)
}

fn tcp(address: SocketAddrV6) -> io::Result<()> {
    TcpListener::bind(address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    #[test]
    fn a_port_in_use_is_named_with_the_process_that_may_have_it() {
        // A port that the system gives out, so that no other test has it.
        let holder = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
        let port = holder.local_addr().unwrap().port();
        let temporary = tempfile::tempdir().unwrap();
        let Ok(folder) = DevnetFolder::open(temporary.path(), None, Some(port - 101)) else {
            // The system gave out one of the highest ports, above which a devnet has no room.
            return;
        };
        folder.node(1).create().unwrap();
        std::fs::write(folder.node(1).pid(), "4711\n").unwrap();
        let refused = check(&folder).unwrap_err().message;
        assert!(refused.contains(&format!("[::1]:{port} (TCP, DNS of node-1)")), "{refused}");
        assert!(refused.contains("process 4711"), "{refused}");
    }
}
