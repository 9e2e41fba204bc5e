"""The plugins of pytest that are installed most often: one by one and all together.

Each is set in `addopts`, with an option where it has one that a project would set there.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from command_line import lens
from daemon import Daemon
from world import DEADLINE, REPO, Project, World

#: `cargo xtask test e2e` makes it of tests/popular_plugins.txt.
POPULAR = REPO / "target" / "venvs" / "popular-plugins"

TESTS = '''
    """Tests with every outcome, in a file that uses no plugin."""

    import warnings

    import pytest


    @pytest.fixture(scope="module")
    def shared():
        return {"a": 1}


    @pytest.fixture
    def broken():
        raise RuntimeError("no set-up")


    @pytest.fixture
    def leaves():
        yield
        raise OSError("no teardown")


    def test_good(shared, tmp_path, capsys):
        print("printed")
        assert capsys.readouterr().out == "printed\\n"
        assert tmp_path.is_dir() and shared == {"a": 1}


    def test_bad(shared):
        assert shared == {"a": 2, "b": [1, 2, 3]}


    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_number(number):
        assert number < 3


    @pytest.mark.skip(reason="not today")
    def test_skipped():
        pass


    @pytest.mark.xfail(reason="known")
    def test_expected():
        assert False


    def test_error(broken):
        pass


    def test_left(leaves):
        warnings.warn("old", DeprecationWarning)


    class TestGroup:
        def setup_method(self):
            self.value = 1

        def test_inside(self, monkeypatch):
            monkeypatch.setenv("VALUE", "1")
            assert self.value == 1
    '''

#: What plain pytest finds: a line of JSON for each report that decides an outcome.
CONFTEST = """
    import json
    import os

    import pytest


    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(report):
        path = os.environ.get("OUTCOMES")
        if path and (report.when == "call" or report.outcome in ("failed", "skipped")):
            is_expected = hasattr(report, "wasxfail")
            outcome = "xfailed" if is_expected and report.skipped else report.outcome
            if report.failed and report.when != "call":
                outcome = "error"
            with open(path, "a") as file:
                print(json.dumps([report.nodeid, outcome]), file=file)
    """


@dataclass(frozen=True)
class Plugin:
    """A plugin: its name for `-p`, and what a project sets for it."""

    name: str
    options: str = ""
    settings: str = ""
    #: Names of further plugins that it needs.
    needs: tuple[str, ...] = field(default=())


PLUGINS = [
    Plugin("pytest_cov", "--cov=. --cov-report="),
    Plugin("xdist", "-n 2"),
    Plugin("asyncio", settings='asyncio_mode = "auto"'),
    Plugin("pytest_mock"),
    Plugin("timeout", "--timeout=300"),
    Plugin("rerunfailures", "--reruns=1"),
    Plugin("metadata", "--metadata branch main"),
    Plugin("html", "--html=out/report.html --self-contained-html", needs=("metadata",)),
    Plugin("django"),
    Plugin("env", settings='env = ["SHOP=open"]'),
    Plugin("randomly", "--randomly-seed=7"),
    Plugin("benchmark", "--benchmark-disable"),
    Plugin("sugar"),
    Plugin("pytest_httpx"),
    Plugin("socket", "--disable-socket --allow-unix-socket"),
    Plugin("pytest-split", "--splits=1 --group=1"),
    Plugin("pytest_order", "--indulgent-ordering"),
    Plugin("repeat", "--count=2"),
    Plugin("instafail", "--instafail"),
    Plugin("clarity"),
    Plugin("check"),
    Plugin("dependency", settings="automark_dependency = true"),
    Plugin("pytest-bdd", "--gherkin-terminal-reporter"),
    Plugin("pytest-datadir"),
    Plugin("regressions", needs=("pytest-datadir",)),
    Plugin("freezer"),
    Plugin(
        "pytest_jsonreport", "--json-report --json-report-file=out/report.json", needs=("metadata",)
    ),
    Plugin("random_order", "--random-order"),
    Plugin("pytest_httpserver"),
    Plugin("anyio"),
    Plugin("hypothesispytest", "--hypothesis-show-statistics"),
    Plugin("faker"),
    Plugin("syrupy", "--snapshot-warn-unused"),
    Plugin("allure_pytest", "--alluredir=out/allure"),
    Plugin("typeguard", "--typeguard-packages=shop"),
    Plugin("requests_mock"),
    Plugin("respx"),
    Plugin("time_machine"),
    Plugin("picked"),
    Plugin("pytest_lazyfixture"),
    Plugin("unordered"),
    Plugin("pytest_github_actions_annotate_failures"),
    Plugin("inline_snapshot"),
    Plugin("icdiff"),
]

#: These can't be combined: they repeat or shuffle tests, or refuse one another.
APART = {
    "xdist",
    "repeat",
    "randomly",
    "random_order",
    "rerunfailures",
    "inline_snapshot",
    "pytest-bdd",
}


def project(root: Path, plugins: list[Plugin]) -> Project:
    loaded = [name for plugin in plugins for name in (*plugin.needs, plugin.name)]
    options = [f"-p {name}" for name in dict.fromkeys(loaded)]
    options += [plugin.options for plugin in plugins if plugin.options]
    settings = "\n".join(plugin.settings for plugin in plugins if plugin.settings)
    made = Project(
        root, {"test_kinds.py": TESTS, "conftest.py": CONFTEST, "shop.py": "price = 1\n"}
    )
    made.write("test_edit.py", "import shop\n\n\ndef test_edit():\n    assert shop.price == 1\n")
    addopts = json.dumps(" ".join(options))
    made.write("pyproject.toml", f"[tool.pytest.ini_options]\naddopts = {addopts}\n{settings}\n")
    return made


def environment() -> dict[str, str]:
    return {"VIRTUAL_ENV": str(POPULAR)}


def plain_outcomes(world: World, made: Project, tmp_path: Path) -> tuple[int, dict[str, str]]:
    """The status of plain pytest, and the last outcome of each test."""
    told = tmp_path / "outcomes"
    done = subprocess.run(
        [str(POPULAR / "bin" / "python"), "-m", "pytest"],
        cwd=made.root,
        env=world.env(**environment(), OUTCOMES=str(told)),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert told.exists(), done.stdout + done.stderr
    found: dict[str, str] = {}
    for line in told.read_text().splitlines():
        test, outcome = json.loads(line)
        if found.get(test) != "error" and outcome != "rerun":
            found[test] = outcome
    return done.returncode, found


@pytest.fixture(scope="module")
def daemon(world: World) -> Iterator[Daemon]:
    if not POPULAR.is_dir():
        raise FileNotFoundError(f"{POPULAR} is missing: `cargo xtask test e2e` makes it")
    running = Daemon(world, env=environment())
    yield running
    assert running.end() == 0
    assert world.wait_until_gone() == {}


def check(world: World, daemon: Daemon, made: Project, tmp_path: Path) -> None:
    """A run has the outcomes of plain pytest, and the next one sees an edit."""
    status, outcomes = plain_outcomes(world, made, tmp_path)
    command = ("run", "--json", f"--connect={daemon.socket}")
    first = lens(world, *command, cwd=made.root, env=environment())
    assert (first.status, first.outcomes) == (status, outcomes), first.err
    made.write("shop.py", "price = 200\n")
    second = lens(world, *command, cwd=made.root, env=environment())
    edited = {test: "failed" if "test_edit" in test else out for test, out in outcomes.items()}
    assert (second.status, second.outcomes) == (1, edited), second.err


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_alone(world: World, daemon: Daemon, tmp_path: Path, plugin: Plugin) -> None:
    check(world, daemon, project(tmp_path / "project", [plugin]), tmp_path)


def test_all_together(world: World, daemon: Daemon, tmp_path: Path) -> None:
    together = [plugin for plugin in PLUGINS if plugin.name not in APART]
    check(world, daemon, project(tmp_path / "project", together), tmp_path)
