//! Requests that other programs made, and names in other scripts, as somebody types them: taken or refused with what is wrong,
//! and what was asked for and not given is named.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod desk;

use desk::Desk;

const CORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/src/trustchain/ca/fixtures/");
const SHAPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../real-node/src/cli/cert/request_file/fixtures/");

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_other_programs_are_taken_or_refused_with_what_is_wrong() {
    let mut desk = Desk::new().await;
    for (file, name) in [
        ("lines_of_76", "e-76"),
        ("byte_order_mark", "e-bom"),
        ("blanks_at_line_ends", "e-linews"),
        ("one_line", "e-oneline"),
        ("text_behind", "e-trailtext"),
    ] {
        let said = desk.succeed(&["cert", "issue", "--csr", &format!("{SHAPES}{file}.pem"), "--out", name]);
        assert!(said.contains(&format!("issued {name}.demo.hypermesh")), "{said}");
        desk.openssl(&[
            "verify",
            "-CAfile",
            &format!("{name}/root.pem"),
            "-untrusted",
            &format!("{name}/chain.pem"),
            &format!("{name}/cert.pem"),
        ]);
        // What the folder keeps of it is renewed without a word.
        assert!(!desk.succeed(&["cert", "renew", name]).contains("not"), "{name}");
    }
    let shapes =
        [("two_requests", "line 8: a second"), ("indented", "line 1: there are blanks before -----BEGIN")];
    let asked = [
        ("no_attributes", "has no attributes field"),
        ("dns_and_registered_id", "entry 2 of subjectAltName: a name of kind registeredID"),
        ("two_values", "extensionRequest has 2 values"),
        ("u_label", "this one as xn--bro-hoa.demo.hypermesh"),
        ("u_label_without_subject", "this one as xn--bro-hoa.demo.hypermesh"),
        ("san_as_text", "but the text \"email:abc@example.com\""),
    ];
    let files = shapes.map(|(file, words)| (format!("{SHAPES}{file}.pem"), words)).into_iter();
    for (file, words) in files.chain(asked.map(|(file, words)| (format!("{CORE}{file}.pem"), words))) {
        desk.fail(&["cert", "issue", "--csr", &file, "--out", "refused"], 3, words);
        assert!(!desk.path("refused").exists());
    }
    let ca = format!("{CORE}asks_to_be_ca.pem");
    let said = desk.succeed(&["cert", "issue", "--csr", &ca, "--out", "ca"]);
    assert!(said.contains("CA:TRUE was requested and not granted"), "{said}");
    let output = desk.command(&["cert", "issue", "--csr", &ca, "--out", "ca", "--json"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["not_given"], serde_json::json!([{ "what": "CA:TRUE", "critical": true }]));
    // A key beside a request is not even decoded.
    let request = std::fs::read_to_string(&ca).unwrap();
    let key = "-----BEGIN PRIVATE KEY-----\nnothing\n-----END PRIVATE KEY-----\n";
    std::fs::write(desk.path("both.pem"), format!("{key}{request}")).unwrap();
    let said = desk.succeed(&["cert", "issue", "--csr", "both.pem", "--out", "ca"]);
    assert!(said.contains("both.pem: the private key at line 1 was not read"), "{said}");
    desk.mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_one_script_are_owned_certified_and_shown_both_ways() {
    let mut desk = Desk::new().await;
    let both = "xn--bcher-kva.demo.hypermesh (bücher.demo.hypermesh)";
    let told = "Bücher.demo.hypermesh is xn--bcher-kva.demo.hypermesh\n";
    let said = desk.succeed(&["dns", "register", "Bücher.demo.hypermesh"]);
    assert!(said.contains(told) && said.contains(&format!("registered {both}")), "{said}");
    let said = desk.succeed(&["dns", "set", "bücher.demo.hypermesh", "AAAA", "2001:db8::7"]);
    assert!(said.contains(&format!("set AAAA of {both}")), "{said}");
    let said = desk.succeed(&["dns", "lookup", "xn--bcher-kva.demo.hypermesh", "AAAA"]);
    assert!(said.contains("xn--bcher-kva.demo.hypermesh. 300 IN AAAA 2001:db8::7"), "{said}");
    let words = ["cert", "issue", "bücher.demo.hypermesh", "--san", "büro.demo.hypermesh", "--out", "b"];
    let said = desk.succeed(&words);
    assert!(
        said.contains(&format!("issued {both}, xn--bro-hoa.demo.hypermesh (büro.demo.hypermesh) until")),
        "{said}"
    );
    let checked =
        desk.openssl(&["x509", "-in", "b/cert.pem", "-noout", "-checkhost", "xn--bro-hoa.demo.hypermesh"]);
    assert!(checked.contains("does match"), "{checked}");
    desk.succeed(&["trust", "export", "--out", "mesh.trust"]);
    let verify = ["cert", "verify", "--trust", "mesh.trust", "b/cert.pem", "--name"];
    desk.succeed(&[&verify[..], &["bücher.demo.hypermesh"]].concat());
    let output = desk.command(&[&words[..], &["--json"]].concat()).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["unicode"]["xn--bro-hoa.demo.hypermesh"], "büro.demo.hypermesh");
    let said = desk.succeed(&["cert", "issue", "--csr", &format!("{CORE}a_label.pem"), "--out", "a"]);
    assert!(said.contains("issued xn--bro-hoa.demo.hypermesh (büro.demo.hypermesh)"), "{said}");
    let announce = ["service", "announce", "bücher.demo.hypermesh", "--instance", "öst", "--port", "7000"];
    let said = desk.succeed(&[&announce[..], &["--address", "2001:db8::7", "--once"]].concat());
    assert!(said.contains("announced xn--st-eka._stoq._udp.xn--bcher-kva.demo.hypermesh (öst._stoq._udp.bücher.demo.hypermesh)"), "{said}");
    for (name, words) in [
        ("аpple.demo.hypermesh", "mixes scripts, Cyrillic and Latin"),
        ("раура.demo.hypermesh", "looks like \"paypa\""),
        ("☃.demo.hypermesh", "has U+2603"),
        ("xn--99999999.demo.hypermesh", "is not an A-label"),
        ("ab--c.demo.hypermesh", "is reserved"),
    ] {
        let (code, said) = desk.run(&["dns", "register", name]);
        assert!(code != 0 && said.contains(words), "{name}: {code} {said}");
        let (code, said) = desk.run(&["cert", "issue", name, "--out", "refused"]);
        assert!(code != 0 && said.contains(words), "{name}: {code} {said}");
    }
    desk.fail(&["dns", "register", "b\u{fffd}.demo.hypermesh"], 2, "is not a valid internationalised name");
    desk.mesh.stop().await;
}
