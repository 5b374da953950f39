//! `cargo scenario economics`: what it pays to run a validator, as a table, as JSON, and as a page with pictures.

use super::exit::Exit;
use super::files;
use clap::Args;
use hypermesh_core::base::MicroCaesar;
use hypermesh_scenarios::{Economics, LIE_DAY, ValidatorBehaviour, run_economics};
use std::fmt::Write as _;
use std::path::PathBuf;

/// What to run, and where to put what comes of it.
#[derive(Args)]
pub(crate) struct EconomicsArgs {
    /// How many weeks.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(2..=52))]
    weeks: u64,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
    /// Write a page with pictures there.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

impl EconomicsArgs {
    pub(crate) fn run(self) -> Exit {
        let economics = match run_economics(7 * self.weeks) {
            Ok(economics) => economics,
            Err(fault) => return Exit::Unable(fault),
        };
        if let Some(path) = &self.page {
            if let Err(fault) = files::write(path, &page(&economics)) {
                return Exit::Unable(fault);
            }
            eprintln!("scenario: the page is {}", path.display());
        }
        match self.json {
            true => match serde_json::to_string_pretty(&economics) {
                Ok(json) => println!("{json}"),
                Err(fault) => return Exit::Unable(fault.to_string()),
            },
            false => print!("{}", table(&economics)),
        }
        Exit::Passed
    }
}

/// Whole Caesar, with a sign.
fn caesar(micro: i128) -> String {
    let sign = if micro < 0 { "\u{2212}" } else { "+" };
    format!("{sign}{}", micro.unsigned_abs() / u128::from(MicroCaesar::ONE.0))
}

fn table(economics: &Economics) -> String {
    let mut text = format!(
        "{} days, {} blocks, two every {} minutes of block time; {} operations; {} exist from first to last\n\n",
        economics.days,
        economics.blocks,
        economics.turn_ms / 60_000,
        economics.operations,
        economics.supply.in_caesar()
    );
    let head = ["validator", "habit", "votes", "suspended", "earned", "slashed", "gain"];
    let rows = economics.accounts.iter().map(|account| {
        let share = |count: u64| format!("{}%", count * 100 / economics.blocks.max(1));
        [
            account.name.clone(),
            behaviour(account.behaviour).to_string(),
            share(account.votes),
            share(account.suspended),
            caesar(i128::from(account.earned.0)),
            caesar(-i128::from(account.slashed.0)),
            caesar(account.gain()),
        ]
    });
    for row in std::iter::once(head.map(str::to_string)).chain(rows) {
        let [name, behaviour, rest @ ..] = row;
        let _infallible = write!(text, "{name:<10} {behaviour:<9}");
        rest.iter().for_each(|cell| text += &format!(" {cell:>10}"));
        text.push('\n');
    }
    let reserve = economics.reserve.first().zip(economics.reserve.last());
    let (first, last) = reserve.map_or_else(Default::default, |(first, last)| (*first, *last));
    let highest = economics.fee_rate.iter().max().copied().unwrap_or_default();
    text + &format!(
        "\nreserve {} Caesar; clients paid {}; fees rose to {}.{:03} times the listed ones; nothing was made or lost\n",
        caesar(i128::from(last.0) - i128::from(first.0)),
        economics.paid.in_caesar(),
        highest / 1000,
        highest % 1000
    )
}

const fn behaviour(behaviour: ValidatorBehaviour) -> &'static str {
    match behaviour {
        ValidatorBehaviour::Honest => "honest",
        ValidatorBehaviour::Sleepy => "sleepy",
        ValidatorBehaviour::Plotless => "plotless",
        ValidatorBehaviour::Lying => "lying",
    }
}

const fn colour(behaviour: ValidatorBehaviour) -> &'static str {
    match behaviour {
        ValidatorBehaviour::Honest => "#1b7f4d",
        ValidatorBehaviour::Sleepy => "#b7791f",
        ValidatorBehaviour::Plotless => "#6b5bb5",
        ValidatorBehaviour::Lying => "#c0392b",
    }
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;\
background:#fff}svg{width:100%;height:auto}text{font:13px system-ui,sans-serif;fill:#444}h1{font-size:1.5rem}\
pre{overflow-x:auto;background:#f5f5f3;padding:1rem}figcaption{color:#555}figure{margin:2rem 0}\
@media(prefers-color-scheme:dark){body{background:#161616;color:#e8e8e8}text{fill:#bbb}pre{background:#222}\
figcaption{color:#aaa}}";

fn page(economics: &Economics) -> String {
    let worth = picture(economics);
    let table = table(economics);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>What it pays to run a validator</title><style>{STYLE}</style></head>\n\
         <body><h1>What it pays to run a validator</h1>\n\
         <p>{} days of the ledger's own code: seven validators, of whom four are honest, one votes for every other block, one \
         never proves that it holds its plot, and one votes both ways on day {LIE_DAY}.</p>\n\
         <figure>{worth}<figcaption>What each validator has gained or lost since genesis, account and stake together, in \
         Caesar.</figcaption></figure>\n<pre>{table}</pre></body></html>\n",
        economics.days
    )
}

/// A line for each validator: what it has more than at genesis, by day.
fn picture(economics: &Economics) -> String {
    const WIDTH: i128 = 900;
    const HEIGHT: i128 = 420;
    const LEFT: i128 = 70;
    const RIGHT: i128 = 130;
    const TOP: i128 = 16;
    const BOTTOM: i128 = 40;
    let gains: Vec<Vec<i128>> = economics
        .accounts
        .iter()
        .map(|account| {
            let first = account.holds.first().map_or(0, |first| i128::from(first.0));
            account.holds.iter().map(|held| i128::from(held.0) - first).collect()
        })
        .collect();
    let all = || gains.iter().flatten().copied();
    let (low, high) = (all().min().unwrap_or(0).min(0), all().max().unwrap_or(0).max(1));
    let days = i128::from(economics.days.max(1));
    let across = |day: i128| LEFT + (WIDTH - LEFT - RIGHT) * day / days;
    let up = |gain: i128| TOP + (HEIGHT - TOP - BOTTOM) * (high - gain) / (high - low);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"gains by day\">");
    for mark in [low, low / 2, 0, high / 2, high] {
        let (height, label) = (up(mark), caesar(mark));
        let end = WIDTH - RIGHT;
        let _infallible = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{end}\" y1=\"{height}\" y2=\"{height}\" stroke=\"#8884\"/><text x=\"{}\" \
             y=\"{}\" text-anchor=\"end\">{label}</text>",
            LEFT - 8,
            height + 4
        );
    }
    for week in 0..=days / 7 {
        let place = across(7 * week);
        let _infallible = write!(
            svg,
            "<text x=\"{place}\" y=\"{}\" text-anchor=\"middle\">day {}</text>",
            HEIGHT - 14,
            7 * week
        );
    }
    let mut labelled: Vec<i128> = Vec::new();
    for (account, gains) in economics.accounts.iter().zip(&gains) {
        let points: Vec<String> =
            (0..).zip(gains).map(|(day, gain)| format!("{},{}", across(day), up(*gain))).collect();
        let _infallible = write!(
            svg,
            "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"{}\" points=\"{}\"/>",
            colour(account.behaviour),
            points.join(" ")
        );
        let height = up(gains.last().copied().unwrap_or_default());
        // The honest end in one place: one label is enough.
        if labelled.iter().all(|other| (other - height).abs() > 12) {
            labelled.push(height);
            let _infallible = write!(
                svg,
                "<text x=\"{}\" y=\"{}\" style=\"fill:{}\">{}</text>",
                WIDTH - RIGHT + 8,
                height + 4,
                colour(account.behaviour),
                behaviour(account.behaviour)
            );
        }
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_the_table_show_every_habit() {
        let economics = run_economics(2).unwrap();
        let (table, page) = (table(&economics), page(&economics));
        for word in ["honest", "sleepy", "plotless", "lying"] {
            assert!(table.contains(word) && page.contains(word), "{word}");
        }
        assert_eq!(page.matches("<polyline").count(), economics.accounts.len());
    }
}
