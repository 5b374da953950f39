//! `hypermesh service …`: services that announce themselves, and who is there.

use super::Global;
use super::caesar::settled;
use crate::client::{LeaseNews, MeshClient, listen, read_context, runtime, session};
use crate::failure::{Exit, Failure};
use crate::moment;
use crate::output::Output;
use clap::{Args, Subcommand};
use hypermesh_core::api::{
    InstanceState, Request, Response, ServiceRequest, ServiceState, SubscribeServiceRequest,
};
use hypermesh_core::state::{
    AnnounceService, Effect, InstanceHealth, InstanceName, Location, Offer, Outcome, Receipt, ServiceProtocol,
};
use hypermesh_core::trustchain::DomainName;
use std::net::Ipv6Addr;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// What `hypermesh service` can do.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Announce an instance of a service, and renew its lease until SIGINT or SIGTERM, which withdraws it
    #[command(after_help = ANNOUNCE_EXAMPLES)]
    Announce(AnnounceArgs),
    /// Show the instances of a service
    #[command(after_help = "Example:\n  hypermesh service list greeter.demo.hypermesh")]
    List {
        /// The service's name
        name: DomainName,
    },
    /// Show the instances of a service, and again each time they change, until --timeout or Ctrl-C
    #[command(
        after_help = "Example:\n  hypermesh --timeout 3600 service watch greeter.demo.hypermesh --json"
    )]
    Watch {
        /// The service's name
        name: DomainName,
    },
    /// Take an instance of a service away before its lease ends
    #[command(after_help = "Example:\n  hypermesh service withdraw greeter.demo.hypermesh --instance east")]
    Withdraw(InstanceArgs),
}

const ANNOUNCE_EXAMPLES: &str = r"Examples:
  hypermesh service announce greeter.demo.hypermesh --instance east --port 7000 --address 2001:db8::7
  hypermesh service announce shop.demo.hypermesh --instance b --protocol https --port 443 \
      --host b.example.org --priority 10 --tag canary --lease 10m --once";

/// Which instance.
#[derive(Debug, Args)]
pub struct InstanceArgs {
    /// The service's name
    name: DomainName,
    /// The instance's own label, one below the service's name
    #[arg(long, value_name = "LABEL")]
    instance: DomainName,
    /// What is spoken there, as in stoq/udp or https/tcp
    #[arg(long, default_value = "stoq")]
    protocol: ServiceProtocol,
}

/// What to announce.
#[derive(Debug, Args)]
pub struct AnnounceArgs {
    #[command(flatten)]
    instance: InstanceArgs,
    /// The port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// An address of the instance's; may be given again, up to four times
    #[arg(long = "address", value_name = "IPV6", required_unless_present = "host")]
    addresses: Vec<Ipv6Addr>,
    /// The host that the instance is at, if that has addresses of its own
    #[arg(long, value_name = "NAME", conflicts_with = "addresses")]
    host: Option<DomainName>,
    /// Lower is tried first
    #[arg(long, default_value_t = 0)]
    priority: u16,
    /// The share of the load among instances of one priority
    #[arg(long, default_value_t = 1)]
    weight: u16,
    /// A word for those who choose among instances; may be given again, up to 16 times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// How the instance is: passing, warning, or critical, which takes it out of DNS
    #[arg(long, default_value = "passing")]
    health: InstanceHealth,
    /// How long the announcement holds unless it is renewed, as in 45s, 10m or 24h: from 10 s to a day
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = moment::parse_seconds)]
    lease: u32,
    /// Announce once, and let the lease run
    #[arg(long)]
    once: bool,
}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: ServiceCommand, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        ServiceCommand::Announce(args) => announce(args, global, output),
        ServiceCommand::List { name } => list(&name, global, output),
        ServiceCommand::Watch { name } => watch(name, global, output),
        ServiceCommand::Withdraw(args) => {
            let instance = args.into_name();
            let receipt = session(global, "waiting for the instance to be withdrawn", async |client| {
                client.withdraw(&instance).await
            })?;
            output.print(&receipt, |receipt| format!("withdrew {} {}", text_of(&instance), settled(receipt)))
        }
    }
}

impl InstanceArgs {
    fn into_name(self) -> InstanceName {
        InstanceName { service: self.name, protocol: self.protocol, label: self.instance.into() }
    }
}

impl AnnounceArgs {
    /// The announcement, and whether to make it once.
    fn into_announcement(self) -> (AnnounceService, bool) {
        let Self { instance, port, mut addresses, host, priority, weight, mut tags, health, lease, once } =
            self;
        // The order is for machines: people give them as they come.
        addresses.sort_unstable();
        tags.sort_unstable();
        let location = host.map_or(Location::Addresses(addresses), Location::Host);
        let offer = Offer { location, port, priority, weight, health, tags };
        (AnnounceService { instance: instance.into_name(), offer, lease_seconds: lease }, once)
    }
}

fn text_of(instance: &InstanceName) -> String {
    let text = format!("{}.{}.{}", instance.label, instance.protocol.labels(), instance.service);
    text.parse().map_or(text, |name: DomainName| name.both_ways())
}

fn announce(args: AnnounceArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let (announcement, once) = args.into_announcement();
    if once {
        let receipt = session(global, "waiting for the instance to be announced", async |client| {
            client.announce(&announcement).await
        })?;
        return output.print(&receipt, |receipt| announced_text(&announcement, receipt));
    }
    let context = read_context(global)?;
    runtime()?.block_on(async {
        let serving = until_signal()?;
        let client = MeshClient::connect(&context, Duration::from_secs(global.timeout)).await?;
        let client = match global.fee_max {
            Some(fee_max) => client.with_fee_max(fee_max.0),
            None => client,
        };
        let mut unwritten = Ok(());
        let on_news = |news: LeaseNews<'_>| {
            if let Err(failure) = tell(&announcement, &news, output) {
                unwritten = Err(failure);
            }
        };
        let ended = client.keep_announced(&announcement, serving, on_news).await;
        client.close().await;
        ended.and(unwritten)
    })
}

/// What is done at the first signal to end.
fn until_signal() -> Result<impl Future<Output = ()>, Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::Failed, format!("signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Scripts hear of every receipt, people of what is new.
fn tell(announcement: &AnnounceService, news: &LeaseNews<'_>, output: Output) -> Result<(), Failure> {
    let written = match news {
        LeaseNews::Announced(receipt) => {
            output.print_next(*receipt, |receipt| announced_text(announcement, receipt))
        }
        LeaseNews::Withdrawn(receipt) => output.print_next(*receipt, |receipt| {
            format!("withdrew {} {}", text_of(&announcement.instance), settled(receipt))
        }),
        LeaseNews::Renewed(receipt) if output.json => output.line(*receipt),
        LeaseNews::Renewed(_) => Ok(true),
        LeaseNews::Failed(failure, wait) => {
            output.tell(format!(
                "{} is not renewed: {failure}; retrying in {:.1} s",
                text_of(&announcement.instance),
                wait.as_secs_f32()
            ));
            Ok(true)
        }
    };
    written.map(|_is_read| ())
}

fn announced_text(announcement: &AnnounceService, receipt: &Receipt) -> String {
    let until = match &receipt.outcome {
        Outcome::Done(Effect::ServiceAnnounced { expires }) => format!(" until {}", moment::text(*expires)),
        _ => String::new(),
    };
    format!("announced {}{until}, {}", text_of(&announcement.instance), settled(receipt))
}

fn list(name: &DomainName, global: &Global, output: Output) -> Result<(), Failure> {
    let state = session(global, "fetching the instances", async |client| {
        client.call(&ServiceRequest { name: name.clone() }).await
    })?;
    if state.instances.is_empty() {
        if output.json {
            output.print(&state, |_| String::new())?;
        }
        let message = format!("{name} has no instances (at height {})", state.height);
        return Err(Failure::new(Exit::NotFound, message));
    }
    output.print(&state, state_text)
}

fn watch(name: DomainName, global: &Global, output: Output) -> Result<(), Failure> {
    let request = Request::SubscribeService(SubscribeServiceRequest { name });
    listen(global, async |client| {
        let mut answers = client.stream_raw(&request).await?;
        while let Some(response) = answers.next().await? {
            let Response::SubscribeService(state) = response else { continue };
            if !output.print_next(&state, state_text)? {
                break;
            }
        }
        Ok(())
    })
}

/// The instances, a line each, under a line that says of when this is.
fn state_text(state: &ServiceState) -> String {
    let count = match state.instances.len() {
        0 => "no instances".to_owned(),
        1 => "1 instance".to_owned(),
        count => format!("{count} instances"),
    };
    let (name, time) = (state.name.both_ways(), moment::text(state.time));
    let head = format!("{name}: {count} at height {}, {time}\n", state.height);
    head + &state.instances.iter().map(line).collect::<String>()
}

fn line(instance: &InstanceState) -> String {
    let InstanceState { label, protocol, host, addresses, port, priority, weight, health, tags, .. } =
        instance;
    let at = match addresses.is_empty() {
        true => String::new(),
        false => format!(" ({})", addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    };
    let tags = if tags.is_empty() { String::new() } else { format!(", tags {}", tags.join(" ")) };
    format!(
        "  {label} {protocol} {host}:{port}{at} {health}, priority {priority}, weight {weight}{tags}, until {}\n",
        moment::text(instance.expires)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn typed(words: &str) -> Result<AnnounceService, clap::Error> {
        let line = format!("hypermesh service announce greeter.demo.hypermesh {words}");
        let Command::Service(ServiceCommand::Announce(args)) = Cli::try_parse_from(line.split(' '))?.command
        else {
            panic!("another command")
        };
        Ok(args.into_announcement().0)
    }

    #[test]
    fn what_is_typed_is_announced_in_the_order_that_machines_want() {
        let announcement =
            typed("--instance east --port 7000 --address 2001:db8::8 --address 2001:db8::7 --tag b --tag a --lease 2m")
                .unwrap();
        assert_eq!(text_of(&announcement.instance), "east._stoq._udp.greeter.demo.hypermesh");
        let addresses = ["2001:db8::7", "2001:db8::8"].map(|text| text.parse().unwrap()).to_vec();
        assert_eq!(announcement.offer.location, Location::Addresses(addresses));
        assert_eq!(
            (announcement.offer.tags, announcement.lease_seconds),
            (vec!["a".into(), "b".into()], 120)
        );
        let at_host = typed("--instance b --protocol https --port 443 --host b.example.org").unwrap();
        assert_eq!(at_host.offer.location, Location::Host("b.example.org".parse().unwrap()));
        assert_eq!(at_host.instance.protocol.labels(), "_https._tcp");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_at_once() {
        for words in [
            "--port 7000 --address ::1",
            "--instance east --address ::1",
            "--instance east --port 0 --address ::1",
            "--instance east --port 7000",
            "--instance east --port 7000 --address ::1 --host b.example.org",
            "--instance east --port 7000 --address ::1 --health well",
            "--instance east --port 7000 --address ::1 --protocol stoq/sctp",
        ] {
            assert!(typed(words).is_err(), "{words}");
        }
    }
}
