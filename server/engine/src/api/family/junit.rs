//! One JUnit report of a run over several projects: pytest writes one for each, and they are put together with the names
//! that their tests have below the root.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A new file for the report of one part.
pub(super) fn part_file(tmp_dir: &Path) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    tmp_dir.join(format!("junit-{}-{}.xml", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// A file or a project that could not be collected, of which pytest writes no report.
pub(super) struct MissingCase {
    /// The module's name from the root; empty if it is no file's error.
    pub name: String,
    pub text: String,
}

/// Writes the report, and removes those of the parts. `parts`: their projects' folders and their files; `missing`: further
/// errors.
pub(super) async fn write(report: PathBuf, parts: Vec<(String, PathBuf)>, missing: Vec<MissingCase>) {
    let writing = tokio::task::spawn_blocking(move || {
        let read = parts.iter().filter_map(|(path, file)| Some((path.as_str(), std::fs::read_to_string(file).ok()?)));
        let whole = merged(read, &missing);
        let folder = report.parent().map_or(Ok(()), std::fs::create_dir_all);
        if let Err(error) = folder.and_then(|()| std::fs::write(&report, whole)) {
            tracing::error!(%error, report = %report.display(), "the JUnit report can't be written");
        }
        for (_, file) in &parts {
            // The folder is temporary.
            let _ = std::fs::remove_file(file);
        }
    });
    let _ = writing.await;
}

fn merged<'p>(parts: impl Iterator<Item = (&'p str, String)>, missing: &[MissingCase]) -> String {
    let mut whole = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><testsuites name=\"pytest tests\">");
    for (path, text) in parts {
        let begin = text.find("<testsuite ").unwrap_or(text.len());
        let end = text.rfind("</testsuites>").unwrap_or(text.len());
        let suites = text.get(begin..end).unwrap_or_default();
        whole.push_str(&if path.is_empty() { suites.to_owned() } else { renamed(suites, path) });
    }
    if !missing.is_empty() {
        let count = missing.len();
        whole.push_str(&format!(
            "<testsuite name=\"pytest\" errors=\"{count}\" failures=\"0\" skipped=\"0\" tests=\"{count}\">"
        ));
        for MissingCase { name, text } in missing {
            let name = if name.is_empty() { "collection" } else { name };
            let (name, text) = (escaped(name), escaped(text));
            // As pytest writes a file that can't be collected.
            whole.push_str(&format!(
                "<testcase classname=\"\" name=\"{name}\"><error message=\"collection failure\">{text}</error></testcase>"
            ));
        }
        whole.push_str("</testsuite>");
    }
    whole.push_str("</testsuites>");
    whole
}

/// The suites of a project, with the names of their tests below the root. Texts in XML hold no `<`, so a tag is found by
/// its beginning.
fn renamed(suites: &str, path: &str) -> String {
    let dotted = escaped(&path.replace('/', "."));
    let mut done = String::with_capacity(suites.len() + suites.len() / 8);
    let mut rest = suites;
    while let Some(begin) = rest.find("<testsuite ").into_iter().chain(rest.find("<testcase ")).min() {
        let length = rest[begin..].find('>').unwrap_or(rest.len() - begin);
        done.push_str(&rest[..begin]);
        let tag = &rest[begin..begin + length];
        done.push_str(&if tag.starts_with("<testsuite ") {
            with_value(tag, " name=\"", |_| escaped(path))
        } else if tag.contains(" classname=\"\"") {
            // A file that could not be collected.
            with_value(tag, " name=\"", |name| format!("{dotted}.{name}"))
        } else {
            let named = with_value(tag, " classname=\"", |name| format!("{dotted}.{name}"));
            with_value(&named, " file=\"", |file| format!("{}/{file}", escaped(path)))
        });
        rest = &rest[begin + length..];
    }
    done.push_str(rest);
    done
}

/// A tag with another value of an attribute, if it has that.
fn with_value(tag: &str, attribute: &str, change: impl Fn(&str) -> String) -> String {
    let Some(begin) = tag.find(attribute).map(|at| at + attribute.len()) else { return tag.to_owned() };
    let end = tag[begin..].find('"').map_or(tag.len(), |length| begin + length);
    format!("{}{}{}", &tag[..begin], change(&tag[begin..end]), &tag[end..])
}

fn escaped(text: &str) -> String {
    // XML has no other control characters.
    let text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r')).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(cases: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><testsuites name=\"pytest tests\"><testsuite name=\"pytest\" \
             tests=\"1\">{cases}</testsuite></testsuites>"
        )
    }

    #[test]
    fn b11_reports_are_put_together_with_the_names_below_the_root() {
        let own = part("<testcase classname=\"tests.test_a\" name=\"test_x\" time=\"0.1\" />");
        let inner = part(
            "<testcase classname=\"test_b.T\" name=\"test[&gt;]\" file=\"test_b.py\"><failure message=\"a &lt;testcase \
             classname=&quot;x&quot;\">text</failure></testcase><testcase classname=\"\" name=\"test_c\" />",
        );
        let whole = merged([("", own), ("pkg/a&b", inner)].into_iter(), &[]);
        assert_eq!(
            whole,
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><testsuites name=\"pytest tests\"><testsuite name=\"pytest\" \
             tests=\"1\"><testcase classname=\"tests.test_a\" name=\"test_x\" time=\"0.1\" /></testsuite><testsuite \
             name=\"pkg/a&amp;b\" tests=\"1\"><testcase classname=\"pkg.a&amp;b.test_b.T\" name=\"test[&gt;]\" \
             file=\"pkg/a&amp;b/test_b.py\"><failure message=\"a &lt;testcase classname=&quot;x&quot;\">text</failure>\
             </testcase><testcase classname=\"\" name=\"pkg.a&amp;b.test_c\" /></testsuite></testsuites>"
        );
        assert_eq!(merged([("a", String::new())].into_iter(), &[]).matches("testsuite ").count(), 0);
    }

    #[test]
    fn what_pytest_does_not_report_is_an_error() {
        let missing = ["b.conftest", ""].map(|name| MissingCase { name: name.into(), text: "<E>\u{1b}[0m".into() });
        assert_eq!(
            merged(std::iter::empty(), &missing),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><testsuites name=\"pytest tests\"><testsuite name=\"pytest\" \
             errors=\"2\" failures=\"0\" skipped=\"0\" tests=\"2\"><testcase classname=\"\" name=\"b.conftest\"><error \
             message=\"collection failure\">&lt;E&gt;[0m</error></testcase><testcase classname=\"\" name=\"collection\"><error \
             message=\"collection failure\">&lt;E&gt;[0m</error></testcase></testsuite></testsuites>"
        );
    }
}
