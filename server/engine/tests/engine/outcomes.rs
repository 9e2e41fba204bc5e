//! Every kind of outcome, with its details.

use pytest_lens_protocol::{ErrorCode, Phase, Request, Response, RunEndStatus, TestOutcome};

use crate::common::{Lab, Order, refused};

const KINDS: &str = r#"
import logging
import sys
import pytest


@pytest.fixture
def bad_setup():
    raise RuntimeError("setup broke")


@pytest.fixture
def bad_teardown():
    yield
    raise RuntimeError("teardown broke")


def test_passes():
    pass


def helper(actual):
    assert actual == {"a": 2}, "they differ"


def test_fails():
    print("to stdout")
    print("to stderr", file=sys.stderr)
    logging.getLogger("lens").warning("to the log")
    helper({"a": 1})


def test_raises():
    raise KeyError("missing")


def test_compares():
    assert "spam" == "eggs"


def test_setup_error(bad_setup):
    pass


def test_teardown_error(bad_teardown):
    pass


def test_fails_and_teardown_too(bad_teardown):
    assert False, "own failure"


@pytest.mark.skip(reason="not today")
def test_skip_mark():
    pass


def test_skip_inside():
    pytest.skip("no luck")


@pytest.mark.skipif(sys.version_info > (3,), reason="too new")
def test_skipif():
    pass


@pytest.mark.xfail(reason="known bug")
def test_xfail():
    assert False


@pytest.mark.xfail
def test_xpass():
    pass


@pytest.mark.xfail(strict=True, reason="must fail")
def test_xpass_strict():
    pass


@pytest.mark.xfail(raises=ValueError)
def test_xfail_of_another_kind():
    raise TypeError("other")


def test_missing_fixture(no_such_fixture):
    pass


def test_chatty_pass():
    print("passing words")
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_outcome_is_told_in_both_modes() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &[("test_kinds.py", KINDS)]).await;
        let ran = lab.run(Order::all()).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(ran.outcomes().join("\n"), @"
            test_kinds.py::test_chatty_pass passed
            test_kinds.py::test_compares failed
            test_kinds.py::test_fails failed
            test_kinds.py::test_fails_and_teardown_too error
            test_kinds.py::test_missing_fixture error
            test_kinds.py::test_passes passed
            test_kinds.py::test_raises failed
            test_kinds.py::test_setup_error error
            test_kinds.py::test_skip_inside skipped
            test_kinds.py::test_skip_mark skipped
            test_kinds.py::test_skipif skipped
            test_kinds.py::test_teardown_error error
            test_kinds.py::test_xfail xfailed
            test_kinds.py::test_xfail_of_another_kind failed
            test_kinds.py::test_xpass xpassed
            test_kinds.py::test_xpass_strict failed
            ");
        }
        assert_eq!(ran.status(), RunEndStatus::Failed);
        let counts = ran.end.counts;
        assert_eq!(
            (counts.total, counts.passed, counts.failed, counts.skipped, counts.errors, counts.not_run),
            (16, 3, 5, 4, 4, 0)
        );
        assert_eq!(lab.counts(Order::all()).await, [16, 3, 5, 4, 4]);
        lab.close().await;
    }
}

fn place(outcome: &TestOutcome) -> Option<(String, u32)> {
    let location = outcome.location.as_ref()?;
    let file = location.uri.rsplit('/').next().unwrap_or_default().to_owned();
    Some((file, location.range.start.line + 1))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_comes_with_message_place_values_frames_and_output() {
    let lab = Lab::open(&[("test_kinds.py", KINDS)]).await;
    let ran = lab.run(Order::all()).await;

    let fails = ran.of("::test_fails");
    assert_eq!(fails.phase, Some(Phase::Call));
    assert!(fails.message.as_deref().unwrap().contains("they differ"), "{fails:#?}");
    let line = |text: &str| KINDS.lines().position(|line| line.contains(text)).unwrap() as u32;
    // `KINDS` begins with an empty line that the file has not.
    assert_eq!(place(fails), Some(("test_kinds.py".into(), line("assert actual"))));
    let frames: Vec<(&str, u32)> =
        fails.frames.iter().map(|frame| (frame.name.as_str(), frame.location.range.start.line + 1)).collect();
    assert_eq!(frames, [("test_fails", line("helper({")), ("helper", line("assert actual"))]);
    assert_eq!(fails.frames[0].text.as_deref().map(str::trim), Some("helper({\"a\": 1})"));
    assert_eq!((fails.actual.as_deref(), fails.expected.as_deref()), (Some("{'a': 1}"), Some("{'a': 2}")));
    assert_eq!(fails.stdout.as_deref(), Some("to stdout\n"));
    assert_eq!(fails.stderr.as_deref(), Some("to stderr\n"));
    assert!(fails.log.as_deref().unwrap().contains("to the log"), "{fails:#?}");
    assert!(fails.longrepr.as_deref().unwrap().contains("def test_fails"), "{fails:#?}");
    assert!(fails.duration_ms > 0.0);
    assert_eq!(fails.attempt, 1);

    let compares = ran.of("::test_compares");
    assert_eq!((compares.actual.as_deref(), compares.expected.as_deref()), (Some("'spam'"), Some("'eggs'")));
    let raises = ran.of("::test_raises");
    assert_eq!(raises.message.as_deref(), Some("KeyError: 'missing'"));
    assert_eq!((&raises.actual, &raises.expected), (&None, &None));

    let setup = ran.of("::test_setup_error");
    assert_eq!((setup.outcome.as_str(), setup.phase), ("error", Some(Phase::Setup)));
    assert!(setup.message.as_deref().unwrap().contains("setup broke"));
    assert_eq!(place(setup), Some(("test_kinds.py".into(), line("setup broke"))));
    let teardown = ran.of("::test_teardown_error");
    assert_eq!((teardown.outcome.as_str(), teardown.phase), ("error", Some(Phase::Teardown)));
    let both = ran.of("::test_fails_and_teardown_too");
    assert_eq!(both.outcome, "error");
    let message = both.message.as_deref().unwrap();
    assert!(message.contains("own failure") && message.contains("teardown broke"), "{message}");
    let missing = ran.of("::test_missing_fixture");
    assert!(missing.message.as_deref().unwrap().contains("no_such_fixture"), "{missing:#?}");

    for (id, reason) in [
        ("::test_skip_mark", "not today"),
        ("::test_skip_inside", "no luck"),
        ("::test_skipif", "too new"),
        ("::test_xfail", "known bug"),
        ("::test_xpass_strict", "must fail"),
    ] {
        let message = ran.of(id).message.as_deref().unwrap_or_default();
        assert!(message.contains(reason), "{id}: {message}");
    }
    assert_eq!(ran.of("::test_chatty_pass").stdout.as_deref(), Some("passing words\n"));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_output_of_a_test_can_be_had_later() {
    let lab = Lab::open(&[("test_kinds.py", KINDS)]).await;
    let output = async |node_id: &str| {
        lab.call(Request::GetOutput { context_id: lab.context.clone(), node_id: node_id.to_owned() }).await
    };
    lab.collect().await;
    let before = output("test_kinds.py::test_fails").await;
    assert!(matches!(before, Response::TestOutput { outcome: None, .. }), "{before:?}");
    lab.counts(Order::of(&["test_kinds.py::test_fails"])).await;
    match output("test_kinds.py::test_fails").await {
        Response::TestOutput { node_id, outcome, message, longrepr, stdout, stderr, log } => {
            assert_eq!(node_id, "test_kinds.py::test_fails");
            assert_eq!(outcome.as_deref(), Some("failed"));
            assert!(message.unwrap().contains("they differ") && longrepr.unwrap().contains("they differ"));
            assert_eq!((stdout.as_str(), stderr.as_str()), ("to stdout\n", "to stderr\n"));
            assert!(log.contains("to the log"));
        }
        other => panic!("no output: {other:?}"),
    }
    let (code, message) = refused(output("test_kinds.py::test_never").await);
    assert_eq!(code, ErrorCode::InvalidRequest);
    assert!(message.contains("test_kinds.py::test_never"), "{message}");
    lab.close().await;
}

const SUBTESTS: &str = r#"
import unittest
import pytest


def test_good(subtests):
    for n in range(3):
        with subtests.test(n=n):
            pass


def test_bad(subtests):
    with subtests.test("first", n=1):
        assert 1 == 2
    with subtests.test("second"):
        pass
    with subtests.test("third"):
        pytest.skip("not this one")


class TestUnit(unittest.TestCase):
    def setUp(self):
        self.value = 1

    def test_ok(self):
        self.assertEqual(self.value, 1)

    def test_bad(self):
        self.assertEqual(self.value, 2)

    @unittest.skip("not now")
    def test_skipped(self):
        pass

    @unittest.expectedFailure
    def test_expected(self):
        self.fail()

    def test_sub(self):
        for n in range(3):
            with self.subTest(n=n):
                self.assertNotEqual(n, 1)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn subtests_and_unittest_cases_are_one_test_each() {
    let lab = Lab::open(&[("test_sub.py", SUBTESTS)]).await;
    let ran = lab.run(Order::all()).await;
    insta::assert_snapshot!(ran.outcomes().join("\n"), @"
    test_sub.py::TestUnit::test_bad failed
    test_sub.py::TestUnit::test_expected xfailed
    test_sub.py::TestUnit::test_ok passed
    test_sub.py::TestUnit::test_skipped skipped
    test_sub.py::TestUnit::test_sub failed
    test_sub.py::test_bad failed
    test_sub.py::test_good passed
    ");
    let bad = ran.of("py::test_bad");
    let told: Vec<(&str, &str)> = bad.subtests.iter().map(|sub| (sub.label.as_str(), sub.outcome.as_str())).collect();
    assert_eq!(told, [("[first] (n=1)", "failed"), ("[second]", "passed"), ("[third]", "skipped")]);
    assert!(bad.message.as_deref().unwrap().contains("assert 1 == 2"), "{bad:#?}");
    assert!(bad.subtests[0].message.as_deref().unwrap().contains("assert 1 == 2"), "{bad:#?}");
    assert_eq!(place(bad), Some(("test_sub.py".into(), 13)));
    let unit = ran.of("TestUnit::test_bad");
    assert!(unit.message.as_deref().unwrap().contains("1 != 2"), "{unit:#?}");
    assert_eq!(place(unit), Some(("test_sub.py".into(), 28)));
    assert_eq!(ran.of("TestUnit::test_skipped").message.as_deref(), Some("not now"));
    lab.close().await;
}
