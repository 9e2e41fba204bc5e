"""A project that changes in all ways in which stale code could show, and what its tests must say.

Each test compares a value with a digit. `Project.value` finds the value by reading the disk as it
is, so that the outcomes are known however the disk came to be as it is.
"""

from __future__ import annotations

import copy
import importlib.util
import marshal
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from types import CodeType

import pytest

DIGITS = "0123"
#: For each name the line that imports it, and the value. Modules can be imported late, too.
MODULES = {
    "plain": ("import plain", "plain.VALUE"),
    "inner": ("from pkg import inner", "inner.VALUE"),
    "deep": ("import pkg.sub.deep", "pkg.sub.deep.VALUE"),
    "moved": ("import moved", "moved.VALUE"),
    "chain": ("import chain_a", "chain_a.VALUE"),
    "linked": ("import linked", "linked.VALUE"),
    "linkpkg": ("import linkpkg", "linkpkg.VALUE"),
    "space": ("import space", "getattr(space, 'VALUE', 9)"),
    "item": ("import space.item", "space.item.VALUE"),
    "loader": ("import loader", "loader.VALUE"),
    "envload": ("import envload", "envload.VALUE"),
    "dep": ("import dep", "dep.VALUE"),
    "outer": ("import outer", "outer.VALUE"),
}
#: Values that only a test's body has: its arguments, and the value.
OTHERS = {
    "text": ("", "int((ROOT / 'data' / 'test.txt').read_text())"),
    "env": ("", "int(os.environ.get('SHIFT', '9'))"),
    "base": ("base", "base"),
    "session": ("session", "session"),
}
#: Lists of digits: one case for each, which fails if it is the test's digit.
LISTS = {
    "cases": "sorted((ROOT / 'data' / 'cases.txt').read_text())",
    "listing": "sorted(name[0] for name in os.listdir(ROOT / 'cases'))",
}
#: Modules that hold nothing but their value.
SIMPLE = {
    "plain": "plain.py",
    "inner": "pkg/inner.py",
    "deep": "pkg/sub/deep.py",
    "chain": "chain_c.py",
    "item": "space/item.py",
}
#: Values that no file in the repository holds.
OUTSIDE = {"dep", "outer", "env", "envload"}
FOLDERS = ["", "sub/", "tests_pkg/"]
FEWEST, MOST = 4, 8

HEAD = """\
import os
from pathlib import Path
import pytest
ROOT = Path(__file__).resolve()
while not (ROOT / "pytest.ini").exists():
    ROOT = ROOT.parent
"""
CONFTEST = """\
from pathlib import Path
import pytest
SKIP = {skip}

@pytest.fixture
def base():
    return {base}

@pytest.fixture(scope="session")
def session():
    return int((Path(__file__).parent / "data" / "session.txt").read_text())

def pytest_collection_modifyitems(items):
    for item in items:
        if f"_{{SKIP}}_" in item.name:
            item.add_marker(pytest.mark.skip(reason="not now"))
"""
INNER_CONFTEST = """\
import pytest

@pytest.fixture
def base():
    return {base}
"""
_TEST = re.compile(r"^def (\w+)\(\w*\):\n    .*[!=]= (\d)  # (\w+)$", re.MULTILINE)
_VALUE = re.compile(r"^VALUE = (\d)$", re.MULTILINE)


class Project:
    """The project, its interpreter and the folder outside of it; all changes go through here."""

    def __init__(self, folder: Path, random: Random) -> None:
        self.random = random
        self.root, self._outside = folder / "suite", folder
        self.venv = folder / "venv"
        make = [sys.executable, "-m", "venv", "--without-pip", str(self.venv)]
        subprocess.run(make, check=True)
        self.python = self.venv / "bin" / "python"
        (self._site,) = (self.venv / "lib").glob("python*/site-packages")
        # pytest comes from the interpreter that runs this program.
        (homes,) = [path for path in map(Path, sys.path) if (path / "_pytest").is_dir()][:1]
        (self._site / "home.pth").write_text(f"{homes}\n")
        self._number = 0
        self._deleted: dict[str, str] = {}
        self._fill()

    # How the project is at first

    def _fill(self) -> None:
        for path in ["pkg/sub", "space", "data", "cases", "sub", "tests_pkg", "targets"]:
            (self.root / path).mkdir(parents=True)
        self.write("pytest.ini", "[pytest]\npython_functions = test_*\n")
        self.write("pytest-lens.toml", 'envFile = ".env"\n')
        self.write(".gitignore", "__pycache__\n")
        for path in ["pkg/__init__.py", "pkg/sub/__init__.py", "tests_pkg/__init__.py"]:
            self.write(path, "")
        self.write("conftest.py", CONFTEST.format(skip=0, base=1))
        self.write("chain_a.py", "from chain_b import VALUE\n")
        self.write("chain_b.py", "from chain_c import *\n")
        self.write("envload.py", "import os\nVALUE = int(os.environ.get('SHIFT', '9'))\n")
        text = "Path(__file__).with_name('data').joinpath('import.txt').read_text()"
        self.write("loader.py", f"from pathlib import Path\nVALUE = int({text})\n")
        simple = [*SIMPLE.values(), "moved.py"]
        for path in [*simple, *(f"targets/{name}.py" for name in ("one", "two"))]:
            self.write(path, self._module())
        for name in ("one", "two"):
            (self.root / "targets" / f"p_{name}").mkdir()
            self.write(f"targets/p_{name}/__init__.py", self._module())
        (self.root / "linked.py").symlink_to("targets/one.py")
        (self.root / "linkpkg").symlink_to("targets/p_one")
        for name in ("import", "test", "session"):
            self.write(f"data/{name}.txt", self._digit())
        self.write("data/cases.txt", "123")
        for name in "12":
            self.write(f"cases/{name}.txt", "")
        self.write(".env", "SHIFT=1\n")
        for name in ("outside1", "outside2"):
            (self._outside / name).mkdir()
            self.write(str(self._outside / name / "outer.py"), self._module())
        self.install()
        self.switch_path()
        while len(self.tests()) < FEWEST:
            self.add()
        self.git("init", "-q", "-b", "main")
        self.commit()
        for branch in ("other", "third"):
            self.git("checkout", "-q", "-b", branch)
            for _ in range(6):
                self.edit()
            self.commit()

    def at(self, root: Path) -> Project:
        """A copy of it in another folder."""
        other = copy.copy(self)
        other.root = root
        return other

    # The outcomes

    @staticmethod
    def source(test: str) -> str:
        """The name of the value that a test is about."""
        return test.partition("::")[2].partition("[")[0].split("_", 2)[2]

    def tests(self) -> list[str]:
        """The test files."""
        found = [path for folder in FOLDERS for path in (self.root / folder).glob("test_*.py")]
        return sorted(str(path.relative_to(self.root)) for path in found)

    def expected(self, paths: list[str]) -> dict[str, str]:
        """The outcome of each test in these files or with these ids; of all, if there are none."""
        found: dict[str, str] = {}
        for path in self.tests():
            if self.fault(path):
                continue
            for test, outcome in self._expected(path).items():
                names = {path, test, test.partition("[")[0]}
                if not paths or not names.isdisjoint(paths):
                    found[test] = outcome
        return found

    def fault(self, path: str) -> str:
        """The kind of error at the import of a test file; empty if there is none."""
        missing = (name for name in self.needs(path) if self.value(name, path) is None)
        first = next(missing, "")
        is_there = first in SIMPLE
        return ("SyntaxError" if is_there else "ModuleNotFoundError") if first else ""

    def broken(self, paths: list[str]) -> dict[str, str]:
        """The files of these that can't be imported, or of all, if there are none; and why."""
        files = {path.partition("::")[0] for path in paths} or set(self.tests())
        return {path: fault for path in sorted(files) if (fault := self.fault(path))}

    def needs(self, path: str) -> list[str]:
        """The modules that a test file imports at once."""
        return self.read(path).partition("\n")[0].partition(":")[2].split()

    def _expected(self, path: str) -> dict[str, str]:
        found = {}
        prefixes = tuple(re.findall(r"(\w+)_\*", self.read("pytest.ini")))
        (skip,) = re.findall(r"^SKIP = (\d)$", self.read("conftest.py"), re.MULTILINE)
        for name, digit, source in _TEST.findall(self.read(path)):
            if not name.startswith(prefixes):
                continue
            cases = self._list(source) if source in LISTS else [""]
            for case in cases:
                is_good = case != digit if case else self.value(source, path) == digit
                outcome = "passed" if is_good else "failed"
                test = f"{path}::{name}[{case}]" if case else f"{path}::{name}"
                found[test] = "skipped" if f"_{skip}_" in f"{name}[{case}]" else outcome
        return found

    def _list(self, source: str) -> list[str]:
        if source == "cases":
            return sorted(self.read("data/cases.txt"))
        return sorted(path.name[0] for path in (self.root / "cases").iterdir())

    def value(self, name: str, path: str = "") -> str | None:
        """The digit that a test of this file gets; none if it can't be imported."""
        root = self.root
        if name in SIMPLE:
            return _digit_of(root / SIMPLE[name])
        if name == "space":
            file = root / "space/__init__.py"
            return _digit_of(file) if file.exists() else "9"
        if name == "moved":
            files = [root / "moved/__init__.py", root / "moved.py", root / "moved.pyc"]
            return next((_digit_of(file) for file in files if file.exists()), None)
        if name == "linked":
            return _digit_of(root / "linked.py")
        if name == "linkpkg":
            return _digit_of(root / "linkpkg/__init__.py")
        if name == "dep":
            files = [root / "dep.py", self._site / "dep/__init__.py"]
            return next((_digit_of(file) for file in files if file.exists()), None)
        if name == "outer":
            file = self._site / "shift.pth"
            return _digit_of(Path(file.read_text().strip(), "outer.py")) if file.exists() else None
        if name in ("env", "envload"):
            return self.variables().get("SHIFT", "9")
        if name == "base":
            conftest = (root / path).parent / "conftest.py"
            conftest = conftest if conftest.exists() else root / "conftest.py"
            return re.findall(r"def base\(\):\n    return (\d)", conftest.read_text())[0]
        files = {"loader": "import", "text": "test", "session": "session"}
        return self.read(f"data/{files[name]}.txt")

    def variables(self) -> dict[str, str]:
        """The variables of `.env`."""
        file = self.root / ".env"
        lines = file.read_text().splitlines() if file.exists() else []
        return dict(line.split("=") for line in lines)

    # Changes

    def change(self) -> str:
        """Changes something in a random way; returns what."""
        kinds = [self.edit] * 6 + [self.edit_test] * 3 + [self.switch_branch] * 2
        kinds += [self.move_module, self.move_test, self.rename_test, self.delete_or_recreate]
        kinds += [self.retarget, self.plant, self.list_cases, self.inner_conftest, self.commit]
        kinds += [self.install, self.uninstall, self.switch_path, self.shadow, self.namespace]
        kinds += [self.break_module, self.functions, self.add, self.variable]
        return self.random.choice(kinds)()

    def edit(self) -> str:
        """Another digit in a module, data file or conftest, in as many bytes."""
        random = self.random
        paths = [*SIMPLE.values(), *SIMPLE.values()]
        paths += [f"targets/{name}" for name in ("one.py", "two.py", "p_one/__init__.py")]
        paths += [f"data/{name}.txt" for name in ("import", "test", "session", "cases")]
        for path in ("moved.py", "moved/__init__.py", "space/__init__.py", "dep.py"):
            paths += [path] if (self.root / path).exists() else []
        paths += [str(self._outside / name / "outer.py") for name in ("outside1", "outside2")]
        path = random.choice([*paths, "conftest.py", "conftest.py", "conftest.py"])
        if path == "conftest.py":
            return self._put(path, CONFTEST.format(skip=self._digit(), base=self._digit()))
        if path == "data/cases.txt":
            return self._put(path, "".join(sorted(random.sample("01234567", 3))))
        return self._put(path, self._module() if path.endswith(".py") else self._digit())

    def edit_test(self) -> str:
        """Another digit in a test file."""
        path = self.random.choice(self.tests())
        tests = list(_TEST.finditer(self.read(path)))
        where = self.random.choice(tests).start(2)
        text = self.read(path)
        return self._put(path, text[:where] + self._digit() + text[where + 1 :])

    def rename_test(self) -> str:
        """A test gets another name, of the same length or not."""
        path = self.random.choice(self.tests())
        name = self.random.choice(_TEST.findall(self.read(path)))[0]
        start, number, rest = name.split("_", 2)
        new = self.random.choice([f"test_{number}_{rest}", f"check_{number}_{rest}"])
        if new == name:
            new = f"{start}_{self._fresh()}_{rest}"
        return self._put(path, self.read(path).replace(f"def {name}(", f"def {new}("))

    def functions(self) -> str:
        """Other functions are tests."""
        names = self.random.choice(["test_*", "test_* check_*"])
        return self._put("pytest.ini", f"[pytest]\npython_functions = {names}\n")

    def add(self) -> str:
        """A new test file."""
        if len(self.tests()) >= MOST:
            return self.delete_or_recreate()
        random = self.random
        needs = sorted(random.sample(sorted(MODULES), random.randint(2, 5)))
        lines = [f"# needs: {' '.join(needs)}", HEAD, *(MODULES[name][0] for name in needs), ""]
        late = random.sample(sorted(MODULES), 2)
        others = random.sample([*OTHERS, *LISTS], random.randint(2, 4))
        path = f"{random.choice(FOLDERS)}test_{self._fresh()}.py"
        for number, source in enumerate([*needs, *late, *others]):
            value = self.value(source, path) if source not in LISTS else None
            digit = value if value is not None and random.random() < 0.75 else self._digit()
            name, check = f"test_{number}_{source}", f"== {digit}  # {source}"
            if source in LISTS:
                lines += [f"@pytest.mark.parametrize('case', {LISTS[source]})"]
                lines += [f"def {name}(case):", f"    assert int(case) != {digit}  # {source}"]
            elif source in OTHERS:
                lines += [f"def {name}({OTHERS[source][0]}):"]
                lines += [f"    assert {OTHERS[source][1]} {check}"]
            else:
                line, value = MODULES[source]
                lines += [f"def {name}():"]
                before = f"{line}; " if number >= len(needs) else ""
                lines += [f"    {before}assert {value} {check}"]
        return self._put(path, "\n".join([*lines, ""]))

    def delete_or_recreate(self) -> str:
        """A test file goes, or comes again as it was."""
        back = [path for path in self._deleted if not (self.root / path).exists()]
        names = {Path(path).name for path in self.tests()}
        back = [path for path in back if Path(path).name not in names]
        if back and (len(self.tests()) <= FEWEST or self.random.random() < 0.7):
            path = self.random.choice(back)
            return "back: " + self._put(path, self._deleted.pop(path))
        if len(self.tests()) <= FEWEST:
            return self.add()
        path = self.random.choice(self.tests())
        self._deleted[path] = self.read(path)
        (self.root / path).unlink()
        return f"{path} deleted"

    def move_test(self) -> str:
        """A test file moves to another folder, with its time."""
        path = self.random.choice(self.tests())
        new = f"{self.random.choice(FOLDERS)}{Path(path).name}"
        os.rename(self.root / path, self.root / new)
        return f"{path} moved to {new}"

    def move_module(self) -> str:
        """A module becomes a package of its name, or the reverse, or one hides the other."""
        module, package = self.root / "moved.py", self.root / "moved"
        kind = self.random.choice(["package", "module", "both", "neither", "compiled"])
        shutil.rmtree(package, ignore_errors=True)
        text = module.read_text() if module.exists() else self._module()
        for file in (module, self.root / "moved.pyc"):
            file.unlink(missing_ok=True)
        if kind in ("package", "both"):
            package.mkdir()
            self._put("moved/__init__.py", text)
        if kind in ("module", "both"):
            self._put("moved.py", self._module())
        if kind == "compiled":
            (self.root / "moved.pyc").write_bytes(_compiled(self._module(), 0, 0))
        return f"moved is now {kind}"

    def namespace(self) -> str:
        """A folder becomes a package, or ceases to be one."""
        path = self.random.choice(["space/__init__.py", "sub/__init__.py"])
        if (self.root / path).exists():
            (self.root / path).unlink()
            return f"{path} deleted"
        return self._put(path, self._module())

    def retarget(self) -> str:
        """A link leads elsewhere."""
        name, targets = self.random.choice(
            [("linked.py", ["one.py", "two.py"]), ("linkpkg", ["p_one", "p_two"])]
        )
        target = "targets/" + self.random.choice(targets)
        beside = self.root / f"{name}.new"
        beside.symlink_to(target)
        os.replace(beside, self.root / name)
        return f"{name} leads to {target}"

    def plant(self) -> str:
        """Compiled code that claims to be that of a source, and is not."""
        sources = [self.root / path for path in [*SIMPLE.values(), "conftest.py", *self.tests()]]
        sources += [self._outside / name / "outer.py" for name in ("outside1", "outside2")]
        source = self.random.choice(sources)
        stat = source.stat()
        text = re.sub(r"\b[0-3]\b", self._digit(), source.read_text())
        if "VALUE = (" in text:
            text = self._module()
        code = _compiled(text, stat.st_mtime, stat.st_size)
        name = Path(importlib.util.cache_from_source(str(source)))
        names = [name, name.with_name(f"{name.stem}-pytest-{pytest.__version__}.pyc")]
        name.parent.mkdir(exist_ok=True)
        for file in names:
            file.write_bytes(code)
        return f"{source} has stale bytecode"

    def list_cases(self) -> str:
        """A file comes or goes in a folder that a test file lists."""
        folder = self.root / "cases"
        file = folder / f"{self._digit()}.txt"
        before = folder.stat()
        if file.exists() and len(list(folder.iterdir())) > 1:
            file.unlink()
        else:
            file.write_text("")
        return f"{file} changes{self._set_back(folder, before)}"

    def inner_conftest(self) -> str:
        """A conftest comes, goes or changes in a folder."""
        path = f"{self.random.choice(FOLDERS[1:])}conftest.py"
        if (self.root / path).exists() and self.random.random() < 0.5:
            (self.root / path).unlink()
            return f"{path} deleted"
        return self._put(path, INNER_CONFTEST.format(base=self._digit()))

    def install(self) -> str:
        """Installs a package, or another version of it."""
        self.uninstall()
        digit = self._digit()
        (self._site / "dep").mkdir()
        (self._site / "dep/__init__.py").write_text(f"VALUE = {digit}\n")
        metadata = self._site / f"dep-1.{digit}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Name: dep\nVersion: 1.{digit}\n")
        return f"dep 1.{digit} installed"

    def uninstall(self) -> str:
        """Uninstalls it."""
        for path in self._site.glob("dep*"):
            shutil.rmtree(path)
        return "dep uninstalled"

    def switch_path(self) -> str:
        """A `.pth` file leads elsewhere, or goes."""
        file = self._site / "shift.pth"
        if file.exists() and self.random.random() < 0.2:
            file.unlink()
            return "shift.pth deleted"
        return self._put(str(file), f"{self._outside}/outside{self.random.choice('12')}\n")

    def shadow(self) -> str:
        """A module of the project hides an installed one, or goes."""
        if (self.root / "dep.py").exists():
            (self.root / "dep.py").unlink()
            return "dep.py deleted"
        return self._put("dep.py", self._module())

    def break_module(self) -> str:
        """A module can't be imported until its next edit."""
        return "broken: " + self._put(self.random.choice(list(SIMPLE.values())), "VALUE = (\n")

    def variable(self) -> str:
        """Another value in `.env`, which may go."""
        if self.random.random() < 0.2:
            (self.root / ".env").unlink(missing_ok=True)
            return ".env deleted"
        return self._put(".env", f"SHIFT={self._digit()}\n")

    def switch_branch(self) -> str:
        """Git writes what another branch has."""
        branch = self.random.choice(["main", "other", "third"])
        self.git("checkout", "-q", "-f", branch)
        # Git removes a folder in which that leaves no file.
        for folder in FOLDERS:
            (self.root / folder).mkdir(exist_ok=True)
        # A file that git does not know may be left over from a move.
        seen: set[str] = set()
        for path in self.tests():
            name = Path(path).name
            if name in seen:
                (self.root / path).unlink()
            seen.add(name)
        return f"branch {branch}"

    def commit(self) -> str:
        """Everything is committed."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        return "committed"

    def git(self, *words: str) -> None:
        """A command of git."""
        who = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "gc.auto=0"]
        subprocess.run(["git", *who, *words], cwd=self.root, check=True, capture_output=True)

    # How files are written

    def read(self, path: str) -> str:
        """The text of a file."""
        return (self.root / path).read_text()

    def write(self, path: str, text: str) -> None:
        """Writes a file plainly."""
        (self.root / path).write_text(text)

    def _put(self, path: str, text: str) -> str:
        """Writes a file in one of the ways of editors and other tools; returns which."""
        file, random = self.root / path, self.random
        before = file.stat() if file.exists() else None
        folder = file.parent.stat()
        how = random.choice(["in place", "in place", "replaced", "made again"])
        if how == "replaced":
            beside = file.with_name(f"{file.name}.tmp")
            beside.write_text(text)
            os.replace(beside, file)
        else:
            if how == "made again":
                file.unlink(missing_ok=True)
            file.write_text(text)
        times = random.choice(["", "", "old", "hour"])
        if times == "old" and before is not None:
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        elif times:
            hour = time.time() - 3600
            os.utime(file, (hour, hour))
        return f"{path} {how}, time {times or 'now'}{self._set_back(file.parent, folder)}"

    def _set_back(self, folder: Path, before: os.stat_result) -> str:
        """Now and then a folder gets the time back that it had, as tools that copy do."""
        if self.random.random() > 0.2:
            return ""
        os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
        return ", time of the folder as before"

    def _digit(self) -> str:
        return self.random.choice(DIGITS)

    def _module(self) -> str:
        return f"VALUE = {self._digit()}\n"

    def _fresh(self) -> int:
        self._number += 1
        return self._number + 9


def _digit_of(file: Path) -> str | None:
    """The value of a module; none if it is not there or can't be compiled."""
    if not file.exists():
        return None
    if file.suffix == ".pyc":
        values: dict[str, int] = {}
        exec(marshal.loads(file.read_bytes()[16:]), values)  # It is ours.
        return str(values["VALUE"])
    found = _VALUE.findall(file.read_text())
    return found[0] if found else None


def _compiled(text: str, mtime: float, size: int) -> bytes:
    """The bytes of a `.pyc`."""
    code: CodeType = compile(text, "stale.py", "exec")
    head = importlib.util.MAGIC_NUMBER + bytes(4)
    times = int(mtime).to_bytes(4, "little") + size.to_bytes(4, "little")
    return head + times + marshal.dumps(code)
