"""That `pytest-lens run` says what plain pytest says, with this file's Python and pytest.

`cargo xtask test pythons` runs it with each pair of them. One project holds every outcome, and what
Python and pytest have changed over the years; the suites of `cargo xtask fidelity` go beyond it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]

FILES = {
    "pytest.ini": """
        [pytest]
        addopts = --doctest-modules
        markers = slow
    """,
    "unit/conftest.py": """
        import pytest

        @pytest.fixture(scope="session")
        def shared(tmp_path_factory):
            return tmp_path_factory.mktemp("shared")

        @pytest.fixture
        def breaks():
            raise RuntimeError

        @pytest.fixture
        def breaks_late():
            yield
            raise RuntimeError

        @pytest.fixture(params=["one", "two"])
        def word(request):
            return request.param
    """,
    "unit/helpers.py": '''
        """Examples.

        >>> double(2)
        4
        >>> double(3)
        7
        """

        def double(number):
            """
            >>> double("a")
            'aa'
            """
            return number * 2
    ''',
    "unit/test_outcomes.py": """
        import sys, threading, warnings
        import pytest

        def test_passed(): pass
        def test_failed(): assert [1, 2] == [1, 3]
        def test_error(breaks): pass
        def test_error_late(breaks_late): pass
        def test_failed_and_error_late(breaks_late): assert False
        @pytest.mark.skip
        def test_skipped(): pass
        def test_skipped_within(): pytest.skip("now")
        def test_import(): pytest.importorskip("no_such_module_anywhere")
        @pytest.mark.xfail
        def test_xfailed(): assert False
        def test_xfailed_within(): pytest.xfail("now")
        @pytest.mark.xfail(run=False)
        def test_xfailed_unrun(): assert False
        @pytest.mark.xfail(raises=KeyError)
        def test_fails_otherwise(): raise ValueError
        @pytest.mark.xfail
        def test_xpassed(): pass
        @pytest.mark.xfail(strict=True)
        def test_failed_strict(): pass
        @pytest.mark.slow
        @pytest.mark.parametrize("number", [1, pytest.param(2, marks=pytest.mark.xfail)])
        def test_cases(number, word): assert number != 2 and word != "two"
        @pytest.mark.filterwarnings("error")
        def test_warned(): warnings.warn("so")
        def test_recorded(recwarn):
            warnings.warn("so")
            assert len(recwarn) == 1
        def test_captured(capsys, caplog, monkeypatch, tmp_path, shared):
            print("out")
            assert capsys.readouterr().out == "out\\n" and tmp_path != shared
        def test_exit(): sys.exit(3)
        def test_exits_in_a_thread():
            thread = threading.Thread(target=sys.exit)
            thread.start()
            thread.join()
        if sys.version_info >= (3, 11):
            def test_group(): raise ExceptionGroup("several", [ValueError(1), KeyError(2)])
            def test_noted():
                error = ValueError("with a note")
                error.add_note("look here")
                raise error
    """,
    "unit/test_classes.py": """
        import unittest
        import pytest

        class TestPlain:
            def setup_method(self): self.value = 1
            def test_value(self): assert self.value == 1
            @pytest.mark.parametrize("key", ["a::b", "c[d]"])
            def test_key(self, key): assert key != "c[d]"
            class TestInner:
                def test_inner(self): pass

        class TestUnit(unittest.TestCase):
            @classmethod
            def setUpClass(cls): cls.value = 1
            def test_subtests(self):
                for number in range(2):
                    with self.subTest(number=number):
                        self.assertEqual(number, 0)
            @unittest.expectedFailure
            def test_expected(self): self.fail()
            @unittest.skip("never")
            def test_skipped(self): pass
            async def test_never_awaited(self): pass

        class TestAwaited(unittest.IsolatedAsyncioTestCase):
            async def test_fails(self): self.fail()
    """,
    "unit/test_broken.py": "import no_such_module_anywhere\n",
}

WAYS = [["--mode", "embedded", "-n", "2"], ["--mode", "subprocess", "-n", "1"]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project."""
    root = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return root


def called(root: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in the project, with this interpreter's environment as the active one."""
    home = root.parent / "home"
    home.mkdir(exist_ok=True)
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    env = {
        "PATH": os.pathsep.join(folders),
        "VIRTUAL_ENV": sys.prefix,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        **variables,
    }
    return subprocess.run(
        command, cwd=root, env=env, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def plain(root: Path) -> dict[str, str]:
    """Plain pytest's outcome of each test."""
    record = root.parent / "record.jsonl"
    recorder = {"PYTHONPATH": str(REPO / "tests" / "fidelity"), "LENS_RECORD": str(record)}
    arguments = ("-p", "lens_recorder", "--continue-on-collection-errors")
    done = called(root, sys.executable, "-m", "pytest", *arguments, **recorder)
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    found = {line["id"]: line["outcome"] for line in lines}
    assert len(found) == len(lines), done.stdout
    assert len(set(found.values())) == 6, f"an outcome is missing\n{done.stdout}"
    return found


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_outcomes_are_those_of_plain_pytest(
    root: Path, plain: dict[str, str], way: list[str]
) -> None:
    binary = os.environ.get("PYTEST_LENS_BIN") or str(REPO / "target" / "debug" / "pytest-lens")
    done = called(root, binary, "run", "--json", *way)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    told = [event["outcomes"] for event in events if event["event"] == "testOutcome"]
    outcomes = [outcome for batch in told for outcome in batch]
    found = {outcome["id"]: outcome["outcome"] for outcome in outcomes}
    assert found == plain, done.stderr
    assert len(outcomes) == len(found)
    # A file that could not be collected leaves the run incomplete.
    assert done.returncode == 2, done.stderr
