"""Command lines of well-known projects, with `pytest-lens` in place of `pytest`, next to pytest."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import Told
from world import DEADLINE, REPO, Project, World, binary

#: `cargo xtask test e2e` makes it of tests/plugins.txt.
PLUGINS = REPO / "target" / "venvs" / "plugins"

FILES = {
    "pyproject.toml": """
        [tool.pytest]
        minversion = "9.0"
        testpaths = ["tests"]
        pythonpath = ["src"]
        addopts = ["-ra"]
        markers = ["slow: takes long", "network: needs a network"]
        asyncio_mode = "auto"
        asyncio_default_fixture_loop_scope = "function"

        [tool.coverage.run]
        source = ["shop"]
        """,
    "src/shop/__init__.py": '''
        """A shop.

        >>> total([1, 2])
        3
        """

        import warnings


        def total(prices):
            """The sum.

            >>> total([])
            0
            """
            return sum(prices)


        def old():
            warnings.warn("old() goes", DeprecationWarning, stacklevel=2)
            return 1


        def never():
            return "not covered"
        ''',
    "src/shop/test_inside.py": """
        from shop import total


        def test_inside():
            assert total([3]) == 3
        """,
    "tests/conftest.py": """
        import pytest


        def pytest_addoption(parser):
            parser.addoption("--run-slow", action="store_true")
            parser.addoption("--integration", action="store_true")


        def pytest_collection_modifyitems(config, items):
            if not config.getoption("--run-slow"):
                for item in items:
                    if "slow" in item.keywords:
                        item.add_marker(pytest.mark.skip(reason="needs --run-slow"))
        """,
    "tests/unit/test_total.py": """
        import asyncio
        import logging

        import pytest

        import shop


        def test_sum(record_property):
            record_property("count", 2)
            assert shop.total([1, 2]) == 3


        @pytest.mark.parametrize("text", ["a-b", "c d", "é"])
        def test_text(text):
            print("text", text)


        class TestGroup:
            @pytest.mark.slow
            def test_slow(self):
                pass

            @pytest.mark.network
            def test_network(self):
                pytest.skip("no network")

            @pytest.mark.xfail(reason="known")
            def test_known(self):
                assert shop.total([1]) == 2

            @pytest.mark.xfail(reason="better than thought")
            def test_better(self):
                pass


        async def test_async():
            await asyncio.sleep(0)


        def test_warns():
            assert shop.old() == 1


        def test_logs(caplog):
            logging.getLogger("shop").warning("low on %s", "tea")
            assert caplog.messages == ["low on tea"]


        @pytest.mark.xdist_group("db")
        def test_grouped(tmp_path, mocker):
            assert mocker.patch("shop.total") is shop.total
        """,
    "tests/flaky/test_flaky.py": """
        import os
        from pathlib import Path


        def test_flaky():
            count = Path(os.environ["SHOP_STATE"]) / "count"
            tries = int(count.read_text()) if count.exists() else 0
            count.write_text(str(tries + 1))
            if tries < 1:
                raise ConnectionError("try again")
        """,
    "tests/bad/test_bad.py": """
        import pytest


        @pytest.fixture
        def broken():
            raise RuntimeError("no set-up")


        @pytest.fixture
        def leaves():
            yield
            raise OSError("no teardown")


        def test_bad():
            print("printed")
            assert {"a": 1} == {"a": 2}


        def test_error(broken):
            pass


        def test_left(leaves):
            pass


        def test_bad_and_left(leaves):
            assert 0
        """,
    "examples/test_example.py": "def test_example():\n    pass\n",
    "extra/shop_plugin.py": "def pytest_report_header(config):\n    return 'shop: here'\n",
    "ci.ini": """
        [pytest]
        addopts = -v --maxfail=2
        markers =
            slow: takes long
            network: needs a network
        pythonpath = src
        """,
    "args.txt": "-v\n-k\nsum or text\n",
}


@dataclass
class Line:
    """A command line, with the project whose continuous integration has it.

    `OUT` stands for a folder of reports, and `A=b` at the beginning sets a variable.
    """

    project: str
    words: str
    folder: str = "."


#: The names of packages and files are those of `FILES`; the rest is as the projects write it.
LINES = [
    Line("urllib3", "-v -ra --tb=native --durations=10 --strict-config --strict-markers tests/"),
    Line("packaging", "--capture=no tests/unit"),
    Line(
        "scikit-learn",
        "PYTHONPATH=src -v --full-trace --showlocals --durations=20 --junitxml=OUT/junit.xml "
        "--cov-config=pyproject.toml --cov shop --cov-report= -Werror::DeprecationWarning "
        "-Werror::FutureWarning -Wignore:tostring:DeprecationWarning -ra --pyargs shop",
    ),
    Line(
        "pandas",
        "-r fE -n 2 --dist=loadfile -s --cov=shop --cov-report=xml:OUT/coverage.xml --cov-append "
        "--cov-config=pyproject.toml tests/unit -m 'not slow'",
    ),
    Line("pip", "-n auto tests/unit"),
    Line("pydantic", "src/shop -p no:sugar -q --cache-clear"),
    Line("poetry", "--integration -v"),
    Line("jaraco", "-v --doctest-modules --import-mode importlib src tests/unit"),
    Line(
        "matplotlib",
        "-rfEsXR --maxfail=50 --timeout=300 --durations=25 --cov-report=xml:OUT/coverage.xml "
        "--cov=src --log-level=DEBUG --color=yes",
    ),
    Line(
        "trio",
        "PYTHONPATH=extra -ra --junitxml=OUT/junit.xml -p shop_plugin --verbose --durations=10 "
        "--run-slow tests",
    ),
    Line("cryptography", "-n 2 --dist=worksteal --durations=10 tests/bad examples"),
    Line(
        "scrapy",
        "--cov-config=pyproject.toml --cov=shop --cov-report= --cov-report=term-missing "
        "--cov-report=xml:OUT/coverage.xml --junitxml=OUT/junit.xml -o junit_family=legacy "
        "--durations=10 src/shop tests --doctest-modules",
    ),
    Line(
        "starlette",
        "CI=true --ignore venv --ignore tests/bad --ignore tests/flaky "
        "-W ignore::DeprecationWarning --cov=shop --cov-fail-under=100 --cov-report=term-missing",
    ),
    Line("hypothesis", "-n0 --strict-markers tests --maxfail=1 --ff"),
    Line("dask", "-svv 'tests/unit/test_total.py::test_text[a-b]'"),
    Line("numpy", "--timeout=600 --durations=10 --pyargs shop -m 'not slow'"),
    Line("array-api-tests", "tests/bad tests/unit -v -c ci.ini"),
    Line("pytest", "--reruns 5 tests/flaky examples/test_example.py"),
    Line("celery", "--reruns 2 --only-rerun ConnectionError tests/flaky"),
    Line(
        "home-assistant",
        "-qq --timeout=9 --durations=10 --cov=shop --cov-report=xml:OUT/coverage.xml "
        "-o console_output_style=count -p no:sugar --durations=0 --durations-min=1 tests/unit",
    ),
    # The same options in other places.
    Line("a file", "@args.txt"),
    Line("a variable", "PYTEST_ADDOPTS='--reruns=1 --reruns-delay=0.01 -v' tests/flaky examples"),
    Line("a gate in CI", "CI=true --junit-xml OUT/junit.xml -n 2 --dist loadgroup tests/unit"),
    Line("a subfolder", "-q -rN ../../examples .", "tests/unit"),
    Line("a step", "--stepwise tests/bad"),
    Line("no summary", "--no-summary -v tests/bad"),
    Line("no tracebacks", "--tb=no --junitxml=OUT/junit.xml tests/bad"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    if not PLUGINS.is_dir():
        raise FileNotFoundError(f"{PLUGINS} is missing: `cargo xtask test e2e` makes it")
    # No run below writes bytecode: without this, each would compile pytest and all plugins again.
    compiling = [str(PLUGINS / "bin" / "python"), "-m", "compileall", "-q", str(PLUGINS / "lib")]
    subprocess.run(compiling, check=True, timeout=10 * DEADLINE)
    return Project(tmp_path_factory.mktemp("shop"), FILES)


def run(world: World, project: Project, line: Line, command: list[str], reports: Path) -> Told:
    """Runs a command with the words of a line."""
    (reports / "state").mkdir(parents=True)
    words = shlex.split(line.words.replace("OUT", str(reports)))
    variables = {}
    while re.match(r"[A-Z_]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    # The order is that of the files, unless the line says otherwise.
    variables["PYTEST_ADDOPTS"] = f"-p no:randomly {variables.get('PYTEST_ADDOPTS', '')}"
    environment = world.env(
        PATH=os.pathsep.join([str(PLUGINS / "bin"), os.environ.get("PATH", os.defpath)]),
        VIRTUAL_ENV=str(PLUGINS),
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="",
        PYTHONDONTWRITEBYTECODE="1",
        SHOP_STATE=str(reports / "state"),
        COVERAGE_FILE=str(reports / "coverage"),
        **variables,
    )
    done = subprocess.run(
        [*command, *words],
        cwd=project.root / line.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        stdin=subprocess.DEVNULL,
    )
    return Told(done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout), done.stderr)


def counts(told: Told, line: Line) -> dict[str, int]:
    """The numbers of the closing line.

    pytest-lens also counts tests that did not run, and those that distributed runs deselect.
    pytest-xdist loses some warnings.
    """
    closing = [text for text in told.lines if re.search(r" in \d+\.\d\ds", text)]
    found = re.findall(r"(\d+) ([a-z]+)", closing[-1].split(" in ")[0]) if closing else []
    numbers = {word.rstrip("s"): int(number) for number, word in found}
    lost = ("not", "deselected", "warning") if "-n 2" in line.words else ("not",)
    return {word: number for word, number in numbers.items() if word not in lost}


def verdicts(told: Told) -> list[str]:
    """The lines of `-v`: id and word."""
    found = [re.match(r"(\S+::.*?) ([A-Z]+)\b", line) for line in told.lines]
    return sorted(f"{one[1]} {one[2]}" for one in found if one and one[2] != "NOT")


def listed(told: Told) -> list[str]:
    """The short summary: word and place."""
    found = [re.match(r"(FAILED|ERROR|SKIPPED|X?PASS|XFAIL|RERUN) .*", line) for line in told.lines]
    return sorted(one[0].partition(" - ")[0] for one in found if one)


def junit(reports: Path) -> str:
    """The report without times."""
    path = reports / "junit.xml"
    if not path.exists():
        return ""
    suites = ET.parse(path).getroot()
    for element in suites.iter():
        element.attrib.pop("time", None)
        element.attrib.pop("timestamp", None)
    for suite in suites:  # Distributed tests end in any order.
        suite[:] = sorted(suite, key=lambda case: str(sorted(case.attrib.items())))
    return ET.tostring(suites, encoding="unicode")


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.project.replace(" ", "-"))
def test_same_line_same_end(world: World, project: Project, tmp_path: Path, line: Line) -> None:
    python = [str(PLUGINS / "bin" / "python"), "-m", "pytest", "-o", f"cache_dir={tmp_path}/cache"]
    with ThreadPoolExecutor() as both:
        plain = both.submit(run, world, project, line, python, tmp_path / "plain")
        ours = both.submit(run, world, project, line, [str(binary())], tmp_path / "ours")
    expected, told = plain.result(), ours.result()
    assert told.status == expected.status, f"{told}\n\n{expected}"
    assert counts(told, line) == counts(expected, line), f"{told}\n\n{expected}"
    assert listed(told) == listed(expected)
    if re.search(r"-v\b|--verbose", line.words) and "-n " not in line.words:
        assert verdicts(told) == verdicts(expected)
    reports = [sorted(path.name for path in (tmp_path / by).iterdir()) for by in ("ours", "plain")]
    assert reports[0] == reports[1]
    assert junit(tmp_path / "ours") == junit(tmp_path / "plain")


@pytest.mark.parametrize(
    ("source", "words"),
    [("import nowhere\n", ""), ("def test_a():\n    pass\n", "-k none"), ("GOODS = 1\n", "")],
    ids=["broken", "deselected", "empty"],
)
def test_a_run_without_tests_writes_its_reports(
    world: World,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    source: str,
    words: str,
) -> None:
    project = Project(
        tmp_path_factory.mktemp("none"), {"pytest.ini": "[pytest]\n", "test_a.py": source}
    )
    line = Line("", f"-q --junitxml=OUT/junit.xml {words}")
    python = [str(PLUGINS / "bin" / "python"), "-m", "pytest", "-p", "no:cacheprovider"]
    expected = run(world, project, line, python, tmp_path / "plain")
    told = run(world, project, line, [str(binary())], tmp_path / "ours")
    assert told.status == expected.status, f"{told}\n\n{expected}"
    assert junit(tmp_path / "ours") == junit(tmp_path / "plain") != ""


TERMINAL = {
    "pytest.ini": "[pytest]\n",
    "shop.py": """
        def price(goods):
            if goods:
                return 1
            return 0
    """,
    "conftest.py": """
        def pytest_report_header(config):
            assert config.option.verbose >= 0, "pytest prints no heading"
            return ["stock: full", "till: closed"]

        def pytest_report_collectionfinish(items):
            return [f"goods: {len(items)}", "shelves: 1"]

        def pytest_terminal_summary(terminalreporter, config):
            terminalreporter.section("stock")
            terminalreporter.write_line(f"{len(terminalreporter.getreports('passed'))} passed")
    """,
    "test_skipped.py": """
        import pytest

        pytest.skip("no stock", allow_module_level=True)
    """,
    "test_phases.py": """
        import logging
        import sys
        import warnings

        import pytest
        import shop

        def say(phase):
            print("out", phase)
            print("err", phase, file=sys.stderr)
            logging.getLogger("shop").warning("log %s", phase)
            logging.getLogger("stock").error("gone in %s", phase)

        @pytest.mark.parametrize("number", range(12))
        def test_often(number):
            warnings.warn("old goods", DeprecationWarning)

        @pytest.fixture
        def goods():
            say("setup")
            yield [1]
            say("teardown")

        @pytest.fixture
        def breaks(goods):
            say("setup")
            raise ValueError("setup")

        @pytest.fixture
        def breaks_later():
            say("setup")
            yield
            say("teardown")
            raise KeyError("teardown")

        def test_passes(goods):
            say("call")
            assert shop.price(goods) == 1

        def test_fails(goods):
            say("call")
            assert shop.price(goods) == 2

        def test_short(): assert shop.price([1]) == 2

        def test_setup(breaks): pass

        def test_teardown(breaks_later):
            say("call")

        def test_both(breaks_later):
            say("call")
            assert 0

        @pytest.mark.xfail(reason="known")
        def test_expected(goods):
            say("call")
            assert 0

        @pytest.mark.xfail(reason="never", run=False)
        def test_never_run():
            pass

        @pytest.mark.xfail(reason="strange")
        def test_unexpected(goods):
            say("call")

        @pytest.mark.xfail(reason="strange", strict=True)
        def test_strict(goods):
            say("call")

        def test_parts(goods, subtests):
            say("call")
            for number in range(3):
                with subtests.test("part", number=number):
                    say(f"part {number}")
                    assert number == 1

        class TestGoods:
            def test_method(self, goods):
                say("call")
                raise RuntimeError("method")
    """,
}


def masked(told: Told) -> list[str]:
    """The lines without what differs between two runs."""
    text = re.sub(r"0x[0-9a-f]+", "0x", told.out.replace("/ours/", "/plain/"))
    text = re.sub(r"\d+\.\d\ds", "T", text)
    text = re.sub(r"^=+ (.* in T) =+$", r"== \1 ==", text, flags=re.M)
    return re.sub(r"^platform .*", "platform", text, flags=re.M).splitlines()


@pytest.mark.parametrize(
    "words",
    [
        "--cov --cov-report=term-missing --cov-report=xml:OUT/coverage.xml -rA",
        "-v --no-cov --show-capture=stderr --xfail-tb -rxX --durations=2 --durations-min=9",
        "-q --tb=short --show-capture=log --no-fold-skipped -rsP",
        "-q --cov --cov-fail-under=99 --no-summary -k passes -p no:logging",
    ],
)
def test_the_terminal_shows_what_pytest_shows(
    world: World, tmp_path: Path, words: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project = Project(tmp_path_factory.mktemp("terminal"), TERMINAL)
    line = Line("", words)
    python = [str(PLUGINS / "bin" / "python"), "-m", "pytest", "-p", "no:cacheprovider"]
    expected = run(world, project, line, python, tmp_path / "plain")
    told = run(world, project, line, [str(binary())], tmp_path / "ours")
    assert told.status == expected.status, f"{told}\n\n{expected}"
    shown = masked(expected)
    if "ERROR: Coverage failure" in expected.out:  # pytest breaks its line of dots for it
        at = next(at for at, line in enumerate(shown) if line.startswith("ERROR: Coverage"))
        shown[at - 1 : at + 2] = [shown[at - 1] + shown[at + 1][len(shown[at - 1]) :]]
    assert masked(told) == shown


def test_b11_each_nested_project_is_measured_as_in_its_own_folder(
    world: World, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    code = "def tidy(goods):\n    if goods:\n        return sorted(goods)\n    return None\n"
    test = "import {0}\ndef test_{0}():\n    assert {0}.tidy([2, 1]) == [1, 2]\n"
    files = {
        "web/pytest.ini": "[pytest]\naddopts = --cov-branch\n",
        "web/web.py": code,
        "web/test_web.py": test.format("web"),
        "api/pytest.ini": "[pytest]\npythonpath = src\n",
        "api/src/api.py": code,
        "api/test_api.py": test.format("api"),
    }
    project = Project(tmp_path_factory.mktemp("measured"), files)
    words = "-q --cov=. --cov-report=term-missing"
    told = run(world, project, Line("", words), [str(binary())], tmp_path / "ours")
    tables = re.findall(r"^Name .*?^TOTAL .*?$", told.out, re.MULTILINE | re.DOTALL)
    assert (len(tables), told.status) == (2, 0), told
    python = [str(PLUGINS / "bin" / "python"), "-m", "pytest", "-p", "no:cacheprovider"]
    for folder, table in zip(("api", "web"), tables):
        plain = run(world, project, Line("", words, folder), python, tmp_path / folder)
        assert table in plain.out, f"{told}\n\n{plain}"
