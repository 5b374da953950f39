//! Names that were typed outside ASCII, told in the form that goes to the mesh, so that nobody finds out later that another
//! name was meant.

use crate::output::Output;
use clap::ArgMatches;
use hypermesh_core::trustchain::DomainName;

/// Tells what each name on the command line that was typed outside ASCII is in A-labels.
pub(super) fn tell(matches: &ArgMatches, output: Output) {
    for (typed, name) in converted(matches) {
        output.tell(format_args!("{typed} is {name}"));
    }
}

/// The names that were typed outside ASCII, as typed and as they are, whichever arguments they stand in.
fn converted(matches: &ArgMatches) -> Vec<(String, DomainName)> {
    let mut found = Vec::new();
    for id in matches.ids() {
        // Groups have ids too, and no values; arguments of other types are none of this file's business.
        let Ok(Some(names)) = matches.try_get_many::<DomainName>(id.as_str()) else { continue };
        let typed = matches.get_raw(id.as_str()).into_iter().flatten();
        let pairs =
            typed.zip(names).map(|(typed, name)| (typed.to_string_lossy().into_owned(), name.clone()));
        found.extend(pairs.filter(|(typed, _)| !typed.is_ascii()));
    }
    if let Some((_, below)) = matches.subcommand() {
        found.extend(converted(below));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::Cli;
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn names_typed_outside_ascii_are_told_from_whichever_command_and_no_others_are() {
        let bucher = ("bücher.demo".to_owned(), "xn--bcher-kva.demo".parse().unwrap());
        for (words, told) in [
            ("dns register bücher.demo", 1),
            ("dns lookup BÜCHER.demo. TXT", 1),
            ("dns lookup web.demo TXT", 0),
            ("dns lookup xn--bcher-kva.demo", 0),
            ("cert issue bücher.demo --out d", 1),
            ("cert list --name bücher.demo", 1),
            ("service announce bücher.demo --instance büro --port 7 --host b.ücher", 3),
            ("genesis new --network n --zone bücher.demo --out f a.json", 1),
        ] {
            let words = ["hypermesh"].into_iter().chain(words.split(' '));
            let found = converted(&Cli::command().try_get_matches_from(words).unwrap());
            assert_eq!(found.len(), told, "{found:?}");
            assert!(
                found
                    .iter()
                    .all(|(typed, name)| *name != bucher.1 || typed.to_lowercase().contains(&bucher.0))
            );
        }
    }
}
