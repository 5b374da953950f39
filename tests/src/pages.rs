//! The blocks of commands on a page of the documentation, and what the page's source says about running each.
//!
//! A block is preceded by a comment, which readers of the page do not see:
//!
//! ```text
//! <!-- run on node-1 -->                     on that host
//! <!-- run on node-2 and node-3 -->          on these, one after the other
//! <!-- run on each node -->                  on all that are called node-…
//! <!-- run on client, exit code 4 -->        it has to fail so
//! <!-- run on each node; REMARK -->          a remark that the test knows
//! <!-- carry FILE from node-1 to client as FILE -->
//! <!-- not run: WHY -->
//! ```

/// What a page says is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageStep {
    /// Commands.
    Run {
        /// On whom, as the page says it.
        on: String,
        /// How they have to end.
        exit: i32,
        /// What else the page says about them.
        remark: String,
        /// The block.
        commands: String,
        /// Where in the page they are.
        line: usize,
    },
    /// A file is carried from one host to another.
    Carry {
        /// What.
        file: String,
        /// From whom.
        from: String,
        /// To whom.
        to: String,
        /// What it is called there.
        name: String,
    },
}

/// The steps of a page.
///
/// # Errors
/// If a block of commands is not preceded by a word on how it is run, with its line.
pub fn steps(page: &str) -> Result<Vec<PageStep>, String> {
    let mut steps = Vec::new();
    let mut directive: Option<&str> = None;
    let mut lines = (1..).zip(page.lines().map(str::trim));
    while let Some((line, text)) = lines.next() {
        if let Some(language) = text.strip_prefix("```") {
            let block = lines.by_ref().map(|(_, text)| text).take_while(|text| *text != "```");
            let commands = block.collect::<Vec<_>>().join("\n");
            if language.is_empty() {
                let word = directive
                    .ok_or_else(|| format!("line {line}: commands, and not a word on running them"))?;
                steps.extend(run(word, commands, line)?);
            }
            directive = None;
        } else if let Some(word) = text.strip_prefix("<!-- ").and_then(|text| text.strip_suffix(" -->")) {
            match word.strip_prefix("carry ") {
                Some(carried) => steps.push(carry(carried, line)?),
                None => directive = Some(word),
            }
        } else if !text.is_empty() {
            directive = None;
        }
    }
    Ok(steps)
}

fn run(word: &str, commands: String, line: usize) -> Result<Option<PageStep>, String> {
    if word.strip_prefix("not run: ").is_some_and(|why| !why.is_empty()) {
        return Ok(None);
    }
    let unknown = || format!("line {line}: {word:?} says neither where to run it nor why not");
    let rest = word.strip_prefix("run on ").ok_or_else(unknown)?;
    let (on, remark) = rest.split_once([',', ';']).unwrap_or((rest, ""));
    let remark = remark.trim().to_owned();
    let exit = match remark.strip_prefix("exit code ") {
        Some(code) => code.parse().map_err(|_| unknown())?,
        None => 0,
    };
    Ok(Some(PageStep::Run { on: on.to_owned(), exit, remark, commands, line }))
}

fn carry(text: &str, line: usize) -> Result<PageStep, String> {
    let parts = || {
        let (file, rest) = text.split_once(" from ")?;
        let (from, rest) = rest.split_once(" to ")?;
        let (to, name) = rest.split_once(" as ")?;
        Some([file, from, to, name].map(str::to_owned))
    };
    let [file, from, to, name] =
        parts().ok_or_else(|| format!("line {line}: carry FILE from WHO to WHO as FILE"))?;
    Ok(PageStep::Carry { file, from, to, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_its_source_says() {
        let page = "text\n<!-- run on client, exit code 4 -->\n```\none\ntwo\n```\n<!-- not run: x -->\n```\nno\n```\n\
            ```toml\na = 1\n```\n<!-- carry a.txt from client to node-1 as b.txt -->\n<!-- run on each node; same -->\n\n\
            ```\nthree\n```\n";
        let run = |on: &str, exit, remark: &str, commands: &str, line| PageStep::Run {
            on: on.into(),
            exit,
            remark: remark.into(),
            commands: commands.into(),
            line,
        };
        let carry = PageStep::Carry {
            file: "a.txt".into(),
            from: "client".into(),
            to: "node-1".into(),
            name: "b.txt".into(),
        };
        let expected = vec![
            run("client", 4, "exit code 4", "one\ntwo", 3),
            carry,
            run("each node", 0, "same", "three", 17),
        ];
        assert_eq!(steps(page), Ok(expected));
    }

    #[test]
    fn commands_that_nobody_runs_are_found() {
        let silent = steps("<!-- run on client -->\ntext\n```\nrm -rf /\n```\n").unwrap_err();
        assert!(silent.starts_with("line 3: commands, and not a word"), "{silent}");
        assert!(steps("<!-- tested elsewhere -->\n```\nls\n```\n").unwrap_err().contains("neither"));
        assert!(steps("<!-- not run:  -->\n```\nls\n```\n").is_err());
        assert!(steps("<!-- carry a to b -->\n").unwrap_err().contains("carry FILE"));
    }
}
