//! The page: a frame that can be read and printed without scripts, and the data and scripts that draw the rest.
//!
//! Everything that comes from a run may be hostile text: it reaches the page escaped, in one pass over the frame.

use super::data::Data;
use super::overview::overview;
use super::{ReportSubject, seconds};
use hypermesh_sim::plan::FailureKind;
use hypermesh_sim::world::{Fate, Recorded};
use std::fmt::Write as _;

const FRAME: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
/// In the order in which they run.
const SCRIPTS: &[&str] = &[
    include_str!("page/run.js"),
    include_str!("page/layout.js"),
    include_str!("page/timeline.js"),
    include_str!("page/marks.js"),
    include_str!("page/minimap.js"),
    include_str!("page/table.js"),
    include_str!("page/controls.js"),
];

/// The page of a run.
///
/// # Errors
/// If the run cannot be put into words, which is a bug.
pub(super) fn page(subject: &ReportSubject) -> Result<String, String> {
    let data = serde_json::to_string(&Data::new(subject)).map_err(|fault| fault.to_string())?;
    let plan = subject.plan.as_ref().map(|plan| {
        let plan = escape(&plan.to_toml());
        format!("<details class=\"plan\"><summary>The plan</summary><pre>{plan}</pre></details>")
    });
    Ok(fill(&[
        ("title", &escape(&subject.title)),
        ("style", STYLE),
        ("outcome", subject.failure.as_ref().map_or("passed", |_| "failed")),
        ("verdict", &verdict(subject)),
        ("facts", &facts(subject)),
        ("plan", &plan.unwrap_or_default()),
        ("overview", &overview(subject)),
        ("data", &embed(&data)),
        ("scripts", &SCRIPTS.concat()),
    ]))
}

/// The frame with its gaps filled, in one pass: what is filled in is not looked at again.
fn fill(parts: &[(&str, &str)]) -> String {
    let mut page = String::new();
    let mut rest = FRAME;
    while let Some((before, after)) = rest.split_once("{{") {
        page += before;
        let Some((name, after)) = after.split_once("}}") else { break };
        page += parts.iter().find(|(part, _)| *part == name).map_or("", |(_, text)| text);
        rest = after;
    }
    page + rest
}

fn verdict(subject: &ReportSubject) -> String {
    let Some(failure) = &subject.failure else {
        return "<p class=\"word\">Passed</p><p class=\"what\">Every promise was kept, and all that had to happen did.</p>"
            .to_string();
    };
    let meaning = match failure.kind {
        FailureKind::Safety => "a promise was broken",
        FailureKind::Liveness => "what had to happen did not",
        FailureKind::Crash => "a node panicked, or did not start",
        FailureKind::Determinism => "the same plan gave two different runs",
    };
    let kind = escape(&failure.kind.to_string());
    let place = match subject.judged() {
        Some((at, place)) => format!("{} at {}\u{a0}s", super::node_name(place), seconds(at)),
        None => format!("the whole mesh, at {}\u{a0}s", seconds(subject.simulated)),
    };
    format!(
        "<p class=\"word\">Failed</p><p class=\"kind\"><b>{kind}</b>: {meaning} · check <b>{}</b> · {place}</p>\
         <p class=\"what\">{}</p>",
        escape(&failure.check),
        escape(&failure.what)
    )
}

/// What there is to know of the run, as a list of terms.
fn facts(subject: &ReportSubject) -> String {
    let mut sent = 0_u64;
    let mut lost = 0_u64;
    for record in &subject.records {
        if let Recorded::Message(message) = &record.what {
            sent += 1;
            lost += u64::from(matches!(message.fate, Fate::Lost { .. }));
        }
    }
    let mut text = String::new();
    let mut fact = |term: &str, value: String| {
        let written = write!(text, "<div><dt>{term}</dt><dd>{}</dd></div>", escape(&value));
        written.expect("writing to a string does not fail");
    };
    fact("Seed", subject.seed.to_string());
    fact("World", subject.world.name().to_string());
    fact("Nodes", subject.nodes().to_string());
    fact("Simulated", format!("{:.3} s", subject.simulated.0 as f64 / 1e6));
    fact("Steps", grouped(subject.events));
    fact("Messages", format!("{}, {} lost", grouped(sent), grouped(lost)));
    for (term, value) in
        [("Hash of the run", subject.hash.to_string()), ("Play it again", subject.again.clone())]
    {
        let value = escape(&value);
        let written = write!(
            text,
            "<div class=\"wide\"><dt>{term}</dt><dd><code>{value}</code><button type=\"button\" class=\"copy\" \
             data-copy=\"{value}\">Copy</button></dd></div>"
        );
        written.expect("writing to a string does not fail");
    }
    text
}

/// A number with its digits in threes.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Text as it may stand in an element or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            '\n' | '\t' => escaped.push(letter),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// JSON as it may stand in a script element: nothing in it can end the element or begin a comment.
pub(super) fn embed(json: &str) -> String {
    let mut embedded = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' => embedded += "\\u003c",
            '>' => embedded += "\\u003e",
            '&' => embedded += "\\u0026",
            '\u{2028}' => embedded += "\\u2028",
            '\u{2029}' => embedded += "\\u2029",
            letter => embedded.push(letter),
        }
    }
    embedded
}
