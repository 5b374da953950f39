//! What to do where a socket cannot be bound: by what the system said, since the causes have different cures.

use rustix::io::Errno;
use std::io;

/// Why a socket cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Another process listens there.
    InUse,
    /// This machine does not have the address: of `::1`, because IPv6 is switched off or the loopback interface is down.
    NoAddress,
    /// The kernel has no IPv6.
    NoIpv6,
    /// The port takes a privilege.
    NotAllowed,
    /// Something else.
    Other,
}

impl Cause {
    /// The cause of this error.
    pub(crate) fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::ADDRINUSE) => Self::InUse,
            Some(Errno::ADDRNOTAVAIL) => Self::NoAddress,
            Some(Errno::AFNOSUPPORT) => Self::NoIpv6,
            Some(Errno::ACCESS | Errno::PERM) => Self::NotAllowed,
            _ => Self::Other,
        }
    }

    /// What to do about it.
    pub(crate) const fn advice(self) -> &'static str {
        match self {
            Self::InUse => "stop the process that listens there, or choose another port",
            Self::NoAddress => {
                "this machine does not have the address: of ::1, because IPv6 is switched off (`sysctl -w \
                 net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.lo.disable_ipv6=0` switches it on) or the loopback interface is \
                 down (`ip link set lo up`)"
            }
            Self::NoIpv6 => {
                "this machine has no IPv6, which HyperMesh requires: load the ipv6 module, or start the \
                kernel without ipv6.disable=1"
            }
            Self::NotAllowed => {
                "ports below 1024 need CAP_NET_BIND_SERVICE: grant it, or choose another port"
            }
            Self::Other => "see what the system says",
        }
    }
}

/// What to say of an endpoint that could not be bound.
pub(crate) fn unbound(error: &stoq::BindError) -> String {
    match error {
        stoq::BindError::Socket { source, .. } => format!("{error}: {}", Cause::of(source).advice()),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_a_cure_of_its_own() {
        let of = |number: Errno| Cause::of(&number.into()).advice();
        assert!(of(Errno::ADDRINUSE).contains("stop the process that listens there"));
        for other in [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT] {
            assert!(of(other).contains("IPv6") && !of(other).contains("stop the process"), "{other}");
        }
        assert!(of(Errno::ACCESS).contains("CAP_NET_BIND_SERVICE"));
    }
}
