//! Reads JUnit XML, as pytest and other runners write it: the tests, and the outcome of each attempt.
//!
//! A report may come from anywhere, so it is not trusted: no DOCTYPE (and so no entities of its own), limits on size,
//! depth and attributes, and nothing is taken from a file that is not well-formed to its end.

use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use pytest_lens_protocol::Outcome;

use super::timestamp::milliseconds;

/// The largest report, in bytes.
pub(crate) const MAX_BYTES: u64 = 256 << 20;

/// The deepest nesting of elements.
const MAX_DEPTH: usize = 64;

/// The most attributes of an element: each is compared with all others of it.
const MAX_ATTRIBUTES: usize = 100;

/// A report.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Report {
    /// The start of the first suite, in milliseconds since 1970.
    pub started_ms: Option<u64>,
    /// The test cases, in the order of the file.
    pub cases: Vec<Case>,
}

/// A `testcase`.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Case {
    /// `classname`: in pytest's reports the file and the classes, joined by dots.
    pub class: String,
    /// `name`, including the brackets of a parametrized test.
    pub name: String,
    /// `file`, if the runner writes it.
    pub file: Option<String>,
    /// The outcomes of its attempts, in order.
    pub outcomes: Vec<Outcome>,
    /// Duration of all attempts, in milliseconds.
    pub duration_ms: f64,
}

/// The fault of a report.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    /// Line of the fault, from 1.
    pub line: usize,
    /// The culprit and the way out, as the end of a sentence.
    pub why: String,
}

/// Reads a whole report.
pub(crate) fn parse(content: &[u8]) -> Result<Report, Invalid> {
    let text = std::str::from_utf8(content).map_err(|error| Invalid {
        line: line_at(content, error.valid_up_to()),
        why: "this is not UTF-8; convert the report, or have its runner write UTF-8".into(),
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open = Open::default();
    loop {
        let event = reader.read_event();
        let refused = |at: u64, why: String| Invalid { line: line_at(text.as_bytes(), at as usize), why };
        let here = reader.buffer_position();
        match event {
            Ok(Event::Start(element)) => open.start(&element).map_err(|why| refused(here, why))?,
            Ok(Event::End(_)) => open.end(),
            Ok(Event::DocType(_)) => {
                let why = "a DOCTYPE may define entities and is not read; remove it from the report".to_owned();
                return Err(refused(here, why));
            }
            Ok(Event::Eof) if open.depth > 0 => {
                return Err(refused(here, "the report ends before its elements do; is it whole?".into()));
            }
            Ok(Event::Eof) if !open.has_root => {
                return Err(refused(here, "this holds no XML; give a JUnit XML report".into()));
            }
            Ok(Event::Eof) => return Ok(open.report),
            Ok(_) => {}
            Err(error) => {
                return Err(refused(reader.error_position(), format!("this is not well-formed XML: {error}")));
            }
        }
    }
}

fn line_at(text: &[u8], at: usize) -> usize {
    1 + text.iter().take(at).filter(|byte| **byte == b'\n').count()
}

/// The state of the reader.
#[derive(Default)]
struct Open {
    report: Report,
    depth: usize,
    has_root: bool,
    /// The current case, and its depth.
    case: Option<(usize, Found)>,
}

/// The child elements of a case.
#[derive(Default)]
struct Found {
    case: Case,
    end: Option<Outcome>,
    /// Failed attempts before the last attempt, and after it.
    earlier: Vec<Outcome>,
    later: Vec<Outcome>,
    did_not_run: bool,
}

impl Open {
    fn start(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("its elements are nested more than {MAX_DEPTH} deep"));
        }
        if element.attributes().with_checks(false).nth(MAX_ATTRIBUTES).is_some() {
            return Err(format!("an element has more than {MAX_ATTRIBUTES} attributes"));
        }
        let name = element.local_name();
        let name = name.as_ref();
        if self.depth == 1 {
            self.has_root = true;
            if !matches!(name, "testsuites" | "testsuite") {
                return Err(format!("the root is <{name}>, where JUnit XML has <testsuites> or <testsuite>"));
            }
        }
        let own_depth = self.depth;
        match (&mut self.case, name) {
            (None, "testsuite" | "testsuites") => {
                let timestamp = value(element, "timestamp")?;
                self.report.started_ms = self.report.started_ms.or(timestamp.as_deref().and_then(milliseconds));
            }
            (None, "testcase") => self.case = Some((own_depth, Found::of(element)?)),
            // Only children of a case count, not elements within them.
            (Some((depth, found)), _) if own_depth == *depth + 1 => found.take(name, element)?,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self) {
        if let Some((_, found)) = self.case.take_if(|(depth, _)| *depth == self.depth)
            && let Some(case) = found.into_case()
        {
            self.report.cases.push(case);
        }
        self.depth = self.depth.saturating_sub(1);
    }
}

impl Found {
    fn of(element: &BytesStart<'_>) -> Result<Self, String> {
        let seconds = value(element, "time")?.unwrap_or_default().replace(',', "");
        let seconds = seconds.trim().parse::<f64>().ok().filter(|time| time.is_finite() && *time >= 0.0);
        let case = Case {
            class: value(element, "classname")?.unwrap_or_default(),
            name: value(element, "name")?.ok_or("a <testcase> has no name")?,
            file: value(element, "file")?.map(|file| file.replace('\\', "/")),
            outcomes: Vec::new(),
            duration_ms: seconds.unwrap_or_default() * 1000.0,
        };
        let did_not_run = value(element, "status")?.is_some_and(|status| status.eq_ignore_ascii_case("notrun"));
        Ok(Found { case, did_not_run, ..Found::default() })
    }

    fn take(&mut self, name: &str, element: &BytesStart<'_>) -> Result<(), String> {
        match name {
            "failure" => self.end = Some(Outcome::Failed),
            // A failure with an error in its teardown is a failure.
            "error" => self.end = self.end.or(Some(Outcome::Error)),
            "skipped" => {
                let is_xfail = value(element, "type")?.is_some_and(|kind| kind == "pytest.xfail");
                self.end = self.end.or(Some(if is_xfail { Outcome::XFailed } else { Outcome::Skipped }));
            }
            // Surefire writes the failed attempts before a pass as flaky, and those after a failure as rerun.
            "flakyFailure" => self.earlier.push(Outcome::Failed),
            "flakyError" => self.earlier.push(Outcome::Error),
            "rerunFailure" => self.later.push(Outcome::Failed),
            "rerunError" => self.later.push(Outcome::Error),
            _ => {}
        }
        Ok(())
    }

    fn into_case(self) -> Option<Case> {
        let Found { mut case, end, earlier, later, did_not_run } = self;
        let end = [end.unwrap_or(Outcome::Passed)];
        case.outcomes = earlier.into_iter().chain(end).chain(later).collect();
        (!did_not_run).then_some(case)
    }
}

/// The value of an attribute, its references resolved. XML knows five, and a report may define no more.
fn value(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    for attribute in element.attributes() {
        let attribute: Attribute<'_> = attribute.map_err(|error| format!("this is not well-formed XML: {error}"))?;
        if attribute.key.local_name().as_ref() == name {
            let text = attribute.normalized_value(XmlVersion::Implicit1_0);
            return text.map(|text| Some(text.into_owned())).map_err(|error| format!("in `{name}`: {error}"));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(inner: &str) -> Vec<Outcome> {
        let text = format!("<testsuite><testcase classname='a' name='t'>{inner}</testcase></testsuite>");
        parse(text.as_bytes()).unwrap().cases.remove(0).outcomes
    }

    #[test]
    fn suites_within_suites_and_both_families() {
        let text = r#"<?xml version="1.0" encoding="utf-8"?>
            <testsuites name="all"><testsuite name="pytest" timestamp="2024-05-06T07:08:09.5+02:00" tests="2">
              <properties><property name="x" value="y"/></properties>
              <testsuite><testcase classname="tests.test_a.TestB" name="test_c[&quot;x&quot;-&#233;]" time="1,000.25"/></testsuite>
              <testcase file="tests\test_a.py" line="7" name="test_d" time="soon"><failure message="m">text &amp; more</failure>
                <system-out><![CDATA[<testcase name="no"/>]]></system-out></testcase>
            </testsuite></testsuites>"#;
        insta::assert_debug_snapshot!(parse(text.as_bytes()), @r##"
        Ok(
            Report {
                started_ms: Some(
                    1714972089500,
                ),
                cases: [
                    Case {
                        class: "tests.test_a.TestB",
                        name: "test_c[\"x\"-é]",
                        file: None,
                        outcomes: [
                            Passed,
                        ],
                        duration_ms: 1000250.0,
                    },
                    Case {
                        class: "",
                        name: "test_d",
                        file: Some(
                            "tests/test_a.py",
                        ),
                        outcomes: [
                            Failed,
                        ],
                        duration_ms: 0.0,
                    },
                ],
            },
        )
        "##);
    }

    #[test]
    fn each_attempt_has_its_outcome() {
        use Outcome::{Error, Failed, Passed, Skipped, XFailed};
        assert_eq!(outcomes(""), [Passed]);
        assert_eq!(outcomes("<failure><x><skipped/></x></failure>"), [Failed]);
        assert_eq!(outcomes("<error/>"), [Error]);
        assert_eq!(outcomes("<failure/><error/>"), [Failed]);
        assert_eq!(outcomes("<skipped type='pytest.skip'/>"), [Skipped]);
        assert_eq!(outcomes("<skipped type='pytest.xfail'/>"), [XFailed]);
        assert_eq!(outcomes("<flakyFailure/><flakyError/>"), [Failed, Error, Passed]);
        assert_eq!(outcomes("<failure/><rerunFailure/><rerunError/>"), [Failed, Failed, Error]);
        let unrun = "<testsuite><testcase name='t' status='notrun'/></testsuite>";
        assert_eq!(parse(unrun.as_bytes()).unwrap().cases, []);
    }

    #[test]
    fn what_is_broken_or_hostile_is_refused_with_its_line() {
        let deep = format!("{}{}", "<testsuite>".repeat(70), "</testsuite>".repeat(70));
        let bomb =
            "<?xml version='1.0'?>\n<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>\n<testsuite name='&b;'/>";
        let attributes: String = (0..=MAX_ATTRIBUTES).map(|number| format!(" a{number}=''")).collect();
        let many = format!("<testsuite><a{attributes}/></testsuite>");
        let texts: [&[u8]; 11] = [
            b"",
            b"plain text",
            b"<html/>",
            b"<testsuite>\n<testcase name='a'>\n</testsuite>",
            b"<testsuite>\n<testcase name='a'/>",
            b"<testsuite>\n<testcase/></testsuite>",
            b"<testsuite>\n<testcase name='&evil;'/></testsuite>",
            b"<testsuite>\n\n<testcase name='\xff'/></testsuite>",
            bomb.as_bytes(),
            deep.as_bytes(),
            many.as_bytes(),
        ];
        let told = |text: &[u8]| match parse(text) {
            Err(Invalid { line, why }) => format!("{line}: {why}"),
            Ok(report) => format!("{report:?}"),
        };
        insta::assert_snapshot!(texts.map(told).join("\n"), @r##"
        1: this holds no XML; give a JUnit XML report
        1: this holds no XML; give a JUnit XML report
        1: the root is <html>, where JUnit XML has <testsuites> or <testsuite>
        3: this is not well-formed XML: ill-formed document: expected `</testcase>`, but `</testsuite>` was found
        2: the report ends before its elements do; is it whole?
        2: a <testcase> has no name
        2: in `name`: at 1..5: unrecognized entity `evil`
        3: this is not UTF-8; convert the report, or have its runner write UTF-8
        2: a DOCTYPE may define entities and is not read; remove it from the report
        1: its elements are nested more than 64 deep
        1: an element has more than 100 attributes
        "##);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_break_it(content in proptest::collection::vec(proptest::sample::select(b"<>/='&;! \ntestsuicanm[]-?\xff".to_vec()), 0..200)) {
            let _ = parse(&content);
            let _ = parse(&[b"<testsuite>", &content[..], b"</testsuite>"].concat());
        }
    }
}
