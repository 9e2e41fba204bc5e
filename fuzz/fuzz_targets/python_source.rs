//! Python source through the analysis: every position lies in the text, and reading twice gives the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pytest_lens_analysis::clocks::first_reading;
use pytest_lens_analysis::functions::functions;
use pytest_lens_analysis::{FileRole, Pos, PytestSettings, analyze_as};

/// The lengths of the lines, with `\r` of `\r\n`.
fn lines(text: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\r', '\n']) {
        lines.push(at + 1);
        rest = &rest[at + if rest[at..].starts_with("\r\n") { 2 } else { 1 }..];
    }
    lines.push(rest.len());
    lines
}

fuzz_target!(|data: &[u8]| {
    drop(functions(data));
    let text = String::from_utf8_lossy(data);
    let role = FileRole { tests: true, doctest_module: Some("m".to_owned()) };
    let analysis = analyze_as(&text, &PytestSettings::default(), &role);
    let lines = lines(&text);
    let is_inside = |pos: Pos| lines.get(pos.line as usize).is_some_and(|length| pos.col as usize <= *length);
    for node in &analysis.nodes {
        assert!(is_inside(node.full_span.start) && is_inside(node.full_span.end), "{node:?}");
        assert!(node.full_span.start <= node.name_span.start && node.name_span.end <= node.full_span.end, "{node:?}");
    }
    for def in &analysis.defs {
        assert!(1 <= def.first_line && def.first_line <= def.def_line && def.def_line as usize <= lines.len());
    }
    if let Some((at, message)) = &analysis.syntax_error {
        assert!(is_inside(*at) && !message.is_empty());
    }
    drop(first_reading(&[("test_a.py", &analysis)]));
});
