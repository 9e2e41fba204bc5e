//! Finds readings of a clock while modules are imported: their values differ from import to import.
//!
//! A reading is found through functions, methods and classes of all files that are given. Imports lead from a name to
//! its module; if the path of a module is unknown, every file whose path ends in its name counts.

use std::collections::{HashMap, HashSet};

use crate::calls::{GIVEN, READ, WITH};
use crate::model::{Call, FileAnalysis, Pos};
use crate::names::MADE;

/// Methods that read a clock, of any object.
const METHODS: [&str; 5] = ["now", "utcnow", "today", "time_ns", "uuid1"];

/// Functions of the module `time`, and others.
const FUNCTIONS: [&str; 10] = [
    "time.time",
    "time.monotonic",
    "time.monotonic_ns",
    "time.localtime",
    "time.gmtime",
    "time.ctime",
    "time.strftime",
    "time.asctime",
    "time.clock_gettime",
    "email.utils.formatdate",
];

/// The same, if importing a file calls them directly: functions use them to measure durations.
const STOPWATCHES: [&str; 2] = ["time.perf_counter", "time.perf_counter_ns"];

/// The most calls in a chain that is followed.
const MAX_HOPS: usize = 16;

/// A reading: the file, the position, and the dotted name of the callee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The index among the files.
    pub file: usize,
    /// The position of the call.
    pub at: Pos,
    /// The callee.
    pub what: String,
}

/// The first reading of a clock while the files are imported. Each file has a path, whose folders are separated by `/`.
pub fn first_reading(files: &[(&str, &FileAnalysis)]) -> Option<Reading> {
    let direct = files.iter().enumerate().find_map(|(file, (_, analysis))| {
        let reads = |call: &&Call| is_clock(&call.path) || STOPWATCHES.contains(&call.path.as_str());
        let call = analysis.calls.at_import.iter().find(reads)?;
        Some(Reading { file, at: call.at, what: call.path.clone() })
    });
    if direct.is_some() || !files.iter().any(|(_, analysis)| analysis.calls.reads_clocks) {
        return direct;
    }
    let mut search = Search::over(files);
    let at_import = |file: usize| files[file].1.calls.at_import.iter().map(move |call| (file, call));
    (0..files.len()).flat_map(at_import).find_map(|(file, call)| search.named(file, &call.path, MAX_HOPS))
}

/// Whether a call of this dotted name reads a clock.
pub(crate) fn is_clock(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    if path.contains(WITH) {
        return false;
    }
    FUNCTIONS.contains(&path) || (path.contains('.') && METHODS.contains(&last))
}

/// A method that Python itself calls: `__add__`.
fn is_special(name: &str) -> bool {
    name.starts_with("__") && name.ends_with("__")
}

/// The dotted name of a file.
fn dotted(path: &str) -> String {
    let stem = path.strip_suffix(".py").unwrap_or(path);
    stem.strip_suffix("/__init__").unwrap_or(stem).trim_start_matches('/').replace('/', ".")
}

struct Search<'a> {
    files: &'a [(&'a str, &'a FileAnalysis)],
    /// By each ending of its module's name: `a.b.c`, `b.c`, `c`.
    modules: HashMap<String, Vec<usize>>,
    functions: HashMap<(usize, &'a str), &'a [Call]>,
    classes: HashMap<(usize, &'a str), &'a [String]>,
    /// The last parts of the names of attributes that run code, of special methods, and of functions that call their
    /// parameters.
    telling: HashSet<&'a str>,
    /// Whether functions call their parameters, as far as that was asked.
    callers: HashMap<(usize, String), bool>,
    /// It is asked whether a function calls its parameters.
    asks: bool,
    /// The dotted names of the files.
    names: Vec<String>,
    /// The names that were looked up already.
    seen: HashSet<(usize, String)>,
}

impl<'a> Search<'a> {
    fn over(files: &'a [(&'a str, &'a FileAnalysis)]) -> Self {
        let mut modules: HashMap<String, Vec<usize>> = HashMap::new();
        let (mut functions, mut classes) = (HashMap::new(), HashMap::new());
        let (mut telling, mut names) = (HashSet::new(), Vec::new());
        let packages: HashSet<String> =
            files.iter().filter(|(path, _)| path.ends_with("/__init__.py")).map(|(path, _)| dotted(path)).collect();
        for (index, (path, analysis)) in files.iter().enumerate() {
            let calls = &analysis.calls;
            functions.extend(calls.functions.iter().map(|(name, called)| ((index, name.as_str()), called.as_slice())));
            classes.extend(calls.classes.iter().map(|(name, bases)| ((index, name.as_str()), bases.as_slice())));
            for (function, called) in &calls.functions {
                let last = function.rsplit('.').next().unwrap_or_default();
                if last.starts_with(READ) || is_special(last) || called.iter().any(|call| call.path.ends_with(GIVEN)) {
                    telling.insert(last);
                }
            }
            let name = dotted(path);
            let ends = name.match_indices('.').map(|(dot, _)| dot + 1);
            for start in std::iter::once(0).chain(ends) {
                // The name of a module in a package contains the name of the package.
                if start == 0 || !packages.contains(&name[..start - 1]) {
                    modules.entry(name[start..].to_owned()).or_default().push(index);
                }
            }
            names.push(name);
        }
        let (callers, seen) = (HashMap::new(), HashSet::new());
        Search { files, modules, functions, classes, telling, callers, asks: false, names, seen }
    }

    /// The meaning of a name in a file, if calling it reads a clock.
    fn named(&mut self, file: usize, path: &str, hops: usize) -> Option<Reading> {
        let hops = hops.checked_sub(1)?;
        if let Some((caller, given)) = path.split_once(WITH) {
            return if self.calls_what_it_is_given(file, caller, hops) { self.called(file, given, hops) } else { None };
        }
        let last = path.rsplit('.').next().unwrap_or_default();
        if (last.starts_with(READ) || is_special(last)) && !self.telling.contains(last) {
            return None;
        }
        if !self.seen.insert((file, path.to_owned())) {
            return None;
        }
        if let Some(reading) = self.defined(file, path, hops) {
            return Some(reading);
        }
        let (first, rest) = path.split_once('.').map_or((path, ""), |(first, rest)| (first, rest));
        let bound = &self.files[file].1.calls.bound;
        if let Ok(at) = bound.binary_search_by(|(name, _)| name.as_str().cmp(first)) {
            let other = self.bound(file, &bound[at].1);
            let full = match other.strip_suffix(MADE) {
                Some(class) if rest.is_empty() => format!("{class}.__call__"),
                Some(class) => format!("{class}.{rest}"),
                None if rest.is_empty() => other,
                None => format!("{other}.{rest}"),
            };
            if let Some(reading) = self.named(file, &full, hops) {
                return Some(reading);
            }
        }
        let stars = self.files[file].1.imports.iter().filter(|import| import.names.iter().any(|name| name == "*"));
        let starred = stars.map(|import| match import.level as usize {
            0 => import.module.clone(),
            level => self.absolute(file, level, &import.module),
        });
        let starred: Vec<usize> = starred.filter_map(|module| self.modules.get(&module)).flatten().copied().collect();
        let (own, below) = (self.bound(file, path), path.trim_start_matches('.'));
        let is_relative = own == path && below != path;
        let own = if is_relative { self.absolute(file, path.len() - below.len(), below) } else { own };
        let found = self.imported(&own, hops);
        found.or_else(|| starred.into_iter().find_map(|file| self.named(file, path, hops)))
    }

    /// The reading of a clock that a call of this name makes.
    fn called(&mut self, file: usize, path: &str, hops: usize) -> Option<Reading> {
        if is_clock(path) {
            let call = self.files[file].1.calls.at_import.iter().find(|call| call.path.ends_with(path));
            return Some(Reading { file, at: call.map(|call| call.at).unwrap_or_default(), what: path.to_owned() });
        }
        self.named(file, path, hops)
    }

    /// Whether a function calls one of its parameters.
    fn calls_what_it_is_given(&mut self, file: usize, function: &str, hops: usize) -> bool {
        if !self.telling.contains(function.rsplit('.').next().unwrap_or_default()) {
            return false;
        }
        let key = (file, function.to_owned());
        if let Some(&known) = self.callers.get(&key) {
            return known;
        }
        self.callers.insert(key.clone(), false);
        let seen = std::mem::take(&mut self.seen);
        let asked = std::mem::replace(&mut self.asks, true);
        let calls = self.named(file, function, hops).is_some_and(|reading| reading.what == GIVEN);
        (self.seen, self.asks) = (seen, asked);
        self.callers.insert(key, calls);
        calls
    }

    /// The dotted name of what a file imports, where the import is relative.
    fn absolute(&self, file: usize, level: usize, below: &str) -> String {
        let own = &self.names[file];
        let outer = |package: &str| package.rsplit_once('.').map_or(String::new(), |(outer, _)| outer.to_owned());
        let package = if self.files[file].0.ends_with("__init__.py") { own.clone() } else { outer(own) };
        let above = (1..level).fold(package, |package, _| outer(&package));
        format!("{above}.{below}").trim_matches('.').to_owned()
    }

    /// The same for a name that an import of the file bound, or for what is in it; any other name is itself.
    fn bound(&self, file: usize, path: &str) -> String {
        let relative = self.files[file].1.imports.iter().filter(|import| import.level > 0);
        let mut levels = relative.filter_map(|import| {
            let name = path.strip_prefix(import.module.as_str())?.strip_prefix('.')?;
            let name = name.split('.').next()?;
            import.names.iter().any(|own| own == name).then_some(import.level as usize)
        });
        levels.next().map_or_else(|| path.to_owned(), |level| self.absolute(file, level, path.trim_start_matches('.')))
    }

    /// `module.name`, in every file that may be the module.
    fn imported(&mut self, path: &str, hops: usize) -> Option<Reading> {
        let dots: Vec<usize> = path.match_indices('.').map(|(dot, _)| dot).collect();
        dots.into_iter().rev().find_map(|dot| {
            let files = self.modules.get(&path[..dot]).cloned()?;
            files.into_iter().find_map(|file| self.named(file, &path[dot + 1..], hops))
        })
    }

    /// A function, class or method of the file.
    fn defined(&mut self, file: usize, name: &str, hops: usize) -> Option<Reading> {
        if let Some(called) = self.functions.get(&(file, name)) {
            return self.any(file, called, hops);
        }
        let (class, method) = name.rsplit_once('.').unwrap_or((name, ""));
        if let Some(bases) = self.classes.get(&(file, name)).copied() {
            let made = ["__new__", "__init__", "__post_init__"].map(|method| format!("{name}.{method}"));
            if let Some(reading) = made.iter().find_map(|method| self.defined(file, method, hops)) {
                return Some(reading);
            }
            return bases.iter().find_map(|base| self.named(file, base, hops));
        }
        if let Some(bases) = self.classes.get(&(file, class)).copied() {
            return bases.iter().find_map(|base| self.named(file, &format!("{base}.{method}"), hops));
        }
        let is_protocol = is_special(method) || method.starts_with(READ);
        if !is_protocol && self.functions.contains_key(&(file, class)) {
            return self.method_of_anything(method, hops);
        }
        None
    }

    /// A method of the result of a function, which may be an object of any class.
    fn method_of_anything(&mut self, method: &str, hops: usize) -> Option<Reading> {
        let is_method = |name: &str| name.rsplit_once('.').is_some_and(|(_, last)| last == method);
        for (file, (_, analysis)) in self.files.iter().enumerate() {
            let methods = analysis.calls.functions.iter().filter(|(name, _)| is_method(name));
            for (_, called) in methods {
                if let Some(reading) = self.any(file, called, hops) {
                    return Some(reading);
                }
            }
        }
        None
    }

    fn any(&mut self, file: usize, called: &[Call], hops: usize) -> Option<Reading> {
        if self.asks {
            let call = called.iter().find(|call| match call.path.split_once(WITH) {
                Some((next, given)) => given == GIVEN && self.calls_what_it_is_given(file, next, hops),
                None => call.path == GIVEN,
            })?;
            return Some(Reading { file, at: call.at, what: GIVEN.to_owned() });
        }
        if let Some(call) = called.iter().find(|call| is_clock(&call.path)) {
            return Some(Reading { file, at: call.at, what: call.path.clone() });
        }
        called.iter().find_map(|call| self.named(file, &call.path, hops))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PytestSettings, analyze};

    /// The position and callee of the first reading at import; files begin with `# path`.
    fn reading(source: &str) -> Option<(String, u32, String)> {
        let settings = PytestSettings::default();
        let files: Vec<(String, FileAnalysis)> = source
            .split("# ")
            .filter_map(|part| part.split_once('\n'))
            .map(|(path, text)| (path.to_owned(), analyze(text, &settings)))
            .collect();
        let given: Vec<(&str, &FileAnalysis)> = files.iter().map(|(path, file)| (path.as_str(), file)).collect();
        first_reading(&given).map(|found| (files[found.file].0.clone(), found.at.line + 1, found.what))
    }

    fn in_one(source: &str) -> Option<(u32, String)> {
        reading(&format!("# test_a.py\n{source}")).map(|(_, line, what)| (line, what))
    }

    #[test]
    fn r11_readings_at_import_are_found() {
        let found = [
            ("import time\nSTART = time.time()", 2, "time.time"),
            ("import time\nSTART = time.perf_counter()", 2, "time.perf_counter"),
            ("from time import time as t\nSTART = t()", 2, "time.time"),
            ("from datetime import datetime\nclass A:\n    at = datetime.now()", 3, "datetime.datetime.now"),
            ("import datetime as dt\nTODAY = dt.date.today().isoformat()", 2, "datetime.date.today"),
            ("from django.utils import timezone\nNOW = timezone.now()", 2, "django.utils.timezone.now"),
            ("from django.utils.timezone import now\nNOW = [now() for _ in 'ab']", 2, "django.utils.timezone.now"),
            ("import time\ndef f(at=time.time()): pass", 2, "time.time"),
            ("import time\ndef make():\n    return time.time() + 5\nTOKEN = make()", 3, "time.time"),
            ("import uuid\nif True:\n    ID = f'{uuid.uuid1()}'", 3, "uuid.uuid1"),
            ("import time\nmake = lambda: time.time()\nAT = make()", 2, "time.time"),
            ("import time\ndef pytest_configure(config):\n    config.began = time.time()", 3, "time.time"),
            ("import time\ndef pytest_generate_tests(metafunc):\n    metafunc.at = time.time()", 3, "time.time"),
        ];
        for (source, line, what) in found {
            assert_eq!(in_one(source), Some((line, what.to_owned())), "{source}");
        }
    }

    #[test]
    fn r11_readings_of_tests_are_none() {
        for source in [
            "import time\ndef test(): time.time()",
            "import time\nclass TestA:\n    def test(self): return time.time()",
            "import time\nnow = lambda: time.time()",
            "import time\nif __name__ == '__main__':\n    print(time.time())",
            "import sys, time\nif sys.argv and __name__ == '__main__':\n    print(time.time())",
            "import time\ndef make(): return time.time()\ndef test(): make()",
            "import time\nread = time.time\ntime.sleep(0)",
            "def now(): return 1\nNOW = now()",
            "import time\ndef load():\n    began = time.perf_counter()\nDATA = load()",
            "import time\ndef pytest_runtest_setup(item): item.at = time.time()",
        ] {
            assert_eq!(in_one(source), None, "{source}");
        }
    }

    const UTIL: &str = "# pkg/util.py\n\
        import time\n\
        from datetime import date, datetime\n\
        def stamp(): return date.today()\n\
        def deep(): return stamp()\n\
        def mark(f):\n    f.at = time.time()\n    return f\n\
        def timed(f):\n    def inner(): return time.time()\n    return inner\n\
        def plain(): return 1\n\
        class Clock:\n\
        \x20   def read(self): return self.exact()\n\
        \x20   def exact(self): return time.time()\n\
        \x20   def idle(self): return 0\n\
        class Born:\n    def __init__(self): self.at = time.time()\n\
        class Child(Born): pass\n\
        class Sub(Clock): pass\n\
        def make(): return Clock()\n\
        clock = Clock()\n\
        # pkg/__init__.py\n\
        from .util import stamp, Clock as Watch\n\
        from .util import *\n\
        alias = stamp\n";

    #[test]
    fn p2_readings_through_other_modules_are_found() {
        for source in [
            "from pkg import util\nAT = util.stamp()",
            "from pkg.util import deep\nAT = deep()",
            "import pkg.util\nclass A:\n    at = pkg.util.stamp()",
            "import pkg.util as u\nread = u.deep\nAT = read()",
            "from pkg import stamp\nAT = stamp()",
            "from pkg import alias as s\nAT = s()",
            "from pkg import deep\nAT = deep()",
            "from pkg import *\nAT = stamp()",
            "from pkg.util import mark\n@mark\ndef helper(): pass",
            "from pkg.util import mark\nclass A:\n    @mark\n    def helper(self): pass",
            "from pkg.util import Clock\nAT = Clock().read()",
            "from pkg.util import Clock\nc = Clock()\nAT = c.read()",
            "from pkg import Watch\nc = Watch()\nAT = c.exact()",
            "from pkg.util import clock\nAT = clock.read()",
            "from pkg.util import make\nc = make()\nAT = c.read()",
            "from pkg.util import Sub\nAT = Sub().read()",
            "from pkg.util import Born\nBORN = Born()",
            "from pkg.util import Child\nBORN = [Child() for _ in 'ab']",
            "from pkg.util import Clock\ndef at():\n    c = Clock()\n    return c.read()\nAT = at()",
            "def at():\n    from pkg.util import stamp\n    return stamp()\nAT = at()",
            "import pytest\nfrom pkg.util import stamp\n@pytest.mark.parametrize('at', [stamp()])\ndef test(at): pass",
            "from dataclasses import dataclass, field\nfrom pkg.util import stamp\n@dataclass\nclass A:\n    at: object = field(default_factory=stamp)\nONE = A()",
            "from pkg.util import stamp\nfrom pydantic import BaseModel, Field\nclass A(BaseModel):\n    at: object = Field(default_factory=lambda: stamp())\nONE = A()",
            "from pkg.util import stamp\ndef pytest_configure(config): config.at = stamp()",
        ] {
            let found = reading(&format!("{UTIL}# tests/conftest.py\n{source}"));
            assert_eq!(found.map(|(path, ..)| path), Some("pkg/util.py".into()), "{source}");
        }
    }

    #[test]
    fn p2_readings_through_values_and_protocols_are_found() {
        let util = "# pkg/more.py\n\
            import time, functools\n\
            from .util import stamp\n\
            def apply(f): return f()\n\
            def deep(f): return apply(f)\n\
            def keep(f): return [f]\n\
            def outer():\n    def inner(): return stamp()\n    return inner()\n\
            def made():\n    def inner(): return stamp()\n    return inner\n\
            def lazily(): return lambda: stamp()\n\
            def deco(n):\n    def wrap(f):\n        f.at = stamp()\n        return f\n    return wrap\n\
            def timed(f):\n    def inner(): return stamp()\n    return inner\n\
            class P:\n    @property\n    def at(self): return stamp()\n    @functools.cached_property\n    def kept(self): return stamp()\n\
            class Q(P): pass\n\
            class W:\n    def __enter__(self): return stamp()\n    def __exit__(self, *a): pass\n\
            class C:\n    def __call__(self, *a): return stamp()\n\
            class S:\n    def __init_subclass__(cls): cls.at = stamp()\n\
            class M(type):\n    def __new__(m, *a): return stamp()\n\
            class D:\n    def __get__(self, *a): return stamp()\n\
            class N:\n    def __set_name__(self, *a): self.at = stamp()\n\
            class H:\n    x = D()\n\
            class O:\n    def __add__(self, o): return stamp()\n    def __rmul__(self, o): return stamp()\n\
            \x20   def __getitem__(self, k): return stamp()\n    def __str__(self): return stamp()\n\
            \x20   def __eq__(self, o): return stamp()\n    def __neg__(self): return stamp()\n\
            \x20   def __len__(self): return stamp()\n    def __setitem__(self, k, v): self.at = stamp()\n\
            class I:\n    def __iter__(self): yield stamp()\n    def __contains__(self, o): return stamp()\n\
            class G:\n    def __getattr__(self, name): return stamp()\n    def __setattr__(self, k, v): stamp()\n\
            o = O()\n\
            i = I()\n\
            g = G()\n\
            p = P()\n\
            c = C()\n\
            part = functools.partial(stamp)\n";
        for source in [
            "ATS = list(map(lambda _: stamp(), 'ab'))",
            "ATS = list(map(stamp, 'ab'))",
            "ATS = sorted('ab', key=None), max(map(stamp, 'ab'))",
            "AT = apply(stamp)",
            "AT = deep(f=stamp)",
            "AT = more.apply(stamp)",
            "AT = functools.partial(stamp)()",
            "later = functools.partial(stamp)\nAT = later()",
            "AT = part()",
            "AT = (lambda: stamp())()",
            "AT = outer()",
            "AT = made()()",
            "AT = lazily()()",
            "f = made()\nAT = f()",
            "@deco(1)\ndef helper(): pass",
            "@deco(1)\nclass Helper: pass",
            "@timed\ndef helper(): pass\nAT = helper()",
            "AT = p.at",
            "AT = P().at",
            "AT = Q().at",
            "q = Q()\nAT = q.kept",
            "with W(): pass",
            "w = W()\nwith w: pass",
            "AT = c()",
            "mine = C()\nAT = mine()",
            "AT = C()(1)",
            "@C()\ndef helper(): pass",
            "class A(S): pass",
            "class A(metaclass=M): pass",
            "class A:\n    n = N()",
            "AT = H().x",
            "AT = o + 1",
            "AT = 2 * o",
            "AT = -O()",
            "AT = o['now']",
            "o['now'] = 1",
            "AT = f'{o}'",
            "AT = str(o)",
            "AT = len(more.o)",
            "if o:\n    pass",
            "if not o:\n    pass",
            "FOUND = 1 == o",
            "FOUND = 1 in i",
            "for at in i:\n    pass",
            "ATS = [at for at in i]",
            "ATS = list(I())",
            "first, *others = i",
            "o += 1",
            "class P2(O): pass\nAT = P2() + 1",
            "def at():\n    mine = O()\n    return mine[1]\nAT = at()",
            "def at():\n    return more.O() + 1\nAT = at()",
            "AT = g.anything",
            "AT = getattr(g, 'x')",
            "g.x = 1",
            "ATS = {n: stamp() for n in 'ab'}",
            "ATS = tuple(stamp() for _ in 'ab')",
        ] {
            let test = format!("# test_a.py\nimport functools\nfrom pkg import more\nfrom pkg.more import *\n{source}");
            let found = reading(&format!("{UTIL}{util}{test}"));
            assert_eq!(found.map(|(path, ..)| path), Some("pkg/util.py".into()), "{source}");
        }
        for source in [
            "KEPT = keep(stamp)",
            "later = functools.partial(stamp)",
            "f = made()",
            "@timed\ndef helper(): pass",
            "KIND = P",
            "p2 = P()",
            "mine = C()",
            "w = W()",
            "class A(P): pass",
            "import datetime\nAT = keep(datetime.datetime.now)",
            "h = H()",
            "d = D()",
            "same = o is None",
            "AT = i + 1",
            "n = 1 + 2",
            "AT = p + 1",
            "o.at = 1",
            "def at(o):\n    return o + 1\nAT = at(1)",
            "def test():\n    return o + 1, f'{o}', o[0]",
            "def test():\n    with W(): return p.at, c(), apply(stamp)",
            "AT = apply(print)",
        ] {
            let test = format!("# test_a.py\nimport functools\nfrom pkg import more\nfrom pkg.more import *\n{source}");
            assert_eq!(reading(&format!("{UTIL}{util}{test}")), None, "{source}");
        }
    }

    #[test]
    fn p2_a_module_is_looked_for_where_its_imports_lead() {
        let files = "# a/__init__.py\n\n# a/util.py\nimport time\ndef stamp(): return time.time()\n\
                     # b/__init__.py\n\n# b/util.py\ndef stamp(): return 1\n";
        for (source, found) in [
            ("# b/c.py\nfrom .util import stamp\nAT = stamp()", false),
            ("# a/c.py\nfrom .util import stamp\nAT = stamp()", true),
            ("# b/c.py\nfrom ..a.util import stamp\nAT = stamp()", true),
            ("# b/c.py\nfrom . import util\nAT = util.stamp()", false),
            ("# a/c.py\nfrom . import util\nAT = util.stamp()", true),
            ("# a/d/__init__.py\n\n# a/d/e.py\nfrom .. import util\nAT = util.stamp()", true),
            ("# b/c.py\ndef at():\n    from ..a import util\n    return util.stamp()\nAT = at()", true),
            ("# b/c.py\nimport util\nAT = util.stamp()", false),
        ] {
            assert_eq!(reading(&format!("{files}{source}")).is_some(), found, "{source}");
        }
    }

    #[test]
    fn p2_what_only_looks_like_one_is_none() {
        for source in [
            "from pkg.util import stamp, make, Clock\nclock = make()\nother = Clock()\ndef test(): return stamp(), clock.read()",
            "from pkg.util import timed\n@timed\ndef helper(): pass",
            "from pkg.util import plain\nONE = plain()",
            "from pkg.util import clock\nONE = clock.idle()",
            "from elsewhere import stamp\nAT = stamp()",
            "import os\nAT = os.stamp()",
            "from dataclasses import dataclass, field\nfrom pkg.util import stamp\n@dataclass\nclass A:\n    at: object = field(default_factory=stamp)",
            "import pytest\nfrom pkg.util import stamp\n@pytest.fixture\ndef at(): return stamp()",
            "def a(): return b()\ndef b(): return a()\nONE = a()",
        ] {
            assert_eq!(reading(&format!("{UTIL}# tests/conftest.py\n{source}")), None, "{source}");
        }
    }
}
