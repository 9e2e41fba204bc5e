//! Guesses by the words in a source which files it may use in ways that no import shows.
//!
//! They matter for changes that were made before anybody saw the tests run: code that loads modules by names that it
//! computes, reads sources or documents as data, or starts an interpreter.

use std::collections::BTreeSet;

use crate::model::impact::{Kind, kind};
use crate::model::scope::is_within;

/// Code that looks for modules by itself.
const LOADERS: [&str; 8] = [
    "iter_modules",
    "walk_packages",
    "import_module",
    "__import__",
    "entry_points",
    "spec_from_file_location",
    "run_path",
    "run_module",
];

/// Code that gets to modules through names in data, or executes what it reads.
const INDIRECT: [&str; 6] = ["resolve_name", "dictConfig", "SourceFileLoader", "pydoc", "pickle", "exec("];

/// Code that looks for files by itself.
const LISTS: [&str; 5] = ["glob(", "iterdir(", "listdir(", "scandir(", "walk("];

/// Functions that start processes, also where `subprocess` is not imported by name.
const STARTERS: [&str; 9] =
    ["subprocess", "pexpect", "create_subprocess_", ".popen(", ".system(", ".spawn", ".execl", ".execv", "runpytest"];

/// The text of a source, as far as its words count.
pub(crate) struct Words {
    text: String,
    loads: bool,
    is_indirect: bool,
    lists: bool,
    /// The ends of file names in strings, after something that is computed or a wildcard, such as `.md`.
    ends: BTreeSet<String>,
}

impl Words {
    pub(crate) fn new(text: String) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let (loads, is_indirect, lists, ends) = (has(&LOADERS), has(&INDIRECT), has(&LISTS), ends(&text));
        Words { text, loads, is_indirect, lists, ends }
    }

    /// Whether this source may start an interpreter, or pytest, which may read any file.
    pub(crate) fn starts_interpreter(&self) -> bool {
        let names_one = self.text.contains("sys.executable") || self.text.contains("runpytest");
        names_one && STARTERS.iter().any(|word| self.text.contains(word))
    }

    /// Whether this source may use another file. `is_unimported`: no import names that one, so that any code which
    /// loads modules may be its user; of others only such code that names its folder, or is around it.
    pub(crate) fn may_use(&self, own: &str, path: &str, is_unimported: bool) -> bool {
        let (folder, name) = path.rsplit_once('/').unwrap_or_default();
        let name = if name.is_empty() { path } else { name };
        match kind(path) {
            Kind::Source => {
                let is_named = is_unimported && name != "__init__.py" && self.text.contains(name);
                let loads_it = || {
                    let around = own.rsplit_once('/').map_or("", |(around, _)| around);
                    let is_below = !around.is_empty() && is_within(folder, around);
                    folder.is_empty() || is_below || folder.rsplit('/').next().is_some_and(|last| self.has_word(last))
                };
                let reads_it = || self.lists && (self.ends.contains(".py") || self.is_indirect);
                is_named
                    || (is_unimported && (self.loads || self.is_indirect))
                    || (self.loads && loads_it())
                    || (reads_it() && self.has_word_of(folder))
            }
            _ => {
                self.text.contains(name)
                    || name.rfind('.').is_some_and(|dot| dot > 0 && self.ends.contains(&name[dot..]))
                    || (self.lists && self.has_word_of(folder))
            }
        }
    }

    /// Whether the code names one of these folders; the top has no name.
    fn has_word_of(&self, folder: &str) -> bool {
        folder.is_empty() || folder.split('/').any(|part| self.has_word(part))
    }

    fn has_word(&self, word: &str) -> bool {
        let is_inside = |letter: Option<char>| letter.is_some_and(|letter| letter == '_' || letter.is_alphanumeric());
        self.text.match_indices(word).any(|(at, _)| {
            !is_inside(self.text[..at].chars().next_back()) && !is_inside(self.text[at + word.len()..].chars().next())
        })
    }
}

/// The ends of file names in strings of a text, after something that is computed or a wildcard.
fn ends(text: &str) -> BTreeSet<String> {
    let end = |dot: usize| {
        let before = text[..dot].chars().next_back();
        let name = text[dot + 1..].split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        let after = text[dot + 1 + name.len()..].chars().next();
        let is_open = matches!(before, Some('*' | '}' | ']' | '"' | '\''));
        (is_open && !name.is_empty() && matches!(after, Some('"' | '\'')))
            .then(|| text[dot..=dot + name.len()].to_owned())
    };
    text.match_indices('.').filter_map(|(dot, _)| end(dot)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(path: &str, is_unimported: bool, sources: &[(&str, &str)]) -> String {
        let uses = |(own, text): &&(&str, &str)| Words::new((*text).to_owned()).may_use(own, path, is_unimported);
        sources.iter().filter(uses).map(|(own, _)| *own).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn code_that_loads_modules_uses_those_around_it_or_in_a_folder_that_it_names() {
        let sources = [
            ("pkg/loader.py", "import_module(name)"),
            ("other/loader.py", "import_module(name)"),
            ("test_all.py", "for found in iter_modules(plugins.__path__): pass"),
            ("test_style.py", "for path in Path('pkg').rglob('*.py'): ast.parse(path.read_text())"),
            ("test_docs.py", "Path('pkg').rglob('*.md')"),
            ("test_shape.py", "pickle.load(file)"),
            ("test_name.py", "open('pkg/plugins/a.py')"),
        ];
        assert_eq!(users("pkg/plugins/a.py", false, &sources), "pkg/loader.py test_all.py test_style.py");
        let unimported = "pkg/loader.py other/loader.py test_all.py test_style.py test_shape.py test_name.py";
        assert_eq!(users("pkg/plugins/a.py", true, &sources), unimported);
        assert_eq!(users("top.py", false, &sources), "pkg/loader.py other/loader.py test_all.py test_style.py");
    }

    #[test]
    fn documents_are_used_by_name_by_end_or_by_folder() {
        let sources = [
            ("a.py", "open('README.md')"),
            ("b.py", "open(f'docs/{name}.md')"),
            ("c.py", "list(Path('docs').iterdir())"),
            ("d.py", "open('OTHER.md')"),
            ("e.py", "Path('data').iterdir()"),
        ];
        assert_eq!(users("docs/README.md", false, &sources), "a.py b.py c.py");
        assert_eq!(users("docs/x.rst", false, &sources), "c.py");
    }

    #[test]
    fn an_interpreter_is_started_by_its_name() {
        let starts = |text: &str| Words::new(text.to_owned()).starts_interpreter();
        assert!(starts("subprocess.run([sys.executable, '-m', name])"));
        assert!(starts("await asyncio.create_subprocess_exec(sys.executable, '-c', code)"));
        assert!(starts("pytester.runpytest('-x')"));
        assert!(!starts("subprocess.run(['git', 'status'])"));
        assert!(!starts("print(sys.executable)"));
    }
}
