//! The parts of pytest's node ids, as every crate takes them apart: `dir/test_a.py::TestA::test_b[1-x]`.

/// Separates a file from the names in it, and these from each other.
const JOINT: &str = "::";

/// A borrowed node id of a test, function, class, file or folder. A case's parameters are a text of the user's that may
/// hold `::` and brackets, so they reach from the first bracket after the file to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId<'a>(&'a str);

impl<'a> NodeId<'a> {
    /// Any text is a node id; one without `::` is that of a file or folder.
    #[must_use]
    pub const fn new(id: &'a str) -> Self {
        NodeId(id)
    }

    /// The whole id.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The path of the file or folder, and the rest after `::`: classes, function and parameters.
    #[must_use]
    pub fn split(self) -> (&'a str, Option<&'a str>) {
        self.0.split_once(JOINT).map_or((self.0, None), |(file, names)| (file, Some(names)))
    }

    /// The path of the file or folder.
    #[must_use]
    pub fn file(self) -> &'a str {
        self.split().0
    }

    /// Classes, function and parameters; `None` for a file or folder.
    #[must_use]
    pub fn names(self) -> Option<&'a str> {
        self.split().1
    }

    /// The id without parameters.
    #[must_use]
    pub fn function(self) -> Self {
        NodeId(self.0.get(..self.parameters_start()).unwrap_or(self.0))
    }

    /// The parameters with their brackets, `[1-x]`; `None` for an id without parameters.
    #[must_use]
    pub fn parameters(self) -> Option<&'a str> {
        self.0.get(self.parameters_start()..).filter(|parameters| !parameters.is_empty())
    }

    /// The class or file that holds it; the function of a case; the folder of a file. `None` at the root.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        if self.parameters().is_some() {
            return Some(self.function());
        }
        let joint = if self.names().is_some() { JOINT } else { "/" };
        self.0.rsplit_once(joint).map(|(parent, _)| NodeId(parent))
    }

    /// The last class or the function, without parameters; the path of a file.
    #[must_use]
    pub fn name(self) -> &'a str {
        let function = self.function().0;
        function.rsplit_once(JOINT).map_or(function, |(_, name)| name)
    }

    /// The same with parameters.
    #[must_use]
    pub fn case_name(self) -> &'a str {
        let start = self.function().0.len() - self.name().len();
        self.0.get(start..).unwrap_or(self.0)
    }

    /// The names with `.` between them, as pytest writes them above a failure; the path of a file.
    #[must_use]
    pub fn dotted(self) -> String {
        self.names().unwrap_or(self.0).replace(JOINT, ".")
    }

    fn parameters_start(self) -> usize {
        let names = self.0.find(JOINT).unwrap_or(self.0.len());
        self.0.get(names..).and_then(|names| names.find('[')).map_or(self.0.len(), |at| names + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(id: &str) -> (&str, Option<&str>, &str, Option<&str>, &str, Option<&str>) {
        let id = NodeId::new(id);
        (id.file(), id.names(), id.function().as_str(), id.parameters(), id.name(), id.parent().map(NodeId::as_str))
    }

    #[test]
    fn an_id_is_taken_apart_as_pytest_put_it_together() {
        let id = "d/a.py::T::t[x::y[1]]";
        assert_eq!(
            parts(id),
            ("d/a.py", Some("T::t[x::y[1]]"), "d/a.py::T::t", Some("[x::y[1]]"), "t", Some("d/a.py::T::t"))
        );
        assert_eq!(parts("a.py::T"), ("a.py", Some("T"), "a.py::T", None, "T", Some("a.py")));
        assert_eq!(parts("d[1]/a.py"), ("d[1]/a.py", None, "d[1]/a.py", None, "d[1]/a.py", Some("d[1]")));
        assert_eq!(parts("t[1].py::test_a[x::y[0]]").2, "t[1].py::test_a");
        assert_eq!(parts("d[1]/a.py::t").2, "d[1]/a.py::t", "a folder's bracket begins no parameters");
        assert_eq!(parts(""), ("", None, "", None, "", None));
    }

    #[test]
    fn a_case_is_named_by_its_function_and_parameters() {
        let names = ["d[1]/a.py::T::t[x::y]", "d[1]/a.py::t", "d[1]/a.py"].map(|id| NodeId::new(id).case_name());
        assert_eq!(names, ["t[x::y]", "t", "d[1]/a.py"]);
    }

    #[test]
    fn names_are_dotted_as_in_a_title() {
        let titles = ["a.py::T::t[1]", "a.py"].map(|id| NodeId::new(id).dotted());
        assert_eq!(titles, ["T.t[1]", "a.py"]);
    }
}
