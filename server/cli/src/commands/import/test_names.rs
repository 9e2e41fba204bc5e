//! Finds the node id for a test case of a report.
//!
//! pytest writes `tests/test_a.py::TestB::test_c[1]` as the class `tests.test_a.TestB` and the name `test_c[1]`. That
//! is ambiguous (a dot may be a folder, a suffix or a class), so the ids of the project's tests are written the same
//! way and compared.

use std::collections::HashMap;

use pytest_lens_protocol::NodeId;

use super::junit::Case;

/// The project's test functions, by name.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    by_name: HashMap<String, Vec<Function>>,
}

#[derive(Debug)]
struct Function {
    /// The class that a report names.
    class: String,
    /// The node id without brackets.
    id: String,
}

impl Functions {
    /// Adds tests by their node ids; the cases of one function count as one.
    pub(crate) fn extend<'a>(&mut self, ids: impl IntoIterator<Item = &'a str>) {
        for id in ids {
            let id = NodeId::new(id).function().as_str();
            let Some((class, name)) = dotted(id) else { continue };
            let known = self.by_name.entry(name.to_owned()).or_default();
            if !known.iter().any(|function| function.id == id) {
                known.push(Function { class, id: id.to_owned() });
            }
        }
    }

    /// The node id of a case; `None` if no test or several tests match.
    pub(crate) fn id_of(&self, case: &Case) -> Option<String> {
        let (name, brackets) = case.name.split_at(case.name.find('[').unwrap_or(case.name.len()));
        let known = self.by_name.get(name)?;
        let file = |function: &&Function| {
            let own = NodeId::new(&function.id).file();
            case.file.as_deref().is_none_or(|file| is_end(file, own, '/') || is_end(own, file, '/'))
        };
        let exact = |function: &&Function| function.class == case.class;
        // The runner may have run in another folder: above the root, or below it.
        let near = |function: &&Function| {
            !case.class.is_empty()
                && (is_end(&function.class, &case.class, '.') || is_end(&case.class, &function.class, '.'))
        };
        let only_file = |_: &&Function| case.class.is_empty() && case.file.is_some();
        let one = |is_meant: &dyn Fn(&&Function) -> bool| {
            let mut found = known.iter().filter(file).filter(|function| is_meant(function));
            found.next().filter(|_| found.next().is_none())
        };
        let found = one(&exact).or_else(|| one(&near)).or_else(|| one(&only_file))?;
        Some(format!("{}{brackets}", found.id))
    }
}

/// The class and the name that a report has for a function's id.
fn dotted(id: &str) -> Option<(String, &str)> {
    let (place, name) = id.rsplit_once("::")?;
    let (file, classes) = NodeId::new(place).split();
    let mut class = file.strip_suffix(".py").unwrap_or(file).replace('/', ".");
    if let Some(classes) = classes {
        class.push('.');
        class.push_str(&classes.replace("::", "."));
    }
    Some((class, name))
}

/// Whether `end` is the last parts of `whole`.
fn is_end(whole: &str, end: &str, between: char) -> bool {
    whole.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with(between))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_find_their_tests() {
        let mut functions = Functions::default();
        functions.extend([
            "tests/test_a.py::test_x",
            "tests/test_a.py::TestB::TestC::test_x",
            "tests/test_a.py::test_case[a::b[1]]",
            "tests/test_a.py::test_case[2]",
            "sub/tests/test_a.py::test_y",
            "other/tests/test_a.py::test_y",
            "pkg/mod.py::pkg.mod.f",
            "data[1]/test_d.py::test_d[1]",
        ]);
        let found = |class: &str, name: &str, file: Option<&str>| {
            let case = Case { class: class.into(), name: name.into(), file: file.map(Into::into), ..Case::default() };
            functions.id_of(&case).unwrap_or_default()
        };
        assert_eq!(found("tests.test_a", "test_x", None), "tests/test_a.py::test_x");
        assert_eq!(found("tests.test_a.TestB.TestC", "test_x", None), "tests/test_a.py::TestB::TestC::test_x");
        assert_eq!(found("tests.test_a", "test_case[x::y]", None), "tests/test_a.py::test_case[x::y]");
        assert_eq!(found("repo.tests.test_a", "test_x", Some("repo/tests/test_a.py")), "tests/test_a.py::test_x");
        assert_eq!(found("test_a", "test_x", None), "tests/test_a.py::test_x");
        assert_eq!(found("tests.test_a", "test_y", None), "", "two may be meant");
        assert_eq!(found("tests.test_a", "test_y", Some("sub/tests/test_a.py")), "sub/tests/test_a.py::test_y");
        assert_eq!(found("", "test_case", Some("tests/test_a.py")), "tests/test_a.py::test_case");
        assert_eq!(found("pkg.mod", "pkg.mod.f", None), "pkg/mod.py::pkg.mod.f");
        assert_eq!(found("data[1].test_d", "test_d[1]", None), "data[1]/test_d.py::test_d[1]");
        assert_eq!(found("tests.test_b", "test_x", None), "");
        assert_eq!(found("sts.test_a", "test_x", None), "");
    }
}
