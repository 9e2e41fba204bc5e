//! The words for outcomes, phases and sources: what each counts as, and how it is written and read.

use pytest_lens_protocol::{Bytes, DecodeError, ErrorCode, ItemKind, Outcome, Phase, Response, Source, decode_request};

#[test]
fn each_outcome_passes_or_fails_or_neither() {
    let of = |is: fn(Outcome) -> bool| Outcome::ALL.into_iter().filter(|outcome| is(*outcome)).collect::<Vec<_>>();
    assert_eq!(of(Outcome::is_pass), [Outcome::Passed, Outcome::XPassed]);
    assert_eq!(of(Outcome::is_failure), [Outcome::Failed, Outcome::Error, Outcome::TimedOut, Outcome::Crashed]);
}

#[test]
fn outcomes_are_read_as_they_are_written() {
    let words = Outcome::ALL.map(|outcome| outcome.to_string());
    let expected = ["passed", "failed", "skipped", "error", "xfailed", "xpassed", "timed_out", "crashed", "not_run"];
    assert_eq!(words, expected);
    assert_eq!(words.map(|word| word.parse()), Outcome::ALL.map(Ok));
    assert_eq!(serde_json::to_value(Outcome::ALL).unwrap(), serde_json::json!(expected));
    insta::assert_snapshot!("pass".parse::<Outcome>().unwrap_err(), @"unknown outcome 'pass': expected passed, failed, skipped, error, xfailed, xpassed, timed_out, crashed or not_run");
    assert_eq!(format!("{:>8}|{:<9}|", Outcome::Passed, Phase::Call), "  passed|call     |");
    assert_eq!(
        [Phase::Setup, Phase::Call, Phase::Teardown].map(|phase| phase.to_string()),
        ["setup", "call", "teardown"]
    );
}

#[test]
fn sources_are_read_as_they_are_written() {
    let all = [Source::Editor, Source::Cli, Source::Agent, Source::Ci];
    let words = all.map(|source| source.to_string());
    assert_eq!(words, ["editor", "cli", "agent", "ci"]);
    assert_eq!(words.map(|word| word.parse()), all.map(Ok));
    insta::assert_snapshot!("Cli".parse::<Source>().unwrap_err(), @"unknown source 'Cli': expected editor, cli, agent or ci");
}

#[test]
fn a_continuous_integration_service_says_that_it_is_one() {
    for unset in [None, Some(""), Some(" "), Some("0"), Some("false"), Some(" False ")] {
        assert_eq!(Source::of_command(unset), Source::Cli, "{unset:?}");
    }
    for set in ["true", "1", "woodpecker"] {
        assert_eq!(Source::of_command(Some(set)), Source::Ci, "{set}");
    }
}

#[test]
fn folders_and_files_are_the_outline() {
    use ItemKind::{Case, Class, Dir, Doctest, File, Function};
    let outline: Vec<ItemKind> =
        [Dir, File, Class, Function, Case, Doctest].into_iter().filter(|kind| kind.is_outline()).collect();
    assert_eq!(outline, [Dir, File]);
}

#[test]
fn an_error_has_its_code_and_its_sentence() {
    let error = Response::error(ErrorCode::Timeout, "too long");
    assert_eq!(error, Response::Error { code: ErrorCode::Timeout, message: "too long".to_owned(), session_exit: None });
}

#[test]
fn bytes_are_shown_as_text() {
    assert_eq!(format!("{:?}", Bytes(b"a\"\n\xff".to_vec())), r#"b"a\"\n\xff""#);
}

#[test]
fn an_unknown_type_is_cut_after_64_characters() {
    let found = |length: usize| match decode_request(&rmp_serde::to_vec(&["x".repeat(length)]).unwrap()).1 {
        Err(DecodeError::UnknownType { found, .. }) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(found(64), "x".repeat(64));
    assert_eq!(found(65), "x".repeat(64) + "…");
}
