//! Guesses by the words in a source which files it may use in ways that no import shows.
//!
//! They matter for changes that were made before anybody saw the tests run: code that loads modules by names that it
//! computes, reads sources or documents as data, or starts an interpreter.

use std::collections::{BTreeSet, HashMap};

use aho_corasick::AhoCorasick;

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

    /// Whether this source may use another file, of whose names `named` are in it.
    fn may_use(&self, own: &str, path: &UnnamedPath<'_>, named: &Named) -> bool {
        let (folder, name) = split(path.path);
        let has_word_of = || folder.is_empty() || path.folders.iter().any(|id| named.words[*id]);
        match kind(path.path) {
            Kind::Source => {
                let is_named = path.is_unimported && name != "__init__.py" && named.texts[path.name];
                let loads_it = || {
                    let around = own.rsplit_once('/').map_or("", |(around, _)| around);
                    let is_below = !around.is_empty() && is_within(folder, around);
                    folder.is_empty() || is_below || path.folders.last().is_some_and(|id| named.words[*id])
                };
                let reads_it = || self.lists && (self.ends.contains(".py") || self.is_indirect);
                is_named
                    || (path.is_unimported && (self.loads || self.is_indirect))
                    || (self.loads && loads_it())
                    || (reads_it() && has_word_of())
            }
            _ => {
                named.texts[path.name]
                    || name.rfind('.').is_some_and(|dot| dot > 0 && self.ends.contains(&name[dot..]))
                    || (self.lists && has_word_of())
            }
        }
    }
}

/// Files whose users the imports do not show, with the names by which code may speak of them.
pub(crate) struct Unnamed<'a> {
    paths: Vec<UnnamedPath<'a>>,
    /// The number of all names.
    count: usize,
    /// Finds all names in one pass over a text. `None`: they are too many for that, so that each source counts as one that
    /// has all of them.
    names: Option<AhoCorasick>,
}

struct UnnamedPath<'a> {
    path: &'a str,
    /// No import names it, so that any code which loads modules may be its user; of others only such code that names
    /// its folder, or is around it.
    is_unimported: bool,
    /// The pattern of its own name.
    name: usize,
    /// Those of its folders.
    folders: Vec<usize>,
}

/// Which patterns a text has, and which of them as whole words.
struct Named {
    texts: Vec<bool>,
    words: Vec<bool>,
}

impl<'a> Unnamed<'a> {
    /// `paths`: relative to the root, each with whether no import names it.
    pub(crate) fn new(paths: impl IntoIterator<Item = (&'a str, bool)>) -> Self {
        let mut ids: HashMap<&str, usize> = HashMap::new();
        let mut names = Vec::new();
        let mut id = |name: &'a str| {
            *ids.entry(name).or_insert_with(|| {
                names.push(name);
                names.len() - 1
            })
        };
        let paths = paths.into_iter().map(|(path, is_unimported)| {
            let (folder, name) = split(path);
            let folders = folder.split('/').filter(|part| !part.is_empty());
            UnnamedPath { path, is_unimported, name: id(name), folders: folders.map(&mut id).collect() }
        });
        let paths = paths.collect();
        Unnamed { paths, count: names.len(), names: AhoCorasick::new(names).ok() }
    }

    /// Those of the paths that a source may use; `own` is its own path.
    pub(crate) fn used_by<'s>(&'s self, own: &'s str, source: &'s Words) -> impl Iterator<Item = &'a str> {
        let named = self.named(&source.text);
        let others = self.paths.iter().filter(move |path| path.path != own);
        others.filter(move |path| source.may_use(own, path, &named)).map(|path| path.path)
    }

    fn named(&self, text: &str) -> Named {
        let all = |are_in_it| Named { texts: vec![are_in_it; self.count], words: vec![are_in_it; self.count] };
        let Some(names) = &self.names else { return all(true) };
        let mut named = all(false);
        let is_inside = |letter: Option<char>| letter.is_some_and(|letter| letter == '_' || letter.is_alphanumeric());
        for found in names.find_overlapping_iter(text) {
            let id = found.pattern().as_usize();
            named.texts[id] = true;
            named.words[id] = named.words[id]
                || !is_inside(text[..found.start()].chars().next_back())
                    && !is_inside(text[found.end()..].chars().next());
        }
        named
    }
}

/// The folder and the name of a file; the top has no name.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
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
        let unnamed = Unnamed::new([(path, is_unimported)]);
        let uses = |(own, text): &&(&str, &str)| unnamed.used_by(own, &Words::new((*text).to_owned())).eq([path]);
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
