use super::html::{embed, page};
use super::shiviz::log;
use super::table::table;
use super::*;
use hypermesh_core::base::Height;
use hypermesh_core::node::MessageLabel;
use hypermesh_sim::plan::{FailureKind, Shape};
use hypermesh_sim::world::{AnswerRecord, Fate, MessageRecord, RequestRecord};

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\u{1b}[31m\n\"'&{{data}}";

fn message(target: NodeIndex, name: &'static str, fate: Fate) -> Recorded {
    let label = MessageLabel { name, height: Some(Height(3)), round: None };
    Recorded::Message(MessageRecord { target, label, bytes: 40, fate })
}

/// A request, two messages of which one arrives, a commit, a crash, and a check that speaks.
fn small(words: &str) -> ReportSubject {
    let answer = Some(AnswerRecord { at: Mono(9_000), step: 8, refusal: Some(words.to_string()) });
    let committed = Some(Height(3));
    let whats = [
        (0, 1, 1, Recorded::Request(RequestRecord { id: 1, method: "issue_certificate", answer })),
        (10, 2, 0, message(1, "proposal", Fate::Arrived { at: Mono(2_500), step: 4 })),
        (10, 3, 0, message(2, "proposal", Fate::Lost { at: Mono(10) })),
        (2_500, 5, 1, message(0, "prevote", Fate::UnderWay)),
        (2_600, 6, 1, Recorded::Event { kind: "committed".to_string(), committed, words: words.to_string() }),
        (3_000, 7, 2, Recorded::Down { until: None }),
        (9_500, 9, 0, Recorded::Done { words: "the network divides".to_string() }),
        (9_600, 10, 1, Recorded::Verdict),
    ];
    let records = whats
        .into_iter()
        .map(|(at, step, place, what)| EventRecord { at: Mono(at), step, place, what })
        .collect();
    ReportSubject {
        title: words.to_string(),
        world: WorldKind::World,
        seed: 7,
        plan: None,
        hash: Digest::ZERO,
        events: 1_234,
        simulated: Mono(9_600),
        failure: Some(Failure {
            kind: FailureKind::Safety,
            check: "fork".to_string(),
            what: words.to_string(),
        }),
        records,
        again: format!("cargo scenario replay {words}"),
    }
}

#[test]
fn the_table_of_a_run_has_a_line_for_each_thing_in_columns() {
    let expected = "\
0.000000  node-2           request    number 1 asks to issue_certificate
0.000010  node-1 → node-2  proposal   height 3, 40 bytes, arrives after 2490 µs
0.000010  node-1 → node-3  proposal   height 3, 40 bytes, is lost
0.002500  node-2 → node-1  prevote    height 3, 40 bytes, is under way at the end
0.002600  node-2           committed  two at 3
0.003000  node-3           down       until the end
0.009000  node-2           answer     number 1 is refused after 9000 µs: two at 3
0.009500  world            done       the network divides
0.009600  node-2           verdict    FAILED: safety: two at 3
";
    assert_eq!(table(&small("two at 3")), expected);
}

#[test]
fn the_log_for_shiviz_counts_what_each_node_can_know() {
    let expected = r#"(?<host>\S+) (?<clock>\{.*?\}) (?<time>\S+) (?<event>.*)

node-2 {"node-2":1} 0.000000 is asked to issue_certificate (request 1)
node-1 {"node-1":1} 0.000010 sends proposal to node-2: height 3, 40 bytes, arrives after 2490 µs
node-1 {"node-1":2} 0.000010 sends proposal to node-3: height 3, 40 bytes, is lost
node-2 {"node-1":1,"node-2":2} 0.002500 receives proposal from node-1
node-2 {"node-1":1,"node-2":3} 0.002500 sends prevote to node-1: height 3, 40 bytes, is under way at the end
node-2 {"node-1":1,"node-2":4} 0.002600 two at 3
node-3 {"node-3":1} 0.003000 crashes
node-2 {"node-1":1,"node-2":5} 0.009000 refuses request 1: two at 3
node-1 {"node-1":3} 0.009500 the network divides
node-2 {"node-1":1,"node-2":6} 0.009600 FAILED: safety: two at 3
"#;
    assert_eq!(log(&small("two at 3")), expected);
}

#[test]
fn hostile_text_stays_text() {
    let subject = small(HOSTILE);
    let page = page(&subject).unwrap();
    assert_eq!(
        page.matches("</script>").count(),
        2,
        "the data and the scripts, which end where the frame says"
    );
    assert!(!page.contains("<img") && !page.contains('\u{1b}'));
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"run\">").unwrap();
    let (data, _) = rest.split_once("</script>").unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["verdict"]["what"], HOSTILE, "what is embedded is read back as it was");
    assert!(page.contains("{{data}}"), "what is filled in is not filled in again");
    for text in [table(&subject), log(&subject)] {
        assert!(!text.contains('\u{1b}'));
    }
    let lines = table(&subject).lines().count();
    assert_eq!(lines, table(&small("two at 3")).lines().count());
}

#[test]
fn json_in_a_page_means_the_same_and_ends_nothing() {
    let json = serde_json::to_string("</script><!-- \u{2028} & ]]>").unwrap();
    let embedded = embed(&json);
    assert!(!embedded.contains(['<', '>', '&', '\u{2028}']));
    assert_eq!(
        serde_json::from_str::<String>(&embedded).unwrap(),
        serde_json::from_str::<String>(&json).unwrap()
    );
}

#[test]
fn a_page_asks_nothing_of_a_network() {
    let page = page(&small("calm")).unwrap();
    assert!(page.contains("default-src 'none'"));
    for word in ["http://", "https://", "src=", "@import", "url(", "fetch("] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn the_page_of_a_plan_holds_its_verdict_every_lane_and_every_fault() {
    let plan = Plan { progress_ms: 1, ..Plan::of_seed(3, Shape { nodes: Some(4), ..Shape::default() }) };
    let subject = ReportSubject::of_outcome(
        "x.toml".to_string(),
        plan.clone(),
        play_traced(&plan, true),
        String::new(),
    );
    assert!(subject.failure.is_some(), "nothing is answered within a millisecond");
    let page = page(&subject).unwrap();
    assert!(page.contains("<b>liveness</b>"));
    for place in 0..4 {
        assert!(page.contains(&format!(">{}</text>", node_name(place))), "node {place}");
    }
    let bands = bands::bands(&subject);
    assert_eq!(bands.len(), plan.faults.len() + plan.liars.len());
    assert!(bands.iter().all(|band| page.contains(&format!("</i>{}</td>", band.class))));
    assert!(!table(&subject).is_empty() && log(&subject).lines().count() > subject.records.len());
}

#[test]
fn every_fault_of_a_plan_has_a_class_of_the_catalogue() {
    let classes: Vec<&str> = hypermesh_sim::plan::FaultClass::ALL.iter().map(|class| class.name()).collect();
    for seed in 0..200 {
        let plan = Plan::of_seed(seed, Shape::default());
        let outcome = PlanOutcome { records: Vec::new(), ..empty() };
        let subject = ReportSubject::of_outcome(
            String::new(),
            Plan { liars: Vec::new(), ..plan },
            outcome,
            String::new(),
        );
        for band in bands::bands(&subject) {
            assert!(classes.contains(&band.class.as_str()), "{band:?}");
        }
    }
}

fn empty() -> PlanOutcome {
    PlanOutcome {
        marks: std::collections::BTreeMap::new(),
        hash: Digest::ZERO,
        events: 0,
        simulated: Mono(u64::MAX),
        coverage: hypermesh_sim::plan::Coverage::default(),
        answered: 0,
        lines: Vec::new(),
        tape: Vec::new(),
        records: Vec::new(),
        failure: None,
    }
}
