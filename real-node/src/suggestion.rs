//! What somebody may have meant who wrote a key that does not exist.

/// Keys that differ in more letters than this are not taken for one another.
const DISTANCE_MAX: usize = 3;

/// A parser's error, and behind it the key that comes nearest if the error is about one that does not exist.
#[must_use]
pub fn with_suggestion(error: &str) -> String {
    let error = error.trim_end();
    let Some((_, about)) = error.split_once("unknown field `") else { return error.to_owned() };
    let mut quoted = about.split('`').step_by(2);
    let Some(unknown) = quoted.next() else { return error.to_owned() };
    let nearest = quoted.map(|known| (distance(unknown, known), known)).min();
    match nearest {
        Some((letters, known)) if letters <= DISTANCE_MAX.min(known.len() / 2) => {
            format!("{error}: did you mean `{known}`?")
        }
        _ => error.to_owned(),
    }
}

/// How many letters have to be put in, taken out or replaced to make one word of another (Levenshtein); two that
/// changed places count as one.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(a != b);
            let mut least = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from[i - 1] == *b && to[j - 1] == *a {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_letters() {
        for (from, to, expected) in [
            ("", "", 0),
            ("dns", "dns", 0),
            ("dsn", "dns", 1),
            ("lissten", "listen", 1),
            ("", "dns", 3),
            ("moon", "sun", 3),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
            assert_eq!(distance(to, from), expected, "{to} {from}");
        }
    }

    #[test]
    fn the_nearest_key_is_named_and_none_where_none_is_near() {
        let error = |unknown: &str| {
            format!(
                "TOML parse error at line 2, column 1\nunknown field `{unknown}`, expected one of `name`, `listen`, `dns`\n"
            )
        };
        assert!(with_suggestion(&error("lissten")).ends_with("`dns`: did you mean `listen`?"));
        assert!(with_suggestion(&error("nmae")).ends_with("did you mean `name`?"));
        for unrelated in ["", "colour", "x"] {
            assert!(!with_suggestion(&error(unrelated)).contains("did you mean"), "{unrelated}");
        }
        assert_eq!(with_suggestion("expected a string\n"), "expected a string");
    }
}
